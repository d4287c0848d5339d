#!/bin/sh
# From an empty folder to a credit portrait on the files in data/, both parties on this machine: the ten commands of
# README.md. Use: sh examples/walk.sh [FOLDER]. PORT (8600) is the service's; LAB (.venv/bin/lab) is the command.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-shulab-example}
port=${PORT:-8600}
: "${LAB:=$here/../.venv/bin/lab}"
mkdir -p "$out"
out=$(cd "$out" && pwd)
export SHULAB_BUREAU_HOME="$out/bureau/home" SHULAB_BANK_HOME="$out/bank/home" SHULAB_SESSION="$out/bureau/session.json"
data=$here/data id=统一社会信用代码 url=http://127.0.0.1:$port count=0

lab() { # one command of a party: printed, counted, and its JSON object kept in $said
    count=$((count + 1))
    printf '%2d  lab' "$count"
    printf ' %s' "$@"
    printf '\n'
    said=$($LAB "$@" --json 2>>"$out/walk.log") || { printf '%s\n' "$said"; tail -n 3 "$out/walk.log"; exit 1; }
}
field() { # the text of a member of $said
    printf '%s' "$said" | sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"
}
password() { # the one-time password of an account, which `init` showed once
    printf '%s' "$accounts" | tr '{}' '\n\n' | sed -n "/\"account\": *\"$1\"/s/.*\"password\": *\"\([^\"]*\)\".*/\1/p"
}

mkdir -p "$out/bureau" "$out/bank"
started=$(date +%s)

# --- 数据局 the bureau
lab bureau init --name "示例市数据局 Sample City Data Bureau" \
    --account "zhang.wei:officer:数据资源处 Data resources" --account "li.na:officer:法规处 Legal affairs"
accounts=$said bureau_fingerprint=$(field fingerprint)
lab bureau import "$data/register.csv" --id "$id" --dictionary "$data/register-words.toml"
lab model train --publish --sample "$data/pilot.csv" --id "$id" --label 是否违约 --dictionary "$data/bank-words.toml"
count=$((count + 1))
echo " $count  lab bureau serve --port $port"
$LAB bureau serve --port "$port" --port-file "$out/bureau/port" >>"$out/walk.log" 2>&1 &
service=$!
trap 'kill $service 2>/dev/null; wait $service 2>/dev/null || true' EXIT

# --- 银行 the bank, meanwhile
lab bank init --name "示例银行 Sample Bank" --key-file "$out/bank/bank.key"
card=$(field card) bank_fingerprint=$(field fingerprint)

# --- 数据局 the bureau: one officer drafts, another approves; the fingerprints are read out by telephone
while [ ! -s "$out/bureau/port" ]; do
    kill -0 $service 2>/dev/null || { tail -n 3 "$out/walk.log"; exit 1; }
    sleep 0.2
done
export SHULAB_PASSWORD SHULAB_NEW_PASSWORD
SHULAB_PASSWORD=$(password zhang.wei) SHULAB_NEW_PASSWORD="example of zhang's own $$"
lab officer draft --as zhang.wei --service "$url" --bank-card "$card" --fingerprint "$bank_fingerprint" --model credit \
    --ceiling-identifiers 500 --ceiling-scores-per-enterprise 2 --submit
contract=$(field contract)
SHULAB_PASSWORD=$(password li.na) SHULAB_NEW_PASSWORD="example of li's own $$"
lab officer approve "$contract" --as li.na
unset SHULAB_PASSWORD SHULAB_NEW_PASSWORD

# --- 银行 the bank
lab bank sign "$contract" --bureau "$url" --fingerprint "$bureau_fingerprint"
lab bank score "$data/portfolio.csv" --contract "$contract" --id "$id" --skip "$data/not-to-score.csv" \
    --out "$out/bank/scores.csv"
lab bank portrait --html "$out/bank/portrait.html"

echo "$count 条命令 commands, $(($(date +%s) - started)) 秒 seconds: $out/bank/portrait.html"

#!/bin/sh
# SBA loans through the register, with a catalogue of another country: the commands of README.md, in their order.
# Use: sh examples/sba/walk.sh LOANS.csv [FOLDER]. The loans are read where they are; nothing is copied beside this file.
# LAB (.venv/bin/lab) is the command.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
loans=${1:?"the path of SBAcase.11.13.17.csv; README.md says where it is from"}
out=${2:-shulab-sba}
: "${LAB:=$here/../../.venv/bin/lab}"
[ -r "$loans" ] || { echo "找不到文件 no such file: $loans" >&2; exit 1; }
mkdir -p "$out"
export SHULAB_BUREAU_HOME="$out/home"
id=LoanNr_ChkDgt count=0

lab() { # one command: printed, counted, shown; its words are also kept in walk.log
    count=$((count + 1))
    printf '\n%2d  lab' "$count"
    printf ' %s' "$@"
    printf '\n'
    $LAB "$@" 2>>"$out/walk.log" || { tail -n 5 "$out/walk.log" >&2; exit 1; }
}

# --- 目录与规则 a catalogue of one's own, with its rules and features
lab bureau init --name "示例 Example: loans to small businesses"
lab bureau catalogue check "$here/catalogue"
lab bureau catalogue import "$here/catalogue" --by "数据管理员 steward" --reason "另一国的目录 a catalogue of another country"
lab bureau repair rules "$here/repair-rules.toml"
mkdir -p "$SHULAB_BUREAU_HOME/feature-files" "$SHULAB_BUREAU_HOME/quality"
cp "$here"/features/*.toml "$SHULAB_BUREAU_HOME/feature-files/"
cp "$here"/quality/*.toml "$SHULAB_BUREAU_HOME/quality/"

# --- 导入 each domain by its own mapping, from the one file
lab bureau mapping check "$here/mappings/loans.toml" "$loans"
lab bureau records import "$loans" --mapping "$here/mappings/firms.toml"
lab bureau records import "$loans" --mapping "$here/mappings/loans.toml"

# --- 质量、发布 quality, publication
lab bureau quality assess
lab bureau feature list
lab bureau register publish
lab bureau register show
# 一户 one firm, the first of the file: without its name, which is personal and kept encrypted
lab bureau enterprise "$(sed -n 2p "$loans" | cut -d, -f2)"

# --- 训练 the bank's sample is the same file: the columns that are its own, and the outcome
lab model train --sample "$loans" --id $id --label Default --columns DisbursementGross,RevLineCr,LowDoc,BankState
lab model train --name without-term --sample "$loans" --id $id --label Default \
    --columns DisbursementGross,RevLineCr,LowDoc,BankState \
    --features industry,employees,new_business,franchised,setting,guaranteed_share,jobs_created,jobs_retained

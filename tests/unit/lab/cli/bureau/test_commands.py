"""``lab bureau``, ``lab officer`` and ``lab model`` as a person and a program meet them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import distributed
import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.bureau.bureau import Bureau
from lab.bureau.data.register import RegisterLayout, import_register
from lab.terms.keys.party_card import read_party_card
from models.bureau.model import Model
from models.bureau.serialization import save_model
from protocols.matching.bureau import REGISTER_CHUNK_ROWS
from tests.support.bureau_scene import Scene, Tables

ROOT = Path(__file__).resolve().parents[5]


class Lab:
    """Runs ``lab`` commands on one bureau home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *words: str | Path, as_json: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lab.cli", *map(str, words), *(["--json"] if as_json else [])]
        environment = {**os.environ, "SHULAB_BUREAU_HOME": str(self.home), "OMP_NUM_THREADS": "1"}
        environment["SHULAB_SESSION"] = str(self.home / "nobody.json")
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    def ok(self, *words: str | Path) -> dict[str, Any]:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)  # exactly one object on stdout
        assert isinstance(found, dict)
        return found

    def fails(self, code: int, *words: str | Path) -> str:
        done = self.run(*words)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        problem = json.loads(done.stdout)
        assert problem["next_step"]
        return str(problem["detail"])


@pytest.fixture
def lab(tmp_path: Path, tables: Tables) -> Lab:
    """A bureau with an imported register, made without commands because each takes seconds to start."""
    with Bureau.create(tmp_path / "bureau", name="Test bureau") as bureau:
        register = tables.register_csv(tmp_path / "register.csv")
        import_register(bureau.store, bureau.home, register, RegisterLayout("id", "opaque"))
    return Lab(tmp_path / "bureau")


def bank_card(folder: Path) -> Path:
    card = folder / "card.json"
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    card.write_text(json.dumps({"name": "测试银行", "public_key": key}), encoding="utf-8")
    return card


def test_from_set_up_to_an_officers_account(tmp_path: Path, tables: Tables, model: Model) -> None:
    lab = Lab(tmp_path / "bureau")
    made = lab.ok("bureau", "init", "--name", "Test bureau")
    assert len(made["public_key"]) == 64 and made["database"] == "sqlite"
    register = tables.register_csv(tmp_path / "register.csv")
    imported = lab.ok("bureau", "import", register, "--id", "id", "--id-kind", "opaque")
    assert (imported["rows"], imported["set_aside"], imported["version"]) == (len(tables.codes), 0, 1)
    assert not list((lab.home / "evaluated").rglob("values"))  # no contract needs it yet
    save_model(model, tmp_path / "model.json")
    published = lab.ok("model", "publish", "--file", tmp_path / "model.json")
    assert (published["name"], published["version"], published["state"]) == ("credit", 1, "published")
    assert "not signed in" in lab.fails(6, "officer", "draft", "--bank-card", bank_card(tmp_path), "--model", "credit")
    account = lab.ok("bureau", "account", "li.wei", "--role", "officer", "--department", "credit")
    assert (account["account"], account["roles"]) == ("li.wei", ["officer"]) and account["password"]


def test_accounts_come_with_the_bureau_and_the_card_is_the_one_of_the_service(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "bureau")
    officers = ("--account", "li.wei:officer:信贷 credit: first", "--account", "an.hui:auditor,:audit")
    assert "role" in lab.fails(3, "bureau", "init", "--name", "Test bureau", *officers)
    for wrong in ("li.wei", "li.wei:officer:", ":officer:credit", "li.wei:boss:credit", "Li Wei:officer:credit"):
        lab.fails(3, "bureau", "init", "--name", "Test bureau", "--account", wrong)
    twice = ("--account", "li.wei:officer:a", "--account", "li.wei:auditor:b")
    assert "twice" in lab.fails(3, "bureau", "init", "--name", "Test bureau", *twice)
    assert not lab.home.exists()  # nothing is made before every account can be
    made = lab.ok("bureau", "init", "--name", "Test bureau", *officers[:2], "--account", "an.hui:auditor:audit")
    found = [(one["account"], one["roles"], one["department"]) for one in made["accounts"]]
    assert found == [("li.wei", ["officer"], "信贷 credit: first"), ("an.hui", ["auditor"], "audit")]
    assert len({one["password"] for one in made["accounts"]}) == 2
    card = lab.ok("bureau", "card", "--out", tmp_path / "bureau-card.json")
    party = read_party_card(tmp_path / "bureau-card.json", of="bureau")
    assert (party.name, party.public_key) == ("Test bureau", made["public_key"])
    assert card["fingerprint"] == made["fingerprint"] == party.fingerprint
    shown = lab.run("bureau", "card", as_json=False)
    assert json.loads(shown.stdout) == json.loads((tmp_path / "bureau-card.json").read_text("utf-8"))


def test_an_officer_signs_in_with_the_command(lab: Lab, tmp_path: Path) -> None:
    """The walk under ``examples`` does it with a service; here, what is missing."""
    card = bank_card(tmp_path)
    draft = ("officer", "draft", "--bank-card", card, "--model", "credit")
    assert "service's address" in lab.fails(3, *draft, "--as", "li.wei")
    assert "address alone" in lab.fails(3, *draft, "--service", "http://127.0.0.1:1")
    assert "SHULAB_PASSWORD" in lab.fails(3, *draft, "--as", "li.wei", "--service", "http://127.0.0.1:1")
    assert "service's address" in lab.fails(3, "officer", "approve", "c-20260101-1a2b3c4d", "--as", "li.wei")


def test_a_misspelt_dictionary_imports_and_trains_nothing(lab: Lab, tmp_path: Path, tables: Tables) -> None:
    words, register = tmp_path / "words.toml", tables.register_csv(tmp_path / "register.csv")
    imports = ("bureau", "import", register, "--id", "id", "--id-kind", "opaque", "--dictionary", words)
    sample = tmp_path / "sample.csv"
    tables.bank.select(pl.Series("code", tables.codes), pl.all(), pl.Series("y", tables.label)).write_csv(sample)
    trains = ("model", "train", "--sample", sample, "--id", "code", "--label", "y", "--dictionary", words)
    for text, says in (
        ("[items.a]\ngrade = 9\n", 'items.a.grade = "9" is not known'),
        ("[items.a]\ndimention = 'tax'\n", "nearest: dimension"),
        ("[a]\nzh = 'x'\n", "[items.a]"),
        ("[items.ab]\nzh = 'x'\n", "describe none: ab"),
    ):
        words.write_text(text, encoding="utf-8")
        assert says in lab.fails(3, *imports)
        assert says in lab.fails(3, *trains)
    assert [one["version"] for one in lab.ok("bureau", "register", "list")["versions"]] == [1]
    lab.fails(7, "model", "show", "credit")


def test_versions_are_listed_and_removed(lab: Lab, tmp_path: Path, tables: Tables) -> None:
    register = tables.register_csv(tmp_path / "register.csv")
    lab.ok("bureau", "import", register, "--id", "id", "--id-kind", "opaque")
    found = lab.ok("bureau", "register", "list")["versions"]
    assert [(one["register"], one["version"], one["removable"]) for one in found] == [
        ("main", 2, False),
        ("main", 1, True),
    ]
    assert {one["as_of"] for one in found} == {None}
    assert found[1]["replaced_at"] == found[0]["imported_at"]
    today = found[0]["imported_at"][:10]
    assert len(lab.ok("bureau", "register", "list", "--scored-on", today)["versions"]) == 2
    assert lab.ok("bureau", "register", "list", "--scored-on", "2020-01-01")["versions"] == []
    compared = lab.ok("bureau", "register", "compare", "1", "2")
    assert (compared["common"], compared["entered"], compared["left"]) == (len(tables.codes), 0, 0)
    assert all(one["changed"] == 0 for one in compared["changes"])
    lab.fails(7, "bureau", "register", "compare", "1", "9")
    assert "confirmed" in lab.fails(4, "bureau", "register", "remove", "1")
    lab.fails(8, "bureau", "register", "remove", "2", "--yes")
    lab.fails(7, "bureau", "register", "remove", "1", "--register", "other", "--yes")
    assert lab.ok("bureau", "register", "remove", "1", "--yes")["rows"] == len(tables.codes)
    assert [one["version"] for one in lab.ok("bureau", "register", "list")["versions"]] == [2]


def test_a_model_is_trained_shown_and_published(lab: Lab, tmp_path: Path, tables: Tables) -> None:
    sample = tmp_path / "sample.csv"
    tables.bank.select(pl.Series("code", tables.codes), pl.all(), pl.Series("y", tables.label)).write_csv(sample)
    done = lab.run("model", "train", "--sample", sample, "--id", "code", "--label", "y", "--family", "scorecard")
    assert done.returncode == 0, done.stderr
    assert "IN CLEAR" in done.stderr.upper()
    trained = json.loads(done.stdout)
    assert (trained["name"], trained["version"], trained["state"]) == ("credit", 1, "trained")
    assert trained["rows"] == len(tables.codes)
    assert trained["public_features"] == ["a", "b"] and trained["bank_features"] == ["u", "v"]
    assert trained["items"] and not {"a", "b"} & set(trained["items"])  # automatic codes, not column names
    assert lab.ok("model", "publish", "credit@1")["state"] == "published"
    at_once = lab.ok(
        *("model", "train", "--publish", "--sample", sample, "--id", "code", "--label", "y", "--family", "scorecard"),
        *("--name", "second"),
    )
    assert at_once["state"] == "published" and lab.ok("model", "show", "second")["state"] == "published"
    assert lab.ok("model", "show", "credit")["state"] == "published"
    lab.fails(7, "model", "show", "credit@2")
    lab.fails(3, "model", "train", "--sample", sample, "--id", "code", "--label", "z")


def test_training_on_loans_says_what_it_merged_and_ends_with_a_verdict(
    lab: Lab, tmp_path: Path, tables: Tables
) -> None:
    """Each enterprise has a second loan. One defaulted on its second loan alone. One column is the label."""
    words = ["违约" if one else "正常" for one in tables.label]
    loans = tables.bank.select(
        pl.Series("code", tables.codes), pl.all(), pl.Series("y", words), pl.Series("ended", [w[::-1] for w in words])
    )
    paid = pl.int_range(pl.len()) == words.index("违约")
    first = loans.with_columns(pl.when(paid).then(pl.lit("正常")).otherwise("y").alias("y"))
    sample = tmp_path / "loans.csv"
    pl.concat([first, loans]).write_csv(sample)
    done = lab.run("model", "train", "--sample", sample, "--id", "code", "--label", "y", "--name", "loans")
    assert done.returncode == 0, done.stderr
    trained = json.loads(done.stdout)
    firms = len(tables.codes)
    assert (trained["rows"], trained["positives"]) == (firms, sum(tables.label))
    merged = [trained[key] for key in ("sample_rows", "repeated_firms", "differing_firms", "unused_rows")]
    assert merged == [2 * firms, firms, 1, firms]
    assert trained["label_words"] == {"default": "违约", "no_default": "正常"}
    assert [leak["feature"] for leak in trained["verdict"]["leaks"]] == ["ended"]
    shown = " ".join(done.stderr.split())
    assert "have several rows" in shown and "Possible leak: bank column ended" in shown
    assert "结论 Verdict: " in shown and shown.count("Possible leak") == 1
    assert lab.ok("model", "show", "loans")["verdict"] == trained["verdict"]


def test_errors_have_codes_and_next_steps_and_no_values(lab: Lab, tmp_path: Path) -> None:
    lab.fails(8, "bureau", "init", "--name", "Second")
    lab.fails(7, "bureau", "import", tmp_path / "none.csv", "--id", "id")
    (tmp_path / "bad.csv").write_text("id,a\nCANARY-1,1\n")
    assert "CANARY" not in lab.fails(3, "bureau", "import", tmp_path / "bad.csv", "--id", "id")
    lab.fails(6, "officer", "show", "c-none")
    lab.fails(7, "officer", "draft", "--bank-card", tmp_path / "none.json", "--model", "credit")
    lab.fails(3, "officer", "draft", "--model", "credit")
    lab.fails(3, "model", "publish")
    (tmp_path / "model.json").write_text('{"schema": "shulab-model/1"}')
    lab.fails(3, "model", "publish", "--file", tmp_path / "model.json")
    lab.fails(7, "model", "show", "credit", "--home", tmp_path / "nowhere")
    assert lab.run("bureau", "import").returncode == 2


def test_a_model_file_that_reads_other_columns_is_refused(lab: Lab, tmp_path: Path, model: Model) -> None:
    other = tmp_path / "other.csv"
    other.write_text("id,c\nx,1\n")
    with Bureau.open(lab.home) as bureau:
        import_register(bureau.store, bureau.home, other, RegisterLayout("id", "opaque"), name="other")
    save_model(model, tmp_path / "model.json")
    detail = lab.fails(3, "model", "publish", "--file", tmp_path / "model.json", "--register", "other")
    assert "a, b" in detail


def test_people_see_both_languages(lab: Lab) -> None:
    shown = lab.run("bureau", "account", "li.wei", "--role", "officer", "--department", "credit", as_json=False).stdout
    assert "一次性口令" in shown and "One-time password" in shown
    for group in ("bureau", "officer", "model"):
        page = lab.run(group, "--help", as_json=False).stdout
        assert any("一" <= character <= "鿿" for character in page)


def test_a_bureau_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    import sqlalchemy

    url = sqlalchemy.make_url(postgres_url)
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("CREATE DATABASE commands"))
    engine.dispose()
    target = url.set(database="commands").render_as_string(hide_password=False)
    made = Lab(tmp_path / "bureau").ok("bureau", "init", "--name", "Test bureau", "--database-url", target)
    assert made["database"] == "postgresql"
    assert not (tmp_path / "bureau" / "bureau.db").exists()
    with Bureau.open(tmp_path / "bureau") as bureau:
        assert bureau.readiness()["database"] == "postgresql"


def test_a_register_is_evaluated_by_command_and_what_is_done_is_not_done_again(scene: Scene, tmp_path: Path) -> None:
    empty = Lab(tmp_path / "empty")
    empty.ok("bureau", "init", "--name", "Test bureau")
    empty.fails(7, "bureau", "evaluate")
    lab, rows = Lab(scene.home), len(scene.tables.codes)
    none = lab.ok("bureau", "evaluate")
    assert (none["evaluations"], none["rows"], none["path"]) == (0, 0, {})
    one, other = scene.contract(), scene.contract()
    first = lab.ok("bureau", "evaluate", "--processes", "2", "--contract", one)
    assert (first["rows"], first["computed"], first["carried"], first["resumed"]) == (rows, rows, 0, 0)
    assert first["peak_rss"] > 0 and first["seconds"] >= 0 and set(first["path"]) == {"x25519"}
    both = lab.ok("bureau", "evaluate")
    assert (both["contracts"], both["rows"], both["computed"], both["carried"]) == (2, 2 * rows, rows, 0)
    source = tmp_path / "register.csv"
    source.write_text(source.read_text() + "another,1,2\n")
    lab.ok("bureau", "import", source, "--id", "id", "--id-kind", "opaque")  # evaluates right away
    values = list((scene.home / "evaluated/by-contract/1/x25519").glob("*/match/main-2-*/all/values"))
    assert {path.parents[3].name for path in values} == {one, other}
    assert lab.ok("bureau", "evaluate")["computed"] == 0


def test_a_register_is_evaluated_on_a_cluster_if_there_is_one(scene: Scene, tmp_path: Path) -> None:
    """With as many rows as a crew is worth."""
    lab = Lab(scene.home)
    source, rows = tmp_path / "large.csv", 2 * REGISTER_CHUNK_ROWS + 1
    source.write_text("id,a,b\n" + "".join(f"firm-{row:06d},1,2\n" for row in range(rows)))
    lab.ok("bureau", "import", source, "--id", "id", "--id-kind", "opaque", "--no-evaluate", "--accept-drift")
    scene.contract()
    assert "Dask" in lab.fails(5, "bureau", "evaluate", "--cluster", "tcp://127.0.0.1:9")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        done = lab.ok("bureau", "evaluate", "--cluster", cluster.scheduler_address)
    assert done["computed"] == rows

"""A witness needs neither party's code, nor the auditor's: the words and its own rooms are all that it takes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.architecture.parties import install_without, run
from tests.unit.terms.tampering import PUBLIC

ALL_BUT_THE_WITNESS = (
    *("lab/bank", "lab/bureau", "lab/rehearsal", "lab/sdk", "models", "protocols", "sandbox"),
    *("lab/cli/bank*.py", "lab/cli/bureau*.py", "lab/cli/model.py", "lab/cli/officer*.py", "lab/cli/rehearsal.py"),
    *("lab/cli/audit*.py", "lab/cli/account.py", "lab/cli/steward.py", "lab/cli/doctor*.py", "lab/cli/keyring.py"),
)


def test_a_witness_is_made_and_shown_with_the_words_and_its_own_rooms_alone(tmp_path: Path) -> None:
    tree = install_without(ALL_BUT_THE_WITNESS, tmp_path / "tree")
    home = ("--home", str(tmp_path / "home"), "--json")
    made = run(tree, "witness", "init", "--name", "audit.example/witness", *home)
    assert made.returncode == 0, made.stderr
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"name": "某数据局", "public_key": PUBLIC}))
    refused = run(tree, "witness", "trust", str(card), "--fingerprint", "0000", *home)
    assert refused.returncode == 6, refused.stderr
    shown = run(tree, "witness", "show", *home)
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["key"] == json.loads(made.stdout)["key"]
    served = run(tree, "witness", "serve", "--port", "1", "--host", "192.0.2.1", *home)  # not this machine's
    assert served.returncode == 8, served.stderr

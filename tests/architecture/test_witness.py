"""A witness needs neither party's code, nor the auditor's: the words and its own rooms are all that it takes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.party_trees import install_without, run
from tests.support.tampered_exports import PUBLIC

ALL_BUT_THE_WITNESS = (
    *("lab/bank", "lab/bureau", "lab/simulation", "lab/sdk", "models", "protocols", "sandbox"),
    *("lab/cli/administrator", "lab/cli/auditor", "lab/cli/bank", "lab/cli/bureau", "lab/cli/doctor"),
    *("lab/cli/officer", "lab/cli/simulation", "lab/cli/steward"),
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

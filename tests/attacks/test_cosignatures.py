"""A bureau without a quorum for a fork tries to make one: it counts a witness twice, names a key of its own, takes a
cosignature from another log or another time, or leaves cosignatures out and says that it takes a while.

What stops it: cosignatures are counted by the names and keys of the contract that the bank signed, one a key, over the
very text of this log's checkpoint, in a span of time around the receipts; and a run without a quorum does not end.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from lab.bank.contract import checkpoint_wait as product
from lab.terms.errors import NotAuthentic, Unreachable
from lab.terms.keys.party import Party
from lab.terms.witnessing import cosignature
from lab.terms.witnessing.checkpoint import SignedCheckpoint
from lab.terms.witnessing.cosignature import Cosignature, cosign, find_cosignatures, read_cosignature, witness_keys
from lab.terms.witnessing.quorum import WitnessQuorum
from lab.terms.witnessing.signed_note import SIGNATURE_COSIGNATURE, NoteKey, NoteSignature
from lab.witness.cosigning import CheckpointCosigner
from lab.witness.home import WitnessHome
from tests.support.forking_bureau import Bank, Ledger, make_bank, make_witnesses, named

pytestmark = pytest.mark.threat(
    "Forged quorum",
    who="the bureau",
    wants="to end a run without a quorum: with one witness, with itself, or with cosignatures of another log or time",
    stopped_by={
        "counted by key": "Cosignatures are counted by key, once each.",
        "contract's keys": "Only keys that the contract names count.",
        "origin": "The log's origin and the time are in what a witness signs, and both are checked.",
        "covered receipts": "The cosigned checkpoint must cover the run's receipts.",
        "no end without a quorum": "A run without a quorum does not end.",
    },
    code=["lab.terms.witnessing.cosignature", "lab.bank.contract.checkpoint_wait"],
)


def stage(folder: Path) -> tuple[Ledger, Ledger, Bank, list[CheckpointCosigner]]:
    """Two forks, of which the witnesses have cosigned the first; a bank that was shown the second."""
    shown_to_all = Ledger()
    shown_to_all.answer("other", "before")
    fork = shown_to_all.fork()
    witnesses = make_witnesses(folder, fork)
    bank = make_bank(folder, "b", fork, named(folder))
    bank.take(fork.answer("b", "job"))
    for number in range(3):
        shown_to_all.answer("a", f"job-{number}")
    return shown_to_all, fork, bank, witnesses


def refused(bank: Bank) -> str:
    with pytest.raises(Unreachable) as caught:
        bank.finish()
    return caught.value.detail


def count_lines(checkpoint: SignedCheckpoint, keys, **more) -> tuple[Cosignature, ...]:
    """A lax count: every line that verifies is one."""
    return tuple(
        read_cosignature(key, line, checkpoint.note.text)
        for line in checkpoint.note.signatures
        for key in keys
        if line.claims_key(key)
    )


def stutter(folder: Path) -> Bank:
    shown_to_all, fork, bank, (mine, *others) = stage(folder)
    assert fork.offer_anyhow(mine).status == 200  # one witness of three is the bureau's, or has not seen the other yet
    for other in others:
        shown_to_all.offer_anyhow(other)
    fork.lines[len(fork.bodies)] *= 3
    return bank


@pytest.mark.without_control("counted by key")
def test_counted_by_lines_one_witness_is_a_quorum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = stutter(tmp_path)
    monkeypatch.setattr(cosignature, "find_cosignatures", count_lines)
    assert bank.finish() is not None


@pytest.mark.with_control("counted by key")
def test_a_witness_counts_once_however_often_it_stands_there(tmp_path: Path) -> None:
    assert "cosigned by 1 of the contract's 3 witnesses" in refused(stutter(tmp_path))


@pytest.mark.with_control("counted by key")
def test_a_key_under_two_names_or_a_name_with_two_keys_is_no_term(tmp_path: Path) -> None:
    stage(tmp_path)
    first, second, third = named(tmp_path).parties
    for parties in (
        (first, Party(name="another.example", public_key=first.public_key), third),
        (first, Party(name=first.name, public_key=second.public_key), third),
    ):
        with pytest.raises(ValidationError):
            WitnessQuorum(quorum=2, parties=parties)


def make_believe(folder: Path) -> Bank:
    """The bureau cosigns its fork itself, under keys of its own and the witnesses' names."""
    _, fork, bank, _ = stage(folder)
    text = fork.checkpoint().note.text
    for party in named(folder).parties:
        secret = Ed25519PrivateKey.generate()
        key = NoteKey(party.name, secret.public_key().public_bytes_raw().hex(), SIGNATURE_COSIGNATURE)
        fork.lines.setdefault(len(fork.bodies), []).append(cosign(key, secret.sign, text, datetime.now(UTC)))
    return bank


def count_names(checkpoint: SignedCheckpoint, keys, **more) -> tuple[Cosignature, ...]:
    """A lax count: whoever has a witness's name is one."""
    names = {key.name for key in keys} & {line.name for line in checkpoint.note.signatures}
    return tuple(Cosignature(name, name, datetime.now(UTC)) for name in names)


@pytest.mark.without_control("contract's keys")
def test_counted_by_names_the_bureau_is_its_own_witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = make_believe(tmp_path)
    monkeypatch.setattr(cosignature, "find_cosignatures", count_names)
    assert bank.finish() is not None


@pytest.mark.with_control("contract's keys")
def test_the_keys_of_the_contract_decide(tmp_path: Path) -> None:
    assert "cosigned by 0 of the contract's 3 witnesses" in refused(make_believe(tmp_path))


@pytest.mark.with_control("contract's keys")
def test_the_bureaus_and_the_banks_own_key_are_no_witnesses(tmp_path: Path) -> None:
    """What is left: a key that the bureau made for the purpose and the bank signed for without asking the witness."""
    ledger = Ledger()
    bank = make_bank(tmp_path, "b", ledger)
    for own in (ledger.public, bank.contract.bank.public_key):
        terms = WitnessQuorum(quorum=1, parties=(Party(name="w.example", public_key=own),))
        with pytest.raises(ValidationError, match="a key of its own"):
            Bank(bank.home, ledger, terms).contract  # noqa: B018


def borrow(folder: Path) -> tuple[Bank, Ledger]:
    """The bureau keeps a second log under another key, with the fork's very entries, which nobody else is shown; the
    witnesses cosign it, and their lines are put under the fork's checkpoint. Size and root are the same."""
    _, fork, bank, _ = stage(folder)
    second = Ledger(bodies=list(fork.bodies))
    for number in range(3):
        home = WitnessHome.open(folder / f"w{number}")
        home.watch_bureau(Party(name="second bureau", public_key=second.public))
        assert second.offer_anyhow(CheckpointCosigner(home, home.open_key())).status == 200
    fork.lines = second.lines
    return bank, second


@pytest.mark.without_control("origin")
def test_a_message_without_the_origin_would_be_good_for_any_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lax reader takes the origin for decoration: it checks the line over size and root, whatever the log."""
    bank, second = borrow(tmp_path)
    strict = read_cosignature

    def lax(key: NoteKey, line: NoteSignature, text: str) -> Cosignature:
        return strict(key, line, second.checkpoint().checkpoint.origin + text[text.index("\n") :])

    monkeypatch.setattr(cosignature, "read_cosignature", lax)
    assert bank.finish() is not None


@pytest.mark.with_control("origin")
def test_a_cosignature_is_of_one_log(tmp_path: Path) -> None:
    assert "does not verify on this checkpoint" in refused(borrow(tmp_path)[0])


def past(folder: Path) -> tuple[Bank, Ledger]:
    """All witnesses have cosigned the ledger before the bank's batch; the bureau shows that, and forks afterwards."""
    ledger = Ledger()
    ledger.answer("other", "before")
    witnesses = make_witnesses(folder, ledger)
    for witness in witnesses:
        ledger.offer_anyhow(witness)
    fork = ledger.fork()
    fork.lines = {1: list(ledger.lines[1])}
    bank = make_bank(folder, "b", fork, named(folder))
    bank.take(fork.answer("b", "job"))
    fork.ledger_checkpoint = lambda covering, witnesses: str(  # type: ignore[method-assign]
        fork.checkpoint(1).with_signatures(tuple(fork.lines[1]))
    ).encode()
    return bank, fork


@pytest.mark.without_control("covered receipts")
def test_without_covering_the_receipts_yesterdays_quorum_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lax bank asks for a quorum on some checkpoint of the bureau's, whatever its size."""
    bank, _ = past(tmp_path)

    def lax(routes, bureau_key, terms, newest):
        checkpoint = SignedCheckpoint.parse(routes.ledger_checkpoint(newest.size, []))
        return checkpoint, cosignature.check_quorum(checkpoint, terms, bureau_key, now=datetime.now(UTC))

    monkeypatch.setattr(product, "_await_quorum", lax)
    monkeypatch.setattr(product, "check_head_included", lambda head, checkpoint, proof: None)
    assert bank.finish() is not None


@pytest.mark.with_control("covered receipts")
def test_a_cosigned_checkpoint_from_before_covers_nothing(tmp_path: Path) -> None:
    assert "fewer than the receipts' tree" in refused(past(tmp_path)[0])


@pytest.mark.with_control("origin")
def test_a_cosignature_of_another_time_does_not_count(tmp_path: Path) -> None:
    """A witness's key that was stolen long ago, or a clock that runs ahead: lines of last week and of tomorrow."""
    _, fork, bank, _ = stage(tmp_path)
    now, terms = datetime.now(UTC), named(tmp_path)
    secrets = [Ed25519PrivateKey.generate() for _ in range(3)]
    parties = tuple(
        Party(name=f"w{number}.example", public_key=one.public_key().public_bytes_raw().hex())
        for number, one in enumerate(secrets)
    )
    terms = WitnessQuorum(quorum=2, parties=parties)
    bank.terms = terms
    for shift, counted in ((timedelta(days=-7), False), (timedelta(days=1), False), (timedelta(), True)):
        fork.lines[len(fork.bodies)] = [
            cosign(key, secret.sign, fork.checkpoint().note.text, now + shift)
            for key, secret in zip(witness_keys(terms), secrets, strict=True)
        ]
        checkpoint = SignedCheckpoint.parse(fork.ledger_checkpoint(0, ()))
        lax = find_cosignatures(checkpoint, witness_keys(terms), now=now + timedelta(days=9), since=None)
        assert len(lax) == 3  # whoever does not look at the time takes them all
        if counted:
            assert bank.finish() is not None
        else:
            assert "cosigned by 0" in refused(bank)


def silent(folder: Path) -> Bank:
    """The witnesses have cosigned; the bureau leaves all lines out, and says each time that there are none yet."""
    _, fork, bank, witnesses = stage(folder)
    for witness in witnesses:
        fork.offer_anyhow(witness)
    fork.lines.clear()
    return bank


@pytest.mark.without_control("no end without a quorum")
def test_a_bank_that_waits_and_then_goes_on_is_none_the_wiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = silent(tmp_path)

    def lax(routes, bureau_key, terms, newest):
        return SignedCheckpoint.parse(routes.ledger_checkpoint(newest.size, [])), ()

    monkeypatch.setattr(product, "_await_quorum", lax)
    assert bank.finish() is not None


@pytest.mark.with_control("no end without a quorum")
def test_a_bureau_that_leaves_cosignatures_out_ends_no_run(tmp_path: Path) -> None:
    detail = refused(silent(tmp_path))
    assert "The run is not finished" in detail and "Missing: w0.example, w1.example, w2.example" in detail


def test_receipts_and_cosigned_checkpoint_together_are_evidence_for_ever(tmp_path: Path) -> None:
    """What the bank keeps: nothing in it can be exchanged for what is of the other ledger."""
    shown_to_all, fork, bank, witnesses = stage(tmp_path)
    for witness in witnesses:
        fork.offer_anyhow(witness)
    kept = bank.finish()
    assert kept is not None
    head = fork.head()
    found = kept.verify([head], named(tmp_path), fork.public, now=datetime.now(UTC))
    assert len(found) == 3
    other = shown_to_all.head()
    assert other.root != head.root
    with pytest.raises(NotAuthentic):
        kept.verify([other], named(tmp_path), fork.public, now=datetime.now(UTC))

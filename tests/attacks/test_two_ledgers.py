"""A bureau keeps two ledgers, each consistent in itself, and shows one to each bank (or one to a bank and one to the
auditor). It wants to be able to deny later, to one of them, what it put into the ledger of the other.

What stops it: the contract names witnesses, a quorum of which is more than half, and a bank's run ends only under a
checkpoint that such a quorum has cosigned; a witness cosigns one history. Where no witness is named, parties that
exchange their heads by file find out.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.bank.contract.checkpoint_wait import describe_fork_detection
from lab.bank.contract.ledger_witness import LedgerWitness, stored_heads
from lab.terms.errors import InvalidInput, NotAuthentic, NotFound, Unreachable
from lab.terms.ledger.tree import SignedTreeHead
from lab.terms.witnessing.observed_heads import ObservedHead, compare_heads, read_heads, write_heads
from tests.support.forking_bureau import Bank, Ledger, make_bank, make_witnesses, named

pytestmark = [
    pytest.mark.threat(
        "Two ledgers",
        who="the bureau",
        wants="to keep two consistent ledgers and show each party one",
        stopped_by={
            "quorum": (
                "The contract names witnesses. A run ends only under a checkpoint that a quorum cosigned and that "
                "continues its receipts."
            ),
            "runs without receipts": (
                "A run without receipts ends only under a cosigned checkpoint that continues what the bank was last"
                " shown."
            ),
        },
        shipped="on where the contract names witnesses; otherwise commands and pages say that it is off",
        code=["lab.bank.contract.checkpoint_wait", "lab.terms.witnessing.cosignature"],
    ),
    pytest.mark.threat(
        "Ledger and key for each bank",
        who="the bureau",
        wants="to have a comparison of heads find nothing, by using another key for each bank",
        stopped_by={
            "other keys named": "The comparison reports a file that has no head of the given key.",
        },
        code=["lab.terms.witnessing.observed_heads"],
    ),
]


def work(ledger: Ledger, bank: Bank, jobs: int = 3) -> None:
    """Some jobs of a bank, under a ledger that other entries go into as well."""
    for number in range(jobs):
        ledger.answer("other", f"other-{number}")
        bank.take(ledger.answer(bank.home.name, "job"))


def two_forks() -> tuple[Ledger, Ledger]:
    one = Ledger()
    one.answer("other", "before the fork")
    return one, one.fork()


@pytest.mark.without_control("quorum")
def test_without_witnesses_each_bank_notices_nothing(tmp_path: Path) -> None:
    """Every receipt verifies, every head continues the last one, every run ends; what is said of it is that forks are
    not found out."""
    for_a, for_b = two_forks()
    a, b = make_bank(tmp_path, "a", for_a), make_bank(tmp_path, "b", for_b)
    for _ in range(3):
        for ledger, bank in ((for_a, a), (for_b, b)):
            work(ledger, bank)
            assert bank.finish() is None
            assert str(describe_fork_detection(bank.contract, None)["fork_detection"]).startswith("off")
    assert for_a.head().size == for_b.head().size and for_a.head().root != for_b.head().root


@pytest.mark.with_control("quorum")
def test_of_two_ledgers_at_most_one_is_taken(tmp_path: Path) -> None:
    """However the bureau divides three witnesses between its forks, runs end for one bank at most."""
    for split in range(4):
        folder = tmp_path / str(split)
        folder.mkdir()
        for_a, for_b = two_forks()
        witnesses = make_witnesses(folder, for_a)
        a, b = (make_bank(folder, name, one, named(folder)) for name, one in (("a", for_a), ("b", for_b)))
        for ledger, bank in ((for_a, a), (for_b, b)):
            work(ledger, bank)
        for number, witness in enumerate(witnesses):
            first, second = (for_a, for_b) if number < split else (for_b, for_a)
            assert first.offer_anyhow(witness).status == 200
            assert second.offer_anyhow(witness).status in (409, 422)  # and the other is tried as well
        ended = []
        for bank in (a, b):
            try:
                assert bank.finish() is not None
                ended.append(bank.home.name)
            except Unreachable as error:
                assert "of the contract's 3 witnesses; 2 are wanted" in error.detail
        assert ended == (["b"] if split < 2 else ["a"])


def begin_anew(folder: Path) -> Bank:
    """A bank whose run on a fork does not end; it begins another, to another file, that finds every value kept from
    the first and so is given no receipt."""
    for_a, for_b = two_forks()
    for witness in make_witnesses(folder, for_a):
        assert for_a.offer_anyhow(witness).status == 200
    bank = make_bank(folder, "b", for_b, named(folder))
    work(for_b, bank)
    with pytest.raises(Unreachable):
        bank.finish()
    bank.receipts.clear()
    return bank


@pytest.mark.without_control("runs without receipts")
def test_where_receipts_alone_are_covered_a_run_without_any_ends_on_a_fork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = begin_anew(tmp_path)
    monkeypatch.setattr(LedgerWitness, "stored_head", lambda self: None)
    assert bank.finish() is None


@pytest.mark.with_control("runs without receipts")
def test_a_run_without_receipts_ends_on_no_fork_either(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="2 are wanted"):
        begin_anew(tmp_path).finish()


def test_on_the_witnessed_ledger_a_run_without_receipts_ends(tmp_path: Path) -> None:
    ledger = Ledger()
    bank = make_bank(tmp_path, "a", ledger)
    (witness,) = make_witnesses(tmp_path, ledger, count=1)
    bank.terms = named(tmp_path, quorum=1, count=1)
    assert bank.finish() is None  # nothing was shown yet
    work(ledger, bank)
    bank.receipts.clear()
    assert ledger.offer_anyhow(witness).status == 200
    assert bank.finish() is not None


def keys_for_each(folder: Path) -> tuple[str, list[tuple[str, bytes]]]:
    """A bureau reads another fingerprint out to one of three banks: a key and a ledger for it alone. The key that the
    auditor knows, and what the banks export."""
    known, other = Ledger(), Ledger()
    banks = [make_bank(folder, name, one) for name, one in (("a", known), ("b", known), ("c", other))]
    for bank in banks:
        work(bank.ledger, bank, 1)
    return known.public, [
        (f"{bank.home.name}.json", write_heads(bank.home.name, stored_heads(bank.home))) for bank in banks
    ]


@pytest.mark.without_control("other keys named")
def test_where_a_file_of_another_key_is_passed_over_the_comparison_finds_one_ledger(tmp_path: Path) -> None:
    key, files = keys_for_each(tmp_path)
    shown = []
    for name, content in files:
        heads = [one for one in json.loads(content)["heads"] if one["bureau"]["public_key"] == key]
        shown += [ObservedHead(name, SignedTreeHead.read(one["head"])) for one in heads]
    compare_heads(shown, None)
    assert {one.source for one in shown} == {"a.json", "b.json"}  # and nobody is told that c's was not looked at


@pytest.mark.with_control("other keys named")
def test_a_file_of_another_key_is_pointed_out(tmp_path: Path) -> None:
    key, files = keys_for_each(tmp_path)
    with pytest.raises(InvalidInput, match=r"c\.json"):
        for name, content in files:
            read_heads(content, name, key)


@pytest.mark.with_control("quorum")
def test_the_other_ledgers_cosigned_checkpoint_is_of_no_use(tmp_path: Path) -> None:
    """The bureau shows bank B the checkpoint that its witnesses cosigned of A's ledger: B has proof of two ledgers."""
    for_a, for_b = two_forks()
    witnesses = make_witnesses(tmp_path, for_a)
    b = make_bank(tmp_path, "b", for_b, named(tmp_path))
    work(for_b, b)
    for number in range(10):
        for_a.answer("a", f"job-{number}")
    for witness in witnesses:
        for_a.offer_anyhow(witness)
    for_b.ledger_checkpoint = for_a.ledger_checkpoint  # type: ignore[method-assign]
    with pytest.raises(NotAuthentic, match="two ledgers"):
        b.finish()
    for_b.ledger_consistency = for_a.ledger_consistency  # type: ignore[method-assign]
    with pytest.raises(NotAuthentic, match="two ledgers"):
        b.finish()


def test_parties_that_exchange_heads_by_file_find_out(tmp_path: Path) -> None:
    """No witness at all: two banks, or a bank and an auditor, put their files side by side."""
    for_a, for_b = two_forks()
    a, b = make_bank(tmp_path, "a", for_a), make_bank(tmp_path, "b", for_b)
    work(for_a, a)
    work(for_b, b, jobs=5)
    shown: list[ObservedHead] = []
    for bank in (a, b):
        shown += read_heads(write_heads(bank.home.name, stored_heads(bank.home)), bank.home.name, for_a.public)
    assert {one.head.size for one in shown} == {7, 11}
    for ledger in (for_a, for_b):  # whichever of its two ledgers the bureau answers from
        with pytest.raises(NotAuthentic, match="two ledgers: its head of 7 entries \\(a\\) and that of 11 \\(b\\)"):
            compare_heads(shown, ledger.ledger_consistency)
    honest = [ObservedHead("a", for_a.head()), ObservedHead("auditor", for_a.checkpoint(3))]
    assert compare_heads(honest, for_a.ledger_consistency) == 2
    same = [ObservedHead("a", for_a.head()), ObservedHead("b", for_b.checkpoint(7))]
    with pytest.raises(NotAuthentic, match="two ledgers"):
        compare_heads(same, None)  # two heads of one size need nobody's proof


def test_a_bureau_that_will_not_prove_is_not_believed(tmp_path: Path) -> None:
    ledger = Ledger()
    for number in range(5):
        ledger.answer("a", f"job-{number}")

    def silent(first: int, second: int) -> dict:
        raise NotFound("none")

    with pytest.raises(NotAuthentic):
        compare_heads([ObservedHead("a", ledger.head()), ObservedHead("b", ledger.checkpoint(2))], silent)

"""Notes, checkpoints, cosignatures and requests to witnesses, against published bytes and a second implementation."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.terms.errors import InvalidInput, NotAuthentic
from lab.terms.keys.party import Party
from lab.terms.ledger.tree import MerkleTree, hash_leaf
from lab.terms.witnessing.checkpoint import Checkpoint, SignedCheckpoint, ledger_origin, sign_checkpoint
from lab.terms.witnessing.consistency_proof import AddCheckpointRequest, build_consistency_proof, is_consistent
from lab.terms.witnessing.cosignature import (
    check_quorum,
    cosign,
    cosignature_message,
    find_cosignatures,
    read_cosignature,
)
from lab.terms.witnessing.quorum import WitnessQuorum
from lab.terms.witnessing.signed_note import (
    MAX_NOTE_BYTES,
    SIGNATURE_COSIGNATURE,
    SIGNATURE_ED25519,
    NoteKey,
    SignedNote,
)
from tests.support import rfc9162

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
BUREAU = KEY.public_key().public_bytes_raw().hex()

# C2SP signed-note v1.0.0, section Verifier keys, Example.
SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# C2SP tlog-cosignature: the worked example.
SPEC_TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
SPEC_COSIGNED = (
    SPEC_TEXT + "\n— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
# The Go checksum database's tree head, as litewitness tests with it (an origin with spaces; its key's name differs).
SUMDB_VKEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB = (
    "go.sum database tree\n35225469\nvt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=\n\n— sum.golang.org "
    "Az3grpukl5AXaVfYkLiDGORx/DN2nlcS5kZHR5uYOBV2KA2HgXpD+gu9HHONebHLAyaKbbTM75QTtPydhKCExixSfwQ=\n"
)
# The witness of transparency-dev: a log's two checkpoints and the consistency proof between them.
MONKEYS = "monkeys+db4d9f7e+AULaJMvTtDLHPUcUrjdDad9vDlh/PTfC2VV60JUtCfWT"
FIRST = (
    "monkeys\n5\n41smjBUiAU70EtKlT6lIOIYtRTYxYXsDB+XHfcvu/BE=\n\n— monkeys "
    "202fftzGl3LVoqjXfwCFZZXs8I+5G22+Ek2K0AOyBuSJ/8/CZawNF+6fNlTKOCd622pbzJNkkJFWuw9DbicZCkEx9AY=\n"
)
NEXT = (
    "monkeys\n8\nV8K9aklZ4EPB+RMOk1/8VsJUdFZR77GDtZUQq84vSbo=\n\n— monkeys "
    "202ffoUEboiQYpHzICeaFmoy3RNviHTpAxYrq/eO4QQVQMvu9UebKBMX2MJC76NLthZaKsnKbCA8GxrjePZhvDCH7Ag=\n"
)
PROOF = tuple(
    bytes.fromhex(one)
    for one in (
        "b9e1d62618f7fee8034e4c5010f727ab24d8e4705cb296c374bf2025a87a10d2",
        "aac66cd7a79ce4012d80762fe8eec3a77f22d1ca4145c3f4cee022e7efcd599d",
        "89d0f753f66a290c483b39cd5e9eafb12021293395fad3d4a2ad053cfbcfdc9e",
        "29e40bb79c966f4c6fe96aff6f30acfce5f3e8d84c02215175d6e018a5dee833",
    )
)


class Cosigner:
    """A witness that signs whatever a test wants."""

    def __init__(self, name: str, secret: Ed25519PrivateKey | None = None) -> None:
        self.secret = secret or Ed25519PrivateKey.generate()
        self.key = NoteKey(name, self.secret.public_key().public_bytes_raw().hex(), SIGNATURE_COSIGNATURE)
        self.party = Party(name=name, public_key=self.key.public_key)

    def cosign(self, checkpoint: SignedCheckpoint, time: datetime = NOW) -> SignedCheckpoint:
        return checkpoint.with_signatures((cosign(self.key, self.secret.sign, checkpoint.note.text, time),))


WITNESSES = tuple(
    Cosigner(f"w{number}.example", Ed25519PrivateKey.from_private_bytes(bytes([number + 1] * 32)))
    for number in range(3)
)
TERMS = WitnessQuorum(quorum=2, parties=tuple(one.party for one in WITNESSES))


def head(size: int = 5, root: str = "ab" * 32, key: Ed25519PrivateKey = KEY) -> SignedCheckpoint:
    return sign_checkpoint(key.public_key().public_bytes_raw().hex(), key.sign, size, root)


def test_the_published_note_and_verifier_key() -> None:
    key = NoteKey.parse(SPEC_VKEY, kind=SIGNATURE_ED25519)
    assert str(key) == SPEC_VKEY and key.id.hex() == "530d903a"
    note = SignedNote.parse(SPEC_NOTE.encode())
    note.verify(key)
    assert str(note) == SPEC_NOTE
    with pytest.raises(NotAuthentic):
        SignedNote.parse(SPEC_NOTE.replace("an example", "no example").encode()).verify(key)


@pytest.mark.parametrize(("vkey", "note"), [(SUMDB_VKEY, SUMDB), (MONKEYS, FIRST), (MONKEYS, NEXT)])
def test_checkpoints_of_other_logs_verify(vkey: str, note: str) -> None:
    found = SignedCheckpoint.parse(note.encode())
    found.note.verify(NoteKey.parse(vkey, kind=SIGNATURE_ED25519))
    assert found.checkpoint.text == found.note.text and str(found) == note


def test_the_published_cosignature_is_laid_out_as_ours() -> None:
    found = SignedCheckpoint.parse(SPEC_COSIGNED.encode())
    line = found.note.signatures[1]
    assert (line.name, line.id.hex(), len(line.signature)) == ("witness.example.com/w1", "8d66cf3f", 72)
    assert int.from_bytes(line.signature[:8], "big") == 1679315147
    assert cosignature_message(1679315147, found.note.text) == b"cosignature/v1\ntime 1679315147\n" + SPEC_TEXT.encode()
    mine = WITNESSES[0].cosign(found, datetime.fromtimestamp(1679315147, UTC)).note.signatures[-1]
    assert len(mine.signature) == 72 and mine.signature[:8] == line.signature[:8]


def test_a_published_consistency_proof_verifies_and_no_other() -> None:
    first, second = (SignedCheckpoint.parse(one.encode()) for one in (FIRST, NEXT))
    old, new = (first.size, bytes.fromhex(first.root)), (second.size, bytes.fromhex(second.root))
    assert is_consistent(old, new, PROOF)
    for wrong in (PROOF[:-1], PROOF[::-1], (), (*PROOF, PROOF[0])):
        assert not is_consistent(old, new, wrong)
    assert not is_consistent(new, old, PROOF)


def test_proofs_are_those_of_the_rfc_at_every_size_and_prove_nothing_else() -> None:
    entries = [b"entry %d" % number for number in range(34)]
    tree = MerkleTree()
    tree.extend(map(hash_leaf, entries))
    roots = [rfc9162.root(entries[:size]) for size in range(35)]
    for second in range(1, 35):
        for first in range(1, second):
            proof = build_consistency_proof(tree.range_root, first, second)
            assert list(proof) == rfc9162.consistency(first, entries[:second])
            assert is_consistent((first, roots[first]), (second, roots[second]), proof)
            assert not is_consistent((first, roots[first - 1]), (second, roots[second]), proof)
            assert not is_consistent((first, roots[first]), (second, roots[second - 1]), proof)
            assert not is_consistent((first, roots[first]), (second, roots[second]), proof[:-1])
    assert build_consistency_proof(tree.range_root, 0, 7) == () == build_consistency_proof(tree.range_root, 7, 7)
    assert is_consistent((0, roots[0]), (7, roots[7]), ()) and not is_consistent((0, roots[0]), (7, roots[7]), PROOF)
    assert not is_consistent((7, roots[7]), (7, roots[6]), ())


def test_a_bureaus_checkpoint_is_of_its_own_log() -> None:
    checkpoint = head()
    checkpoint.verify(BUREAU)
    assert SignedCheckpoint.parse(str(checkpoint).encode()) == checkpoint
    assert checkpoint.checkpoint.origin == ledger_origin(BUREAU)
    with pytest.raises(NotAuthentic):
        checkpoint.verify("cd" * 32)
    other = Ed25519PrivateKey.generate()
    forged = SignedCheckpoint(checkpoint.checkpoint, head(key=other).note)
    with pytest.raises(NotAuthentic):
        forged.verify(BUREAU)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n\n",
        b"a\n1\nAAAA\n",
        SPEC_COSIGNED.encode()[:-1],
        SPEC_COSIGNED.replace("\n\n", "\n").encode(),
        SPEC_COSIGNED.replace("20852163", "020852163").encode(),
        SPEC_COSIGNED.replace("20852163", "-1").encode(),
        SPEC_COSIGNED.replace("20852163", str(2**63)).encode(),
        SPEC_COSIGNED.replace("q2I=", "q2J=").encode(),
        SPEC_COSIGNED.replace("q2I=\n", "q2I=\n\n\n").encode(),
        SPEC_COSIGNED.replace("— witness", "- witness").encode(),
        SPEC_COSIGNED.replace("w1 ", "w1  ").encode(),
        SPEC_COSIGNED.replace("w1 ", "w+1 ").encode(),
        SPEC_COSIGNED.replace("qnA==", "qnB==").encode(),
        SPEC_COSIGNED.replace("\n", "\r\n").encode(),
        SPEC_COSIGNED.encode() + b"\xff",
        b"x" * (MAX_NOTE_BYTES + 1),
        (SPEC_COSIGNED + SPEC_COSIGNED.splitlines(keepends=True)[-1] * 64).encode(),
    ],
)
def test_what_is_no_checkpoint_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        SignedCheckpoint.parse(text)


@given(st.binary(max_size=400) | st.text(max_size=300).map(str.encode))
def test_arbitrary_bytes_raise_nothing_else(content: bytes) -> None:
    for parse in (SignedCheckpoint.parse, AddCheckpointRequest.parse):
        with pytest.raises(InvalidInput):
            parse(content)


def test_a_request_comes_back_and_is_bounded() -> None:
    request = AddCheckpointRequest(5, PROOF, SignedCheckpoint.parse(NEXT.encode()))
    body = request.to_bytes()
    assert AddCheckpointRequest.parse(body) == request
    assert body.startswith(b"old 5\n" + base64.b64encode(PROOF[0]) + b"\n")
    hash_line = base64.b64encode(PROOF[0]) + b"\n"
    for wrong in (
        body.replace(b"old 5", b"old 05"),
        body.replace(b"old 5", b"old -5"),
        body.replace(b"old 5", b"5"),
        body.replace(hash_line, b"AAAA\n"),
        body.replace(hash_line, hash_line * 61),
        b"old 5\n" + NEXT.encode(),
    ):
        with pytest.raises(InvalidInput):
            AddCheckpointRequest.parse(wrong)


def test_a_quorum_is_so_many_witnesses_of_the_contract() -> None:
    one = WITNESSES[0].cosign(head())
    with pytest.raises(NotAuthentic, match="cosigned by 1 of the contract's 3 witnesses; 2 are wanted"):
        check_quorum(one, TERMS, BUREAU, now=NOW)
    assert len(check_quorum(WITNESSES[2].cosign(one), TERMS, BUREAU, now=NOW)) == 2
    stranger = Cosigner("w1.example")  # the name of a witness, and another key
    with pytest.raises(NotAuthentic):
        check_quorum(stranger.cosign(one), TERMS, BUREAU, now=NOW)
    spoilt = WITNESSES[1].cosign(one)
    text = str(spoilt).replace(str(spoilt.note.signatures[-1])[-12:-4], "AAAAAAAA")
    with pytest.raises(NotAuthentic, match="does not verify"):
        check_quorum(SignedCheckpoint.parse(text.encode()), TERMS, BUREAU, now=NOW)


def test_times_of_cosignatures_are_judged() -> None:
    keys = [one.key for one in WITNESSES]
    minute = timedelta(minutes=1)
    for time, since, counts in (
        (NOW, None, True),
        (NOW - timedelta(days=400), None, True),
        (NOW + 4 * minute, None, True),
        (NOW + 6 * minute, None, False),
        (NOW - 4 * minute, NOW, True),
        (NOW - 6 * minute, NOW, False),
    ):
        found = find_cosignatures(WITNESSES[0].cosign(head(), time), keys, now=NOW, since=since)
        assert bool(found) == counts, (time, since)


def test_a_time_that_is_none_is_no_cosignature() -> None:
    witness, text = WITNESSES[0], head().note.text
    for seconds in (0, 2**62, 2**63 + 5):
        signature = witness.secret.sign(cosignature_message(seconds, text))
        line = type(head().note.signatures[0])(witness.key.name, witness.key.id, seconds.to_bytes(8, "big") + signature)
        with pytest.raises(NotAuthentic):
            read_cosignature(witness.key, line, text)


@pytest.mark.parametrize(
    ("quorum", "names"),
    [(1, 2), (2, 4), (4, 3), (0, 1), (17, 17)],
    ids=["half of two", "half of four", "more than there are", "none", "seventeen"],
)
def test_quorums_that_do_not_meet_are_no_terms(quorum: int, names: int) -> None:
    """Two quorums of half the witnesses have nobody in common: both forks could be cosigned by honest witnesses."""
    parties = [Cosigner(f"w{number}").party for number in range(names)]
    with pytest.raises(ValidationError):
        WitnessQuorum(quorum=quorum, parties=parties)


@pytest.mark.parametrize("name", ["", "with space", "a+b", "Ａ", "x" * 300, "a\nb"])
def test_names_that_cannot_stand_in_a_note_are_no_witnesses(name: str) -> None:
    with pytest.raises(ValidationError):
        WitnessQuorum(quorum=1, parties=({"name": name, "public_key": WITNESSES[0].key.public_key},))


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "a+b+c",
        SPEC_VKEY,
        SPEC_VKEY.replace("530d903a", "530d903b"),
        str(WITNESSES[0].key).replace("w0", "w1"),
        str(NoteKey("w", "00" * 32, SIGNATURE_COSIGNATURE)),
    ],
)
def test_what_is_no_witnesss_key_is_refused(vkey: str) -> None:
    with pytest.raises(InvalidInput):
        NoteKey.parse(vkey, kind=SIGNATURE_COSIGNATURE)


def test_checkpoint_texts_are_strict() -> None:
    made = Checkpoint("log", 0, "00" * 32, ("extension",))
    assert Checkpoint.parse(made.text) == made

"""A bank that chooses what it should draw: the second polynomials of its key and of its columns.

It wants the bureau's weights, and has a contract that gives it totals alone. A reply's second half is

    sum of W_j a_j  +  2 (u pk1 + t e1)        W_j the weights of column j, (b_j, a_j) the bank's ciphertext of it

With pk1 = 1 the mask is small, and with a_j = 1 for every column but one, and a large number for that one, the weights
of this one stand in the high digits. Nothing in the score shows it: the key is honest in form (pk0 = -(s + t e), and
the proof that it is one is true), and the columns encrypt the answers.

What stops it: a key and a column travel as a seed and residues, and pk1 and a_j are what the seed expands to. There are
no bytes that say another polynomial. Before, SEAL's own seeded form travelled, judged from outside alone, and within it
lies an array that may say that it is compressed: two full polynomials fit in the place of one and a seed.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest
import tenseal.sealapi as seal
import zstandard
from numpy.typing import NDArray

from protocols.scoring import bureau, key_proof, mask, messages
from protocols.scoring.messages import QuantizedWeights
from protocols.scoring.parameters import PARAMETERS, SEED_BYTES, ParameterSet
from protocols.scoring.rlwe import sampling
from protocols.scoring.rlwe.ring import RingElement
from protocols.scoring.rlwe.seed_expansion import expand_seed
from protocols.scoring.seal import binding, format
from protocols.wire.frame import Frame, FrameKind, MalformedFrame, unpack_frame
from tests.support.insider import CONTRACT, Insider, as_element, integers, slots, terms_of, zero

pytestmark = pytest.mark.threat(
    "Chosen public key",
    who="a bank",
    wants="to read weights from a reply by choosing its public key or its columns",
    stopped_by={
        "seeded polynomial": (
            "The second polynomial of each key and column is expanded from a hashed seed. A frame holds seeds "
            "and residues only, and the bureau writes every header that SEAL reads."
        ),
    },
    code=[
        "protocols.scoring.messages",
        "protocols.scoring.rlwe.seed_expansion",
        "protocols.scoring.seal.binding",
    ],
)

SETS = pytest.mark.parametrize("params", PARAMETERS.values(), ids=lambda p: p.name)
COLUMNS, CHOSEN = 4, 2


# --- how it was: SEAL's seeded form, judged from outside -------------------------------------------------------------


def former_length(params: ParameterSet) -> int:
    """What a seeded ciphertext has within: one polynomial, headers, a seed of 64 bytes."""
    return 8 * params.degree * len(params.data_primes) + 178


def former_check(data: bytes, params: ParameterSet) -> None:
    """How the bureau judged a seeded ciphertext: SEAL's header, one Zstandard frame, its content's length, blocks."""
    magic, size, major, _, compression, reserved, length = format.HEADER.unpack_from(data)
    if (magic, size, major, compression, reserved, length) != (0xA15E, 16, 4, 2, 0, len(data)):
        raise MalformedFrame("no header of SEAL's")
    if struct.unpack_from("<IBI", data, 16) != (0xFD2FB528, 0xA0, former_length(params)):
        raise MalformedFrame("another content")
    offset, last, blocks = 25, False, 0
    while not last:
        head = int.from_bytes(data[offset : offset + 3], "little")
        last, kind, content = bool(head & 1), head >> 1 & 3, head >> 3
        if kind == 3 or content > 131072:
            raise MalformedFrame("no block")
        offset, blocks = offset + 3 + (1 if kind == 1 else content), blocks + 1
    if offset != len(data) or blocks > -(-former_length(params) // 131072) + 1:
        raise MalformedFrame("not one frame")


def former_load(data: bytes, params: ParameterSet) -> Any:
    """How the bureau came to a key or a column: what passed from outside went to SEAL, and was looked at afterwards."""
    former_check(data, params)
    made = binding.load_object(seal.Ciphertext, (data,), params)
    first = binding.seal_context(params.name).first_parms_id()
    if not (made.size() == 2 and made.is_ntt_form() and made.parms_id() == first) or made.is_transparent():
        raise binding.SealRejection("no fresh ciphertext")
    return made


def former_evaluate(key: bytes, columns: list[bytes], terms: QuantizedWeights, params: ParameterSet) -> Any:
    """The reply to columns in SEAL's form: all protection as it is, but for what is loaded."""
    context = binding.seal_context(params.name)
    evaluator, encoder = seal.Evaluator(context), seal.BatchEncoder(context)
    reply, product = mask.draw_mask(former_load(key, params), params), seal.Ciphertext()
    for column, row in zip(columns, terms.weights % params.plain_modulus, strict=True):
        plain = seal.Plaintext()
        encoder.encode(row.tolist(), plain)
        evaluator.transform_to_ntt_inplace(plain, context.first_parms_id())
        evaluator.multiply_plain(former_load(column, params), plain, product)
        evaluator.add_inplace(reply, product)
    plain = seal.Plaintext()
    encoder.encode((terms.base[0] % params.plain_modulus).tolist(), plain)
    evaluator.add_plain_inplace(reply, plain)
    evaluator.mod_switch_to_inplace(reply, context.last_parms_id())
    return reply


def in_place_of_a_seed(first: RingElement, second: RingElement, params: ParameterSet) -> bytes:
    """Two full polynomials in SEAL's seeded form: compressed within, padded to the length of one and a seed."""
    values = np.stack([first, second])
    array = zstandard.ZstdCompressor(19).compress(struct.pack("<Q", values.size) + values.astype("<u8").tobytes())
    array = struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, 2, 0, 16 + len(array)) + array
    level = binding.seal_context(params.name).first_parms_id()
    content = format.CIPHERTEXT.pack(*level, 1, 2, params.degree, len(params.data_primes), 1.0, 1) + array
    assert len(content) <= former_length(params)
    content = content.ljust(former_length(params), b"\0")
    blocks = [content[start : start + 131072] for start in range(0, len(content), 131072)]
    body = struct.pack("<IBI", 0xFD2FB528, 0xA0, len(content)) + b"".join(
        (len(block) << 3 | (block is blocks[-1])).to_bytes(3, "little") + block for block in blocks
    )
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, 2, 0, 16 + len(body)) + body


# --- the bank that chooses -------------------------------------------------------------------------------------------


@dataclass
class Chooser:
    """A bank with a key and columns whose second polynomials are numbers of its choice."""

    params: ParameterSet

    def __post_init__(self) -> None:
        self.insider = Insider(self.params)
        random = np.random.default_rng(17)
        limit = self.params.value_limit // (COLUMNS + 1)
        self.weights = random.integers(-limit, limit + 1, (COLUMNS, self.params.slots))
        self.answers = random.integers(0, 2, (COLUMNS, self.params.slots)).astype(np.uint8)
        self.scores = (self.weights * self.answers).sum(axis=0)
        self.terms = terms_of(self.weights)

    @cached_property
    def digit(self) -> int:
        """The number that lifts a weight above all else in the second half of a reply."""
        return 1 << (self.params.modulus.bit_length() - self.params.plain_modulus.bit_length() - 2)

    def constant(self, number: int) -> RingElement:
        """A constant polynomial, which is the same number everywhere when it is transformed."""
        rows = zero(self.params)
        return rows + np.array([[number % prime] for prime in self.params.data_primes], dtype=np.uint64)

    def ciphertext(
        self, number: int, message: NDArray[np.uint8] | None = None
    ) -> tuple[RingElement, RingElement, NDArray[np.int64]]:
        """(m - (number s + t e), number) transformed, and e."""
        params, secret = self.params, self.insider.secret
        error, t = sampling.sample_centred_binomial(params.degree), params.plain_modulus
        inside = np.zeros(params.degree, dtype=np.int64) if message is None else self._polynomial(message)
        first = as_element(inside.astype(object) - (secret.astype(object) * number + error.astype(object) * t), params)
        return (
            binding.ciphertext_residues(binding.ciphertext_from_coefficients(first, first, params), params)[0],
            self.constant(number),
            error,
        )

    def _polynomial(self, message: NDArray[np.uint8]) -> NDArray[np.int64]:
        plain, found = seal.Plaintext(), np.zeros(self.params.degree, dtype=np.int64)
        seal.BatchEncoder(binding.seal_context(self.params.name)).encode(message.tolist(), plain)
        found[: plain.coeff_count()] = [plain.data(index) for index in range(plain.coeff_count())]
        return found

    @cached_property
    def key(self) -> tuple[RingElement, RingElement, NDArray[np.int64]]:
        return self.ciphertext(1)

    def columns(self) -> list[tuple[RingElement, RingElement, NDArray[np.int64]]]:
        numbers = [self.digit if column == CHOSEN else 1 for column in range(COLUMNS)]
        return [self.ciphertext(number, row) for number, row in zip(numbers, self.answers, strict=True)]

    def prove(self, key: bytes) -> tuple[bytes, tuple[RingElement, RingElement]]:
        """The honest proof for pk = (-(s + t e), 1), and the key's coefficients."""
        first, second, error = self.key
        pk = binding.ciphertext_coefficients(binding.ciphertext_from_ntt(first, second, self.params), self.params)
        return key_proof.prove_key(key, pk, self.insider.secret, error, self.params), pk

    def read_weights(self, reply: Any) -> NDArray[np.int64]:
        """The chosen column's weights, by the high digits of a reply's second half."""
        params = self.params
        second = binding.ciphertext_coefficients(reply, params)[1]
        prime, dropped = params.primes[0], params.modulus // params.primes[0]
        centred = [int(v) - prime if int(v) > prime // 2 else int(v) for v in second[0]]
        half = self.digit // 2
        return slots(np.array([(v * dropped + half) // self.digit for v in centred], dtype=np.int64), params)

    def decrypt(self, reply: Any) -> NDArray[np.int64]:
        plain = seal.Plaintext()
        self.insider.decryptor.decrypt(reply, plain)
        assert self.insider.decryptor.invariant_noise_budget(reply) >= 1
        return np.asarray(seal.BatchEncoder(self.insider.context).decode_int64(plain), dtype=np.int64)


CHOOSERS = {params.name: Chooser(params) for params in PARAMETERS.values()}


@pytest.mark.without_control("seeded polynomial")
@SETS
def test_with_seals_own_form_one_total_gives_every_weight_of_a_chosen_column(params: ParameterSet) -> None:
    chooser = CHOOSERS[params.name]
    first, second, _ = chooser.key
    key = in_place_of_a_seed(first, second, params)
    former_check(key, params)  # from outside it is a seeded ciphertext
    proof, _ = chooser.prove(key)
    found = binding.ciphertext_coefficients(former_load(key, params), params)
    key_proof.verify_key_proof(key, found, proof, params)  # the proof is true
    one = np.zeros((len(params.data_primes), params.degree), dtype=np.uint64)
    one[:, 0] = 1
    assert (found[1] == one).all()

    columns = [in_place_of_a_seed(b, a, params) for b, a, _ in chooser.columns()]
    reply = former_evaluate(key, columns, chooser.terms, params)
    assert (chooser.decrypt(reply) == chooser.scores).all()  # nobody who looks at scores sees anything
    assert (chooser.read_weights(reply) == chooser.weights[CHOSEN]).all()


@pytest.mark.with_control("seeded polynomial")
@pytest.mark.property(
    "Seeds and residues",
    claim=(
        "A key or column is a seed and residues. Its second polynomial cannot be chosen, and SEAL loads only "
        "headers that the bureau wrote and residues that it checked."
    ),
    topic="scoring",
    code=["protocols.scoring.messages", "protocols.scoring.seal.binding"],
)
@SETS
def test_a_key_that_was_chosen_cannot_be_said(params: ParameterSet) -> None:
    chooser = CHOOSERS[params.name]
    first, second, _ = chooser.key
    former = in_place_of_a_seed(first, second, params)
    residues = messages.pack_seeded_ciphertext(bytes(SEED_BYTES), first, params)[SEED_BYTES:]
    seals_own = binding.save_object(binding.ciphertext_from_ntt(first, second, params))
    for key in (
        former,
        seals_own,
        former[: params.column_bytes],
        former.ljust(params.column_bytes, b"\0"),
        (seals_own * 3)[: params.column_bytes],
        residues,
        residues + residues,
        messages.pack_seeded_ciphertext(bytes(SEED_BYTES), first, params)
        + messages.pack_seeded_ciphertext(b"", second, params),
        *(seed + residues for seed in (bytes(SEED_BYTES), b"\1" + bytes(SEED_BYTES - 1), os.urandom(SEED_BYTES))),
    ):
        proof, _ = chooser.prove(key)
        for parts in ((key, proof), (key + proof,), (key, proof, key)):
            with pytest.raises((MalformedFrame, key_proof.InvalidKeyProof)):
                bureau.check_context(
                    Frame(FrameKind.CONTEXT, {"parameters": params.name, "form": 2}, parts).pack(), params
                )
    # Whatever stands beside a seed, the second polynomial is the seed's.
    seed = os.urandom(SEED_BYTES)
    for beside in (first, second, zero(params)):
        assert (
            messages.read_seeded_ciphertext(messages.pack_seeded_ciphertext(seed, beside, params), params)[1]
            == expand_seed(seed, params)
        ).all()


@pytest.mark.with_control("seeded polynomial")
@SETS
def test_columns_that_were_chosen_cannot_be_said_and_a_reply_gives_no_weight(params: ParameterSet) -> None:
    chooser = CHOOSERS[params.name]
    insider = chooser.insider
    context = insider.holder.public_context()
    tags = np.arange(16 * params.slots, dtype="<u4").view(np.uint8).reshape(params.slots, -1)[:, :16]
    tags = np.ascontiguousarray(tags)
    made = chooser.columns()
    former = [in_place_of_a_seed(b, a, params) for b, a, _ in made]
    with pytest.raises(MalformedFrame):
        batch = messages.pack_batch(params, CONTRACT, messages.frame_sha256(context), tags, former)
        bureau.evaluate_batch(context, batch, chooser.terms, params, CONTRACT)
    # The nearest that can be said: its first polynomials, beside seeds. Nobody can decrypt what comes of it ...
    said = [messages.pack_seeded_ciphertext(os.urandom(SEED_BYTES), b, params) for b, _, _ in made]
    honest = insider.holder.encrypt(tags, chooser.answers, contract=CONTRACT)
    for batch in (messages.pack_batch(params, CONTRACT, messages.frame_sha256(context), tags, said), honest):
        frame = bureau.evaluate_batch(context, batch, chooser.terms, params, CONTRACT)
        reply = binding.reply_ciphertext(
            *messages.read_output(unpack_frame(frame, FrameKind.REPLY).parts[1], params), params
        )
        if batch is honest:
            assert (chooser.decrypt(reply) == chooser.scores).all()
        else:
            assert insider.decryptor.invariant_noise_budget(reply) == 0
        # ... and of neither can a weight be read.
        assert (chooser.read_weights(reply) == chooser.weights[CHOSEN]).mean() < 0.01


@pytest.mark.with_control("seeded polynomial")
@SETS
def test_level_form_scale_and_correction_are_nothing_that_a_bank_can_say(params: ParameterSet) -> None:
    """A key whose factor is another than 1 scaled mask and flood with it; frames have no place for one."""
    insider = CHOOSERS[params.name].insider
    key, proof = unpack_frame(insider.holder.public_context(), FrameKind.CONTEXT).parts
    first, second = messages.read_seeded_ciphertext(key, params)
    head = format.CIPHERTEXT.unpack_from(
        format.object_content(binding.save_object(binding.ciphertext_from_ntt(first, second, params)))
    )
    level = binding.seal_context(params.name).first_parms_id()
    assert head == (*level, 1, 2, params.degree, len(params.data_primes), 1.0, 1)
    for more in ({"correction_factor": 5}, {"scale": 2.0}, {"level": 0}):  # a header's other words are not read
        frame = Frame(FrameKind.CONTEXT, {"parameters": params.name, "form": 2, **more}, (key, proof)).pack()
        assert messages.read_context(frame, params) == (key, proof)
    assert integers(second, params).any()

"""The bank's side of scoring: keys, their proof, batches, replies; and the check of a proof, which is the bureau's.

An element is one row of residues a data prime; "transformed" means values instead of coefficients (``ring.values``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.vectors.plain import frame, ring
from tests.vectors.plain.aes_gcm import block, schedule
from tests.vectors.plain.ring import Row

Draw = Callable[[str, int], bytes]
"""Bytes by a label and their number: where randomness comes from."""


@dataclass(frozen=True)
class Set:
    """A parameter set: its name, N, data primes and t."""

    name: str
    degree: int
    primes: tuple[int, ...]
    plain_modulus: int

    @property
    def rounds(self) -> int:
        """How often the key's proof runs."""
        return -(-128 // self.degree.bit_length())

    def residues(self, small: Row) -> list[Row]:
        """Signed coefficients modulo each prime."""
        return [[x % prime for x in small] for prime in self.primes]

    def transformed(self, small: Row) -> list[Row]:
        """The same, transformed."""
        return [ring.values(row, prime) for row, prime in zip(self.residues(small), self.primes, strict=True)]


def expand(seed: bytes, params: Set) -> list[Row]:
    """The second polynomial of a key or column, transformed: AES-256 in counter mode under a hash of the seed."""
    key = hashlib.shake_256(b"shulab scoring expansion v1\0" + params.name.encode() + b"\0" + seed).digest(32)
    keys, counter, words, rows = schedule(key), 0, list[int](), list[Row]()
    for prime in params.primes:
        row: Row = []
        while len(row) < params.degree:
            if not words:
                stream = block(keys, counter.to_bytes(16, "big"))
                words, counter = (
                    [int.from_bytes(stream[:8], "little"), int.from_bytes(stream[8:], "little")],
                    counter + 1,
                )
            word = words.pop(0) & (1 << prime.bit_length()) - 1
            row += [word] if word < prime else []
        rows.append(row)
    return rows


def pack(rows: list[Row], primes: tuple[int, ...]) -> bytes:
    """Each row as one little-endian number of residues of the prime's bit length."""
    out = b""
    for row, prime in zip(rows, primes, strict=True):
        width = prime.bit_length()
        bits = "".join(f"{residue:0{width}b}" for residue in reversed(row))
        out += int(bits, 2).to_bytes(len(bits) // 8, "little")
    return out


def unpack(data: bytes, primes: tuple[int, ...], degree: int) -> list[Row]:
    """The rows that ``pack`` wrote; raises ``ValueError`` for a residue that is none."""
    rows, at = [], 0
    for prime in primes:
        width = prime.bit_length()
        bits = f"{int.from_bytes(data[at : at + width * degree // 8], 'little'):0{width * degree}b}"
        rows.append([int(bits[end - width : end], 2) for end in range(len(bits), 0, -width)])
        if max(rows[-1]) >= prime:
            raise ValueError("a residue is not below its prime")
        at += width * degree // 8
    if at != len(data):
        raise ValueError("the polynomial has another length")
    return rows


def slots(message: Row, params: Set) -> Row:
    """Coefficients modulo t of the polynomial whose value at root^(3^i) is slot i, at root^(-3^i) slot N/2 + i."""
    degree, row, power = params.degree, [0] * params.degree, 1
    for i in range(degree // 2):
        row[ring.reversed_bits((power - 1) // 2, degree)] = message[i] % params.plain_modulus
        other = (2 * degree - power - 1) // 2
        row[ring.reversed_bits(other, degree)] = message[degree // 2 + i] % params.plain_modulus
        power = power * 3 % (2 * degree)
    return ring.coefficients(row, params.plain_modulus)


def unslots(polynomial: Row, params: Set) -> Row:
    """The slots of a polynomial modulo t, as signed numbers."""
    degree, t, power = params.degree, params.plain_modulus, 1
    row = ring.values(polynomial, t)
    first, second = [], []
    for _ in range(degree // 2):
        first.append(row[ring.reversed_bits((power - 1) // 2, degree)])
        second.append(row[ring.reversed_bits((2 * degree - power - 1) // 2, degree)])
        power = power * 3 % (2 * degree)
    return [value - t if value > t // 2 else value for value in first + second]


def column(secret: Row, error: Row, message: Row | None, seed: bytes, params: Set) -> bytes:
    """A column, or with no message a key: the seed and m - (a s + t e), transformed."""
    plain = slots(message, params) if message is not None else [0] * params.degree
    # Between -t/2 and t/2, so that a message is as small as it can be.
    plain = [x - params.plain_modulus if x > params.plain_modulus // 2 else x for x in plain]
    rest = params.transformed([m - params.plain_modulus * e for m, e in zip(plain, error, strict=True)])
    rows = [
        [(r - a * s) % prime for r, a, s in zip(row, expanded, key, strict=True)]
        for row, expanded, key, prime in zip(
            rest, expand(seed, params), params.transformed(secret), params.primes, strict=True
        )
    ]
    return seed + pack(rows, params.primes)


def key_rows(key: bytes, params: Set) -> tuple[list[Row], list[Row]]:
    """(pk0 as coefficients, pk1 transformed) of a key as it travels."""
    rows = unpack(key[32:], params.primes, params.degree)
    first = [ring.coefficients(row, prime) for row, prime in zip(rows, params.primes, strict=True)]
    return first, expand(key[:32], params)


def image(second: list[Row], one: Row, other: Row, params: Set) -> list[Row]:
    """pk1 one + t other, as coefficients."""
    found = []
    for a, z, prime in zip(second, params.transformed(one), params.primes, strict=True):
        product = ring.coefficients([x * y % prime for x, y in zip(a, z, strict=True)], prime)
        found.append([(p + params.plain_modulus * o) % prime for p, o in zip(product, other, strict=True)])
    return found


def turns(key: bytes, commitments: list[list[Row]], params: Set) -> list[int]:
    """The hash that stands for the verifier: one turn below 2N a run."""
    data = b"shulab scoring key proof v2\0" + params.name.encode() + b"\0" + hashlib.sha256(key).digest()
    for commitment in commitments:
        for row in commitment:
            data += b"".join(residue.to_bytes(8, "little") for residue in row)
    stream = hashlib.shake_256(data).digest(4 * len(commitments))
    return [int.from_bytes(stream[at : at + 4], "little") % (2 * params.degree) for at in range(0, len(stream), 4)]


def in_range(one: Row, other: Row) -> bool:
    """Whether an answer says nothing of the secret it was made with."""
    return max(map(abs, one)) <= 2**18 - 2 and max(map(abs, other)) <= 2**22 - 22


def prove(key: bytes, secret: Row, error: Row, draw: Draw, params: Set) -> bytes:
    """A proof with masks from ``draw``, by the first attempt whose answers are in range."""
    _, second = key_rows(key, params)
    for attempt in range(200):
        masks = []
        for number in range(params.rounds):
            label = f"{attempt}.{number}"
            masks.append(
                (_uniform(draw(f"s{label}", 4 * params.degree), 18), _uniform(draw(f"e{label}", 4 * params.degree), 22))
            )
        found = turns(key, [image(second, one, other, params) for one, other in masks], params)
        answers = [
            ([y + x for y, x in zip(one, _turn(secret, turn), strict=True)],
             [y + x for y, x in zip(other, _turn(error, turn), strict=True)])
            for (one, other), turn in zip(masks, found, strict=True)
        ]  # fmt: skip
        if all(in_range(one, other) for one, other in answers):
            numbers = [number for pair in answers for half in pair for number in half]
            head = b"".join(turn.to_bytes(4, "little") for turn in found)
            return head + b"".join(number.to_bytes(4, "little", signed=True) for number in numbers)
    raise ValueError("no proof was found")


def verify(key: bytes, proof: bytes, params: Set) -> bool:
    """Whether the proof is one for this key."""
    runs, degree = params.rounds, params.degree
    if len(proof) != runs * (4 + 8 * degree):
        return False
    numbers = [int.from_bytes(proof[at : at + 4], "little", signed=True) for at in range(4 * runs, len(proof), 4)]
    claimed = [int.from_bytes(proof[4 * run : 4 * run + 4], "little") for run in range(runs)]
    first, second = key_rows(key, params)
    commitments = []
    for run, turn in enumerate(claimed):
        one, other = (numbers[(2 * run + half) * degree : (2 * run + half + 1) * degree] for half in (0, 1))
        if turn >= 2 * degree or not in_range(one, other):
            return False
        commitments.append(
            [
                [(a + b) % prime for a, b in zip(row, ring.turned(part, turn, prime), strict=True)]
                for row, part, prime in zip(image(second, one, other, params), first, params.primes, strict=True)
            ]
        )
    return turns(key, commitments, params) == claimed


def decrypt(output: bytes, secret: Row, params: Set) -> Row:
    """The slots of an output, which is modulo the smallest prime; the primes left out have to be undone modulo t."""
    prime, t = params.primes[0], params.plain_modulus
    half = len(output) // 2
    first, second = (unpack(part, (prime,), params.degree)[0] for part in (output[:half], output[half:]))
    key = ring.values([x % prime for x in secret], prime)
    row = ring.coefficients([(c0 + c1 * s) % prime for c0, c1, s in zip(first, second, key, strict=True)], prime)
    dropped = 1
    for other in params.primes[1:]:
        dropped = dropped * other % t
    return unslots([(x - prime if x > prime // 2 else x) * dropped % t for x in row], params)


def context_frame(key: bytes, proof: bytes, params: Set) -> bytes:
    """The frame of a public key."""
    return frame.write("context", {"form": 2, "parameters": params.name}, [key, proof])


def batch_frame(contract: str, context: bytes, tags: list[bytes], columns: list[bytes], params: Set) -> bytes:
    """The frame of a batch."""
    name = hashlib.sha256(context).hexdigest()
    header = {"context": name, "contract": contract, "form": 2, "parameters": params.name, "rows": len(tags)}
    return frame.write("batch", header, [b"".join(tags), *columns])


def _uniform(data: bytes, bits: int) -> Row:
    """Numbers in [-2^bits, 2^bits) from four bytes each."""
    words = (int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4))
    return [word % 2 ** (bits + 1) - 2**bits for word in words]


def _turn(small: Row, turn: int) -> Row:
    extended = [*small, *(-x for x in small)]
    return [extended[(i - turn) % len(extended)] for i in range(len(small))]

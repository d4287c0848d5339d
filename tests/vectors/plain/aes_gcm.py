"""AES-256 (FIPS 197) and GCM (NIST SP 800-38D) by tables made here."""

from __future__ import annotations


def _times(a: int, b: int) -> int:
    """Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1."""
    found = 0
    while b:
        found ^= a if b & 1 else 0
        a, b = a << 1 ^ (0x11B if a & 0x80 else 0), b >> 1
    return found


def _substitute(byte: int) -> int:
    inverse = next((x for x in range(256) if _times(byte, x) == 1), 0)
    rotations = [(inverse << shift | inverse >> 8 - shift) & 0xFF for shift in range(5)]
    return rotations[0] ^ rotations[1] ^ rotations[2] ^ rotations[3] ^ rotations[4] ^ 0x63


BOX = bytes(_substitute(byte) for byte in range(256))


def _column(byte: int) -> int:
    """What a byte, substituted, gives to a column when it stands in its first row (FIPS 197, section 5.1.3)."""
    found = BOX[byte]
    return _times(found, 2) << 24 | found << 16 | found << 8 | _times(found, 3)


def _rotated(word: int, rows: int) -> int:
    return word >> 8 * rows | word << 32 - 8 * rows & 0xFFFFFFFF


MIXED = [[_rotated(_column(byte), row) for byte in range(256)] for row in range(4)]


def schedule(key: bytes) -> list[list[int]]:
    """The fifteen round keys of a key of 32 bytes, four words each (FIPS 197, section 5.2)."""
    words = [int.from_bytes(key[at : at + 4], "big") for at in range(0, 32, 4)]
    factor = 1
    for index in range(8, 60):
        word = words[-1]
        if index % 8 == 0:
            word = _substituted(_rotated(word, 3)) ^ factor << 24
            factor = _times(factor, 2)
        elif index % 8 == 4:
            word = _substituted(word)
        words.append(word ^ words[-8])
    return [words[at : at + 4] for at in range(0, 60, 4)]


def _substituted(word: int) -> int:
    return int.from_bytes(bytes(BOX[byte] for byte in word.to_bytes(4, "big")), "big")


def block(keys: list[list[int]], data: bytes) -> bytes:
    """One block of 16 bytes, encrypted."""
    state = [int.from_bytes(data[4 * c : 4 * c + 4], "big") ^ keys[0][c] for c in range(4)]
    one, two, three, four = MIXED
    for key in keys[1:14]:
        a, b, c, d = state
        state = [
            one[a >> 24] ^ two[b >> 16 & 255] ^ three[c >> 8 & 255] ^ four[d & 255] ^ key[0],
            one[b >> 24] ^ two[c >> 16 & 255] ^ three[d >> 8 & 255] ^ four[a & 255] ^ key[1],
            one[c >> 24] ^ two[d >> 16 & 255] ^ three[a >> 8 & 255] ^ four[b & 255] ^ key[2],
            one[d >> 24] ^ two[a >> 16 & 255] ^ three[b >> 8 & 255] ^ four[c & 255] ^ key[3],
        ]
    last = bytes(BOX[state[(c + r) % 4] >> 24 - 8 * r & 255] for c in range(4) for r in range(4))
    return bytes(x ^ y for x, y in zip(last, b"".join(word.to_bytes(4, "big") for word in keys[14]), strict=True))


def _ghash(h: int, data: bytes) -> int:
    y = 0
    for at in range(0, len(data), 16):
        x, v, y = y ^ int.from_bytes(data[at : at + 16], "big"), h, 0
        for bit in reversed(range(128)):
            y ^= v if x >> bit & 1 else 0
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
    return y


def open_box(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    """The plaintext of ciphertext and tag, for a nonce of 12 bytes; raises ``ValueError`` if the tag does not fit."""
    keys, body, tag = schedule(key), sealed[:-16], sealed[-16:]
    h = int.from_bytes(block(keys, bytes(16)), "big")
    padded = associated + bytes(-len(associated) % 16) + body + bytes(-len(body) % 16)
    lengths = (8 * len(associated)).to_bytes(8, "big") + (8 * len(body)).to_bytes(8, "big")
    mask = int.from_bytes(block(keys, nonce + (1).to_bytes(4, "big")), "big")
    if _ghash(h, padded + lengths) ^ mask != int.from_bytes(tag, "big"):
        raise ValueError("the tag does not fit")
    stream = b"".join(block(keys, nonce + n.to_bytes(4, "big")) for n in range(2, 2 - (-len(body) // 16)))
    return bytes(a ^ b for a, b in zip(body, stream, strict=False))

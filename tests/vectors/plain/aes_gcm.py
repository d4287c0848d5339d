"""AES-256 (FIPS 197) and GCM (NIST SP 800-38D) by tables made here, one byte at a time."""

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


def _schedule(key: bytes) -> list[bytes]:
    words = [key[at : at + 4] for at in range(0, 32, 4)]
    factor = 1
    for index in range(8, 60):
        word = words[-1]
        if index % 8 == 0:
            word = bytes([BOX[word[1]] ^ factor, BOX[word[2]], BOX[word[3]], BOX[word[0]]])
            factor = _times(factor, 2)
        elif index % 8 == 4:
            word = bytes(BOX[byte] for byte in word)
        words.append(bytes(a ^ b for a, b in zip(word, words[-8], strict=True)))
    return [b"".join(words[at : at + 4]) for at in range(0, 60, 4)]


def _block(keys: list[bytes], block: bytes) -> bytes:
    state = bytes(a ^ b for a, b in zip(block, keys[0], strict=True))
    for number, key in enumerate(keys[1:], 1):
        state = bytes(BOX[state[(at + 4 * (at % 4)) % 16]] for at in range(16))  # substitute bytes and shift rows
        if number < 14:
            columns = [state[at : at + 4] for at in range(0, 16, 4)]
            state = bytes(
                _times(c[i], 2) ^ _times(c[(i + 1) % 4], 3) ^ c[(i + 2) % 4] ^ c[(i + 3) % 4]
                for c in columns
                for i in range(4)
            )
        state = bytes(a ^ b for a, b in zip(state, key, strict=True))
    return state


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
    keys, body, tag = _schedule(key), sealed[:-16], sealed[-16:]
    h = int.from_bytes(_block(keys, bytes(16)), "big")
    padded = associated + bytes(-len(associated) % 16) + body + bytes(-len(body) % 16)
    lengths = (8 * len(associated)).to_bytes(8, "big") + (8 * len(body)).to_bytes(8, "big")
    mask = int.from_bytes(_block(keys, nonce + (1).to_bytes(4, "big")), "big")
    if _ghash(h, padded + lengths) ^ mask != int.from_bytes(tag, "big"):
        raise ValueError("the tag does not fit")
    stream = b"".join(_block(keys, nonce + n.to_bytes(4, "big")) for n in range(2, 2 - (-len(body) // 16)))
    return bytes(a ^ b for a, b in zip(body, stream, strict=False))

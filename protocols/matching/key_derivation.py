"""The bureau's matching keys: one for each contract and operation, derived from the secret of an epoch and engine.

The key is ``key_of(HKDF-SHA-256(secret, no salt, info, L))`` (RFC 5869) with

    info = "shulab matching key v1" 0x00 ‖ field(engine) ‖ field(contract id) ‖ field(operation)

(a field is its length in 4 bytes, big-endian, then its UTF-8 bytes; the operation is ``match`` or ``count``). The
secret is fresh for each key epoch and engine, so the epoch is not part of info. ``key_of`` is the engine's:

* ``x25519``: L = 32, clamped (``decodeScalar25519``, RFC 7748, section 5);
* ``openmined``: L = 48, taken as a big-endian integer c; the key is (c mod (n - 1)) + 1, n the order of P-256 (FIPS
  186-5, appendix A.2.1, "extra random bits"), 32 bytes big-endian.

Its public key is P = s·B, B the curve's base point: X25519(s, 9), or the compressed point s·G. With HKDF a pseudorandom
function, keys of different contracts and operations are independent: F(x) = H(x)^s under one says nothing of another.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocols.matching.engines import bureau_engine
from protocols.matching.messages import MatchingOperation, encode_fields

_DOMAIN = b"shulab matching key v1\x00"


def derive_contract_key(secret: bytes, engine: str, contract: str, operation: MatchingOperation) -> bytes:
    """The evaluation key of a contract and operation, 32 bytes, from the secret of an epoch and engine (RFC 5869)."""
    half = bureau_engine(engine)
    info = _DOMAIN + encode_fields(engine.encode(), contract.encode(), operation.encode())
    return half.derive_key(
        HKDF(algorithm=SHA256(), length=half.SCALAR_MATERIAL_BYTES, salt=None, info=info).derive(secret)
    )


def compute_public_key(engine: str, key: bytes) -> bytes:
    """The public key P = s·B of an evaluation key s, in the engine's encoding of elements."""
    return bureau_engine(engine).public_key(key)

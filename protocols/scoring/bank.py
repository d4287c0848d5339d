"""The bank's side of scoring: the only holder of the decryption key.

Encryption is symmetric, so a ciphertext travels as one polynomial and the seed of the other (SEAL's seeded form). What
leaves is the public key, once, and batches of ciphertexts; the secret key has no way out of ``KeyHolder``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring import layout, native
from protocols.scoring.params import ParameterSet
from protocols.wire.frame import Frame, Kind


def generate_secret(params: ParameterSet) -> bytes:
    """A fresh BFV secret key (ternary), in SEAL's format. Its one proper home is the bank's key room."""
    return native.dump(seal.KeyGenerator(native.context(params.name)).secret_key())


class KeyHolder:
    """One who holds the decryption key: encrypts what the bank asks, decrypts what the bureau answers.

    It can't be printed, pickled or copied, and has no attribute from which the key can be read as bytes.
    """

    __slots__ = ("_context", "_decryptor", "_encoder", "_encryptor", "_frame", "_params")

    def __init__(self, params: ParameterSet, secret: bytes) -> None:
        """``secret`` as ``generate_secret`` made it; raises ``ValueError`` for another parameter set's key."""
        self._params = params
        self._context: Any = native.context(params.name)
        key = native.load(seal.SecretKey, secret, params)
        public = seal.PublicKey()
        seal.KeyGenerator(self._context, key).create_public_key(public)
        self._encryptor = seal.Encryptor(self._context, public, key)
        self._decryptor = seal.Decryptor(self._context, key)
        self._encoder = seal.BatchEncoder(self._context)
        self._frame = Frame(Kind.CONTEXT, {"parameters": params.name}, (native.dump(public),)).pack()

    def public_context(self) -> bytes:
        """The frame with the public key, addressed by its SHA-256; the same bytes at every call of this object."""
        return self._frame

    def encrypt(
        self,
        tags: NDArray[np.uint8],
        indicators: NDArray[np.uint8],
        *,
        contract: str,
        context: str | None = None,
        on_column: Callable[[int], None] = lambda done: None,
    ) -> bytes:
        """One batch frame.

        ``tags``: uint8 [rows, 16], rows <= slots. ``indicators``: [columns, rows], each 0 or 1. ``context`` names the
        public context the bureau shall use (default: this object's own). ``on_column`` is told after each column.
        """
        rows = len(tags)
        if not 1 <= rows <= self._params.slots or indicators.shape[1:] != (rows,):
            raise ValueError(f"wanted 1 to {self._params.slots} rows, the same in tags and indicators")
        plain, ciphertexts = seal.Plaintext(), []
        for column in indicators:
            self._encoder.encode(column.tolist(), plain)
            ciphertexts.append(native.dump(self._encryptor.encrypt_symmetric(plain)))
            on_column(1)
        name = context or layout.digest(self._frame)
        return layout.pack_batch(self._params, contract, name, tags, ciphertexts)

    def decrypt(self, reply: bytes, *, rows: int, batch: bytes) -> NDArray[np.int64]:
        """The outputs in quanta, int64 [outputs, rows], of the reply to ``batch``.

        Raises ``MalformedFrame`` for a reply to something else and ``NativeRefusal`` for ciphertexts that are not of
        this parameter set or whose noise has drowned the message.
        """
        parts = layout.read_reply(reply, self._params, batch=layout.digest(batch), rows=rows)
        values = np.empty((len(parts), rows), dtype=np.int64)
        plain = seal.Plaintext()
        for index, part in enumerate(parts):
            ciphertext = native.load(seal.Ciphertext, part, self._params)
            if ciphertext.size() != 2 or self._decryptor.invariant_noise_budget(ciphertext) < 1:
                raise native.NativeRefusal("a reply's ciphertext cannot be decrypted exactly")
            self._decryptor.decrypt(ciphertext, plain)
            values[index] = self._encoder.decode_int64(plain)[:rows]
        return values

    def __repr__(self) -> str:
        return f"KeyHolder({self._params.name}, hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key holder cannot be pickled or copied")

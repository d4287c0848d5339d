"""The bank's side of scoring: it alone holds the decryption key.

Encryption is symmetric, so a ciphertext travels as one polynomial and the seed of the other (``encryption``). Two
things leave: once, the public key with the proof that it is well formed, and batches of ciphertexts. ``KeyHolder`` does
not give the secret key away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from protocols.scoring import key_proof, messages
from protocols.scoring.encryption import SymmetricEncryptor
from protocols.scoring.parameters import ParameterSet
from protocols.scoring.seal import binding
from protocols.wire.frame import MalformedFrame


def generate_secret_key(params: ParameterSet) -> bytes:
    """A fresh ternary secret key, in SEAL's format. Only ``lab.bank.keys`` should keep it."""
    return binding.save_object(seal.KeyGenerator(binding.seal_context(params.name)).secret_key())


class KeyHolder:
    """Holds the decryption key: encrypts the bank's indicators and decrypts the bureau's replies.

    It cannot be printed, pickled or copied, and it has no attribute from which the key can be read as bytes.
    """

    __slots__ = ("_context", "_decryptor", "_encoder", "_frame", "_params")

    def __init__(self, params: ParameterSet, secret: bytes) -> None:
        """``secret`` as ``generate_secret_key`` made it; raises ``ValueError`` for another parameter set's key."""
        self._params = params
        self._context: Any = binding.seal_context(params.name)
        key = binding.load_secret_key(secret, params)
        self._decryptor = seal.Decryptor(self._context, key)
        self._encoder = seal.BatchEncoder(self._context)
        self._frame = b""

    def public_context(self) -> bytes:
        """The frame with the public key and its proof, which is named by its SHA-256.

        The first call makes it, in about a second; later calls return the same bytes.
        """
        if not self._frame:
            secret = self._secret()
            key, error = SymmetricEncryptor(secret, self._params).make_public_key()
            pk = binding.ciphertext_coefficients(
                binding.ciphertext_from_ntt(*messages.read_seeded_ciphertext(key, self._params), self._params),
                self._params,
            )
            proof = key_proof.prove_key(key, pk, secret, error, self._params)
            self._frame = messages.pack_context(self._params, key, proof)
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

        ``tags``: uint8 [rows, 16], rows <= slots. ``indicators``: uint8 [columns, rows], each 0 or 1. ``context`` is
        the SHA-256 of the public context that the bureau is to use (default: this object's own). ``on_column`` is
        called with the number of columns just finished. Raises ``ValueError`` for other shapes.
        """
        rows = len(tags)
        if not 1 <= rows <= self._params.slots or indicators.shape[1:] != (rows,):
            raise ValueError(f"wanted 1 to {self._params.slots} rows, the same in tags and indicators")
        encryptor, columns = SymmetricEncryptor(self._secret(), self._params), list[bytes]()
        for start in range(0, len(indicators), 2):
            pair = indicators[start : start + 2]
            encrypted = encryptor.encrypt_columns(pair[0], pair[1] if len(pair) == 2 else None)
            columns += encrypted[: len(pair)]
            on_column(len(pair))
        name = context or messages.frame_sha256(self.public_context())
        return messages.pack_batch(self._params, contract, name, tags, columns)

    def decrypt(self, reply: bytes, *, rows: int, batch: bytes | str) -> NDArray[np.int64]:
        """The sums in quanta, int64 [outputs, rows], of the reply to ``batch``: its frame, or that frame's SHA-256.

        Raises ``MalformedFrame`` for a reply to another batch, of another length, with a residue that is not below its
        prime, or in which a row was dropped, and ``SealRejection`` for a ciphertext that hides nothing or whose noise
        has drowned the message.
        """
        sums = self.decrypt_scored(reply, rows=rows, batch=batch)
        if sums.shape[1] != rows:
            raise MalformedFrame("the reply leaves out rows of its batch, which only one that is named again may")
        return sums

    def scored_places(self, reply: bytes, *, rows: int, batch: bytes | str) -> NDArray[np.int64]:
        """The rows that the reply to ``batch`` says were scored, int64 [scored] ascending; raises ``MalformedFrame``.
        Decrypts nothing."""
        return self._read(reply, rows, batch).places

    def decrypt_scored(self, reply: bytes, *, rows: int, batch: bytes | str) -> NDArray[np.int64]:
        """As ``decrypt``, for the rows ``scored_places`` alone: int64 [outputs, scored].

        The slots of the other rows hold random numbers, and are not returned.
        """
        parsed = self._read(reply, rows, batch)
        sums = np.empty((len(parsed.outputs), len(parsed.places)), dtype=np.int64)
        plain = seal.Plaintext()
        for index, part in enumerate(parsed.outputs):
            first, second = messages.read_output(part, self._params)
            ciphertext = binding.reply_ciphertext(first, second, self._params)
            if not second.any() or self._decryptor.invariant_noise_budget(ciphertext) < 1:
                raise binding.SealRejection("a reply's ciphertext cannot be decrypted exactly")
            self._decryptor.decrypt(ciphertext, plain)
            sums[index] = np.asarray(self._encoder.decode_int64(plain), dtype=np.int64)[parsed.places]
        return sums

    def _read(self, reply: bytes, rows: int, batch: bytes | str) -> messages.ParsedReply:
        name = batch if isinstance(batch, str) else messages.frame_sha256(batch)
        return messages.read_reply(reply, self._params, batch=name, rows=rows)

    def _secret(self) -> NDArray[np.int64]:
        """The secret's coefficients, -1 to 1, int64 [N]: what (0, 1) decrypts to."""
        zero = np.zeros((len(self._params.data_primes), self._params.degree), dtype=np.uint64)
        one = zero.copy()
        one[:, 0] = 1
        plain = seal.Plaintext()
        self._decryptor.decrypt(binding.ciphertext_from_coefficients(zero, one, self._params), plain)
        residues = np.zeros(self._params.degree, dtype=np.int64)
        count = plain.coeff_count()
        residues[:count] = [plain.data(index) for index in range(count)]
        return np.where(residues > 1, residues - self._params.plain_modulus, residues)

    def __repr__(self) -> str:
        return f"KeyHolder({self._params.name}, hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key holder cannot be pickled or copied")

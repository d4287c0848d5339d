"""Sends each new tree head to the witnesses in the bureau's settings, and keeps their cosignatures (C2SP tlog-witness).

It works in rounds. One head goes to all witnesses at once, so that they cosign the same head; the next round takes the
newest head. A witness that fails or is slow delays neither the others nor the heads; it is asked again at growing
intervals.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import httpx

from lab.bureau.configuration.settings import WitnessSetting
from lab.bureau.ledger.cosignatures import CosigningService
from lab.terms.errors import Conflict, InvalidInput, Unreachable
from lab.terms.ledger.tree import SignedTreeHead
from lab.terms.witnessing.signed_note import NoteSignature
from lab.transport.back_off import BackOff, BackOffTimer
from lab.transport.http_client import explain_transport_error, open_http_client
from lab.transport.proxy.network_settings import NetworkSettings

_POLL_SECONDS, _TIMEOUT_SECONDS, _LONGEST_WAIT = 1.0, 10.0, 60.0
_MAX_RESPONSE_BYTES = 65_536  # bytes of a response: a few lines
_SIZE_MEDIA = "text/x.tlog.size"


class CosignatureRequester:
    """One thread that looks for new heads, and one for each witness that sends requests; ``start`` and ``stop`` it.

    ``on_outcome`` gets the witness's name, the outcome of each request and the error: ``cosigned``, ``refused`` (the
    witness declines) or ``failed`` (no response, or an invalid one).
    """

    def __init__(
        self,
        cosigning: CosigningService,
        on_outcome: Callable[[str, str, Exception | None], None],
        *,
        network: NetworkSettings | None = None,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        self._network = network or NetworkSettings()
        self._cosigning, self._on_outcome, self._poll_seconds = cosigning, on_outcome, poll_seconds
        self._back_off = BackOff(first_wait=poll_seconds, longest_wait=_LONGEST_WAIT)
        self._failing: dict[str, tuple[float, BackOffTimer]] = {}  # when each is asked again, by its key
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="witnessing", daemon=True)
        self._under_way: dict[str, Future[None]] = {}

    def start(self) -> None:
        """Start, if the settings name a witness."""
        if self._cosigning.witnesses:
            self._thread.start()

    def stop(self) -> None:
        """Stop after the present round."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def run_round(self, pool: ThreadPoolExecutor) -> None:
        """Ask every due witness that has not cosigned the newest head, and wait for a limited time."""
        head = self._cosigning.newest_head()
        if head is None:
            return
        for witness in self._due(head):
            self._under_way[witness.key] = pool.submit(self._ask, witness, head)
        wait(self._under_way.values(), timeout=_TIMEOUT_SECONDS)

    def _due(self, head: SignedTreeHead) -> Sequence[WitnessSetting]:
        now = time.monotonic()
        return [
            one
            for one in self._cosigning.witnesses
            if (one.key not in self._under_way or self._under_way[one.key].done())
            and (one.key not in self._failing or self._failing[one.key][0] <= now)
            and self._cosigning.last_cosigned_size(one.verifier_key) < head.size
        ]

    def _work(self) -> None:
        pool = ThreadPoolExecutor(len(self._cosigning.witnesses), thread_name_prefix="witness")
        try:
            while not self._stopped.wait(self._poll_seconds):
                try:
                    self.run_round(pool)
                except Exception as error:  # the database may be unreachable for a while; the thread must survive that
                    self._on_outcome("", "failed", error)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, witness: WitnessSetting, head: SignedTreeHead) -> None:
        key = witness.verifier_key
        try:
            lines = self._add_checkpoint(witness, head, self._cosigning.last_cosigned_size(key))
            self._cosigning.save_cosignature(key, head, lines)
        except Exception as error:  # the round continues, whatever a witness sends
            _, timer = self._failing.get(witness.key, (0.0, self._back_off.start()))
            self._failing[witness.key] = time.monotonic() + timer.next_wait(), timer
            self._on_outcome(key.name, "refused" if isinstance(error, Conflict) else "failed", error)
        else:
            self._failing.pop(witness.key, None)
            self._on_outcome(key.name, "cosigned", None)

    def _add_checkpoint(self, witness: WitnessSetting, head: SignedTreeHead, old: int) -> list[NoteSignature]:
        """POST add-checkpoint; if the witness reports another size, ask once more from that size."""
        network = self._network.with_ca_file(witness.ca_file, "ca_file of [[witnesses]]")
        status, media, content = _post(witness, network, self._cosigning.make_request(head, old).to_bytes())
        if status == 409 and media == _SIZE_MEDIA:
            old = _read_size(content)
            if old > head.size:
                raise Conflict(
                    f"Witness {witness.verifier_key.name} has cosigned {old} entries; this ledger's head has "
                    f"{head.size}.",
                    next_step="check whether the database was restored to an earlier state; do not serve until then",
                )
            status, media, content = _post(witness, network, self._cosigning.make_request(head, old).to_bytes())
        if status != 200:
            raise Conflict(
                f"Witness {witness.verifier_key.name} did not cosign: it answered {status}.",
                next_step="ask its operator; 404 or 403: it does not know this ledger; 422: it has seen another one",
            )
        return [NoteSignature.parse(line) for line in content.decode().split("\n") if line]


def _post(witness: WitnessSetting, network: NetworkSettings, body: bytes) -> tuple[int, str, bytes]:
    """Status, media type and body of the response; raises ``Unreachable``, or ``NotAuthentic`` for its certificate."""
    until = time.monotonic() + _TIMEOUT_SECONDS
    try:
        with (
            open_http_client(
                network,
                timeout=_TIMEOUT_SECONDS / 2,
                headers={"user-agent": "shulab", "accept-encoding": "identity"},
            ) as client,
            client.stream("POST", f"{witness.url.rstrip('/')}/add-checkpoint", content=body) as response,
        ):
            content = b""
            for piece in response.iter_raw():
                content += piece
                if len(content) > _MAX_RESPONSE_BYTES or time.monotonic() > until:
                    raise Unreachable("The witness's response is too long or too slow.", next_step="ask its operator")
            return response.status_code, response.headers.get("content-type", ""), content
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise explain_transport_error(
            error,
            witness.url,
            network,
            what=f"No response from witness {witness.verifier_key.name} at",
            next_step="check its url and whether it runs",
        ) from None


def _read_size(content: bytes) -> int:
    text = content.removesuffix(b"\n")
    if not text.isdigit() or len(text) > 18:
        raise InvalidInput("Expected a size from the witness; found something else.", next_step="ask its operator")
    return int(text)

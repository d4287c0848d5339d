"""Composes the service from its parts, and runs it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.disk_room import read_disk_room
from lab.bureau.exchange import BatchCharge
from lab.bureau.key_management.metrics_token import metrics_token
from lab.bureau.ledger import LOCAL_ACTOR
from lab.bureau.ledger.settings_changes import record_configuration_change
from lab.bureau.ledger.tree_head_signer import TreeHeadSigner
from lab.process.file_modes import keep_new_files_private
from lab.process.memory_protection import disable_core_dumps, hide_environment_from_children
from lab.terms.errors import ShulabError
from lab.transport.head_deadline import head_deadline_protocol
from lab.transport.listening import format_origin, is_every_address, is_exposed, open_listener
from lab.transport.tls_files import check_tls_files
from sandbox.api import openapi
from sandbox.api.banks import batches, contracts, jobs, matching, offers, scoring
from sandbox.api.people import accounts, bank_keys, consents, contracts_admin, openid_sign_in, sign_in
from sandbox.api.people.data import catalogue, enterprises, repairs
from sandbox.api.people.data import meters as meter_routes
from sandbox.api.people.data import requests as request_routes
from sandbox.api.public import bureau_card as bureau_routes
from sandbox.api.public import health, ledger
from sandbox.api.public import metrics as metrics_routes
from sandbox.background.cosignature_requests import CosignatureRequester
from sandbox.background.sweeper import Sweeper
from sandbox.dependencies import ServiceDependencies
from sandbox.http import problems
from sandbox.http.limits import CapacityLimit, ConcurrencyLimit, WaitLimit
from sandbox.http.middleware import RequestMiddleware
from sandbox.http.upload_limits import UploadLimiter
from sandbox.jobs import BatchWorkflows
from sandbox.monitoring.metrics import ServiceMetrics
from sandbox.monitoring.service_log import LOGGER_NAME, log_event, open_service_log
from sandbox.oidc.configured_provider import load_oidc_provider
from sandbox.settings import ServiceSettings, load_settings
from sandbox.start_checks import check_home_writable, check_port_file


def create_app(
    bureau: Bureau,
    settings: ServiceSettings,
    logger: logging.Logger | None = None,
    metrics: ServiceMetrics | None = None,
    begin: Callable[[BatchCharge], None] = lambda _: None,
    spool: Path | None = None,
) -> FastAPI:
    """The application over an open bureau.

    ``logger``: the service log (``open_service_log``). ``begin`` is called with each charged batch
    (``BatchWorkflows.enqueue``); by default another process evaluates the batches. ``spool``: the folder for bodies
    while they are received; by default the system's folder for temporary files.
    """
    logger, metrics = logger or logging.getLogger(LOGGER_NAME), metrics or ServiceMetrics()
    dependencies = _make_dependencies(bureau, settings, logger, metrics, begin, spool)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        dependencies.heavy_work_limit.close()
        dependencies.sign_in_limit.close()

    app = FastAPI(
        title="Shulab",
        version="1",
        openapi_url=None,  # `openapi.install_openapi` adds a route that takes no slot
        docs_url=None,  # its page loads scripts from another site
        redoc_url=None,
        redirect_slashes=False,  # a redirect would lose the signature
        lifespan=lifespan,
    )
    app.state.dependencies = dependencies
    metrics.add_gauges(
        waiting=lambda: len(bureau.scoring.list_waiting()),
        places=lambda: dependencies.heavy_work_limit.free_slots,
        uploads=lambda: dependencies.uploads.free,
        uncosigned=lambda: bureau.cosignatures.witness_lag(),
        arithmetic=lambda: bureau.matching.arithmetic_seconds,
    )
    for module in _ROUTE_MODULES:
        app.include_router(module.router)
    problems.install_error_handlers(app)
    openapi.install_openapi(app)
    app.add_middleware(
        RequestMiddleware,
        logger=logger,
        metrics=metrics,
        seconds=settings.request_seconds,
        linger=settings.linger_seconds,
    )
    return app


_ROUTE_MODULES = (
    health,
    bureau_routes,
    contracts,
    jobs,
    matching,
    scoring,
    batches,
    metrics_routes,
    sign_in,
    openid_sign_in,
    accounts,
    bank_keys,
    ledger,
    contracts_admin,
    consents,
    enterprises,
    request_routes,
    meter_routes,
    repairs,
    catalogue,
    offers,
)


def _make_dependencies(
    bureau: Bureau,
    settings: ServiceSettings,
    logger: logging.Logger,
    metrics: ServiceMetrics,
    begin: Callable[[BatchCharge], None],
    spool: Path | None,
) -> ServiceDependencies:
    return ServiceDependencies(
        bureau=bureau,
        bureau_key=str(bureau.identity()["public_key"]),
        settings=settings,
        heavy_work_limit=ConcurrencyLimit(
            settings.heavy_places,
            retry_after=settings.retry_after,
            share=settings.heavy_places_per_bank,
            patience=settings.place_seconds,
        ),
        sign_in_limit=ConcurrencyLimit(settings.sign_in_places, retry_after=settings.retry_after),
        logger=logger,
        oidc_provider=load_oidc_provider(settings),
        uploads=UploadLimiter(
            spool,
            room=settings.upload_bytes,
            share=settings.upload_bytes_per_bank,
            count=settings.uploads_per_bank,
            retry_after=settings.retry_after,
        ),
        event_stream_limit=CapacityLimit(settings.event_streams, retry_after=settings.retry_after),
        reply_wait_limit=WaitLimit(settings.reply_waits_per_bank),
        metrics=metrics,
        enqueue_batch=begin,
    )


def server_config(app: FastAPI, settings: ServiceSettings) -> uvicorn.Config:
    """Configuration of uvicorn: no log of its own, no server name in responses, no trust in forwarded headers."""
    return uvicorn.Config(
        app,
        http=head_deadline_protocol(settings.request_head_seconds),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.drain_seconds,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )


class _BureauServer(uvicorn.Server):
    """Writes the port to a file and reports its origin once it listens."""

    def __init__(self, config: uvicorn.Config, tls_seconds: float, on_listening: Callable[[int], None]) -> None:
        super().__init__(config)
        self._tls_seconds, self._on_listening = tls_seconds, on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        if self.config.is_ssl:  # asyncio waits a minute for a handshake, and uvicorn has no setting for it
            create = partial(loop.create_server, ssl_handshake_timeout=self._tls_seconds)
            loop.create_server = create  # type: ignore[method-assign]
        await super().startup(sockets=sockets)
        if self.started:
            self._on_listening(self.servers[0].sockets[0].getsockname()[1])


@dataclass(frozen=True)
class ServiceAddress:
    """Where the service listens: its origin, whether on every address of the machine, and whether other machines reach
    it without TLS (``public_url`` names no https, so no proxy is known to end it)."""

    origin: str
    every_address: bool
    unprotected: bool

    @classmethod
    def of(cls, host: str, port: int, settings: ServiceSettings) -> ServiceAddress:
        """The address of a service that listens on ``port`` of ``host``."""
        tls = settings.tls_certificate is not None
        behind_proxy = settings.public_url.startswith("https:")
        return cls(
            format_origin(host, port, tls=tls),
            is_every_address(host),
            is_exposed(host) and not tls and not behind_proxy,
        )


def serve(
    home: Path,
    host: str,
    port: int,
    port_file: Path | None = None,
    *,
    changes: Mapping[str, object] | None = None,
    on_listening: Callable[[ServiceAddress], None] = lambda _: None,
) -> None:
    """Serve the bureau in ``home`` until SIGTERM or SIGINT, finish the open requests and return.

    ``port`` 0 takes a free port. Once the service listens, ``port_file`` receives the number and ``on_listening`` the
    address. ``changes``: settings of the bureau that are overridden this time. Raises ``Conflict`` if it cannot listen
    or cannot write its folders.
    """
    disable_core_dumps()
    hide_environment_from_children()
    keep_new_files_private()
    check_home_writable(home)
    check_port_file(port_file)
    settings = load_settings(home)
    expires = check_tls_files(settings.tls_certificate, settings.tls_key, names=("tls_certificate", "tls_key"))
    settings.network_settings()  # a wrong proxy is refused before anything else starts
    with open_listener(host, port) as listening, Bureau.open(home, changes=changes) as bureau:
        bureau.workers.check_confinement()
        logger = open_service_log(home / "logs", settings.log_bytes)
        metrics = ServiceMetrics()
        jobs = BatchWorkflows(bureau, logger, on_outcome=metrics.observe_batch)
        metrics.add_gauges(
            failing=lambda: len(jobs.failing),
            disk_free_bytes=lambda: read_disk_room(bureau.home).free,
            disk_low=lambda: read_disk_room(bureau.home).level,
        )
        token = settings.metrics_token.get_secret_value() or metrics_token(bureau.home.folder)
        settings_with_token = settings.model_copy(update={"metrics_token": SecretStr(token)})
        app = create_app(bureau, settings_with_token, logger, metrics, jobs.enqueue, bureau.home.path("spool"))
        # uvicorn raises the signal again after its shutdown; these handlers ignore it, so that this function returns.
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda number, frame: None)
        record_configuration_change(bureau.store, "service", settings, bureau.keys.hash_settings, by=LOCAL_ACTOR)

        def announce(found: int) -> None:
            if port_file is not None:
                _write_port(port_file, found)
            until = expires.isoformat() if expires is not None else ""
            log_event(logger, "serving", host=host, port=found, certificate_expires=until)
            on_listening(ServiceAddress.of(host, found, settings))

        with _background_tasks(bureau, settings, logger, metrics, jobs):
            server = _BureauServer(server_config(app, settings), settings.request_head_seconds, announce)
            server.run(sockets=[listening])
        log_event(logger, "stopped")


def _write_port(port_file: Path, port: int) -> None:
    draft = port_file.with_name(port_file.name + ".part")
    draft.write_text(f"{port}\n")
    os.replace(draft, port_file)


@contextmanager
def _background_tasks(
    bureau: Bureau, settings: ServiceSettings, logger: logging.Logger, metrics: ServiceMetrics, jobs: BatchWorkflows
) -> Iterator[None]:
    """What the service does besides requests: batches, tree heads, cosignatures, the sweep, the start of workers."""
    starting = threading.Thread(target=_start_workers, args=(bureau, logger), daemon=True)
    starting.start()
    tree_heads = TreeHeadSigner(
        bureau.ledger,
        entries=settings.head_entries,
        seconds=settings.head_seconds,
        on_error=lambda error: log_event(logger, "no tree head", error=error),
        clock=bureau.now,
    )
    sweeper = Sweeper(
        bureau.sweep,
        seconds=settings.sweep_seconds,
        on_error=lambda error: log_event(logger, "sweep failed", error=error),
    )
    cosignatures = CosignatureRequester(
        bureau.cosignatures,
        lambda *outcome: _record_witness_outcome(logger, metrics, *outcome),
        network=settings.network_settings(),
    )
    jobs.start()
    tree_heads.start()
    cosignatures.start()
    sweeper.start()
    try:
        yield
    finally:
        sweeper.stop()
        cosignatures.stop()
        tree_heads.stop()
        jobs.stop(settings.drain_seconds)
        # If the interpreter ends while a thread runs native code, the process dies with SIGABRT.
        starting.join(settings.drain_seconds)


def _record_witness_outcome(
    logger: logging.Logger, metrics: ServiceMetrics, witness: str, outcome: str, error: Exception | None
) -> None:
    """Count a witness's response; log an error."""
    metrics.count_cosignature(outcome)
    if error is not None:
        why = error.detail if isinstance(error, ShulabError) else ""
        log_event(logger, "no cosignature", error=error, witness=witness, outcome=outcome, why=why)


def _start_workers(bureau: Bureau, logger: logging.Logger) -> None:
    """Start the bureau's workers while the service already listens."""
    try:
        bureau.workers.start_workers()
    except Exception as error:
        log_event(logger, "workers did not start", error=error)

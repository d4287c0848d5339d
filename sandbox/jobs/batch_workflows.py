"""Charged batches as durable workflows: one for each charge, run by any process of the bureau that has a free worker.

The bureau's own tables (``lab.bureau.exchange.scoring.batch_scoring``) ensure that a batch is evaluated once. A
workflow only repeats the attempt until it succeeds, also if the process is killed at any point. Every process looks for
work that nobody does: a charged batch without a workflow is found in those tables; a workflow of a dead process is
given to a living one; a workflow that ended without an outcome (the database was unreachable for long) is followed by
another. Each step may be repeated.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from dbos import DBOS, SetWorkflowID
from sqlalchemy.exc import DBAPIError

from lab.bureau.bureau import Bureau
from lab.bureau.exchange import BatchCharge, BatchOutcome
from lab.bureau.exchange.scoring.own_faults import BureauDataFault
from lab.bureau.store.outage_reasons import describe_database_error
from lab.disk.free_space import find_no_room
from lab.terms.errors import NotFound, ShulabError
from sandbox.jobs.dbos_config import make_dbos_config
from sandbox.jobs.executors import ExecutorRegistration
from sandbox.monitoring.service_log import log_event

QUEUE = "batches"
_POLL_SECONDS = 0.1
_WATCH_SECONDS = 1.0
_OUTAGE_SECONDS, _OUTAGE_TRIES = 5.0, 100  # one workflow waits this long for an outage to end; then the next does
_FAILURE_LOG_SECONDS = 60.0
_RECOVERIES = 1_000_000  # the library's limit of recoveries; only a batch's outcome ends it
_WORKFLOW_RETENTION = timedelta(days=1)  # the bureau's tables have all that finished workflows say
_RUNNING = ["PENDING", "ENQUEUED"]


class BatchWorkflows:
    """Runs the batches of a bureau; ``start`` and ``stop`` it. The library allows one instance a process.

    ``on_outcome`` gets the final state of each batch and the seconds that it took.
    """

    def __init__(
        self, bureau: Bureau, logger: logging.Logger, *, on_outcome: Callable[[str, float], None] = lambda *_: None
    ) -> None:
        self._bureau, self._logger, self._on_outcome = bureau, logger, on_outcome
        self._stopped = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="jobs", daemon=True)
        self._counted = threading.Lock()
        self._under_way = 0
        self.failing: dict[tuple[str, str], float] = {}
        """Charged batches whose last evaluation failed, and when that was last logged."""

    def start(self) -> None:
        """Start to run waiting batches, and those that dead processes left; raises ``Unreachable`` or ``InvalidInput``
        if the database of workflows cannot be used."""
        home = self._bureau.home
        self._executor = ExecutorRegistration(home.path("executors"))
        self._workflow = self._declare()
        url = home.settings.database_url or f"sqlite:///{home.path('jobs.db')}"
        workers = self._bureau.workers.batches_at_once()
        DBOS(config=make_dbos_config(url, self._executor.id, threads=workers + 4, logger=self._logger))
        try:
            DBOS.launch()
            self._queue = DBOS.register_queue(
                QUEUE, worker_concurrency=workers, polling_interval_sec=_POLL_SECONDS, on_conflict="always_update"
            )
        except DBAPIError as error:
            raise describe_database_error(error, f"{url.partition(':')[0]} jobs") from None
        self._watcher.start()

    def enqueue(self, charge: BatchCharge, past: int = 0) -> None:
        """Enqueue a charged batch. A repeated call is the same workflow. ``past``: how many workflows have failed."""
        with SetWorkflowID(f"{charge.id}/{past}"):
            self._queue.enqueue(self._workflow, charge.contract, charge.job, charge.sha256)

    def stop(self, seconds: int) -> None:
        """Take no more batches and wait up to ``seconds`` for running ones; another process or the next start does the
        rest."""
        self._stopped.set()
        self._watcher.join()
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=seconds if self._under_way else 0)
        self._executor.release()

    def _declare(self) -> Callable[[str, str, str], str]:
        """Register the workflow and its step with the library."""

        @DBOS.step(
            name="evaluate",
            retries_allowed=True,
            interval_seconds=_OUTAGE_SECONDS,
            backoff_rate=1.0,
            max_attempts=_OUTAGE_TRIES,
            should_retry=lambda _: not self._stopped.is_set(),
        )
        def evaluate(contract: str, job: str, sha256: str) -> str:
            return self._evaluate(contract, job, sha256)

        @DBOS.workflow(name="batch", max_recovery_attempts=_RECOVERIES)
        def batch(contract: str, job: str, sha256: str) -> str:
            return evaluate(contract, job, sha256)

        return batch

    def _evaluate(self, contract: str, job: str, sha256: str) -> str:
        """The step; returns the batch's final state. It raises, and is repeated, only during an outage."""
        begun = time.monotonic()
        with self._counted:
            self._under_way += 1
        try:
            outcome = self._bureau.scoring.evaluate(contract, job, sha256)
        except NotFound:  # the contract or the batch is gone from the tables
            self._forget_failure(contract, sha256)
            return "gone"
        except Exception as error:
            self._log_failure(contract, sha256, error)
            raise
        finally:
            with self._counted:
                self._under_way -= 1
        self._forget_failure(contract, sha256)
        self._log_outcome(contract, sha256, outcome, time.monotonic() - begun)
        return outcome.state

    def _forget_failure(self, contract: str, sha256: str) -> None:
        with self._counted:
            self.failing.pop((contract, sha256), None)

    def _log_failure(self, contract: str, sha256: str, error: Exception) -> None:
        """Keep and log why a batch is still charged and will be tried again: at once, and then every minute."""
        now = time.monotonic()
        with self._counted:
            logged = self.failing.get((contract, sha256), float("-inf"))
            due = now - logged >= _FAILURE_LOG_SECONDS
            if due:
                self.failing[contract, sha256] = now
        if due:
            log_event(self._logger, "batch not evaluated", error=error, contract=contract, batch=sha256)

    def _log_outcome(self, contract: str, sha256: str, outcome: BatchOutcome, seconds: float) -> None:
        error = outcome.error
        cause = {"cause": error.cause} if isinstance(error, BureauDataFault) else {}
        known = find_no_room(error) or (error if isinstance(error, ShulabError) else None)
        why = known.code if known is not None else "fault" if error is not None else ""
        log_event(
            self._logger,
            "batch",
            error=error if why in ("fault", "no-room") else None,
            contract=contract,
            batch=sha256,
            state=outcome.state,
            problem=why,
            milliseconds=round(seconds * 1000),
            **cause,
        )
        self._on_outcome(outcome.state, seconds)

    def _watch(self) -> None:
        tidied = float("-inf")
        while not self._stopped.is_set():
            try:
                self._recover_batches()
                if time.monotonic() - tidied > 3600:
                    self._tidy()
                    tidied = time.monotonic()
            except Exception as error:  # the database may be unreachable for a while; the thread must survive that
                log_event(self._logger, "jobs are not watched", error=error)
            self._stopped.wait(_WATCH_SECONDS)

    def _recover_batches(self) -> None:
        """Enqueue what nobody runs: workflows of dead processes, and batches that were charged just before a kill."""
        waiting = (
            self._bureau.scoring.list_waiting()
        )  # read before `running`, so that a batch charged in between is not missed
        running = DBOS.list_workflows(status=_RUNNING, queue_name=QUEUE, load_input=False, load_output=False)
        holders = {one.executor_id for one in running if one.status == "PENDING" and one.executor_id}
        dead = [holder for holder in sorted(holders) if not self._executor.is_alive(holder)]
        if dead:
            log_event(self._logger, "jobs recovered", executors=len(dead))
            DBOS._recover_pending_workflows(dead)
        known = {one.workflow_id.rpartition("/")[0] for one in running}
        for charge in waiting:
            if charge.id not in known:
                past = DBOS.list_workflows(workflow_id_prefix=charge.id, load_input=False, load_output=False)
                self.enqueue(charge, len(past))

    def _tidy(self) -> None:
        self._executor.remove_dead()
        before = (datetime.now(UTC) - _WORKFLOW_RETENTION).isoformat()
        old = DBOS.list_workflows(completed_before=before, queue_name=QUEUE, load_input=False, load_output=False)
        if old:
            DBOS.delete_workflows([one.workflow_id for one in old])

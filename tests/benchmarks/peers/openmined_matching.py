"""Matches two files with openmined-psi as a user would by its own calls: two processes, and a pipe between them.

Run it with the Python of ``.venv``; it needs nothing of ours. It prints one JSON object. The server makes its set-up
message, the client its request, the server answers, the client intersects: one call of the library each. The library
keeps to one core; with ``--threads 2`` both sides split their identifiers by the same public hash and run one server
and one client object for each part (they release the interpreter's lock), which tells each side the other's part sizes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import private_set_intersection.python as psi

PER_LOOK_UP = 2.0**-40
"""False positives a look-up; the library's ``fpr`` is for all look-ups of a query together."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--register-file", type=Path, required=True, help="CSV; the bureau's identifiers come first")
    parser.add_argument("--portfolio-file", type=Path, required=True, help="CSV; the bank's identifiers come first")
    parser.add_argument("--threads", type=int, default=1, help="parts, each by a thread of its own")
    parser.add_argument("--cores", default="0,1", help="cores that both parties are pinned to")
    parser.add_argument("--json", action="store_true", help="one JSON object (which is all there is)")
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    told, tells = context.Pipe(duplex=False)
    bureau = context.Process(target=serve, args=(options.register_file, options.threads, ours, tells))
    bank = context.Process(target=ask, args=(options.portfolio_file, options.threads, theirs, tells))
    for party in (bureau, bank):
        party.start()
    figures: dict[str, Any] = {
        "library": f"openmined-psi {version('openmined-psi')}",
        "protocol": f"openmined, {options.threads} thread{'s' if options.threads > 1 else ''}",
    }
    for _ in (bureau, bank):
        figures |= told.recv()
    for party in (bureau, bank):
        party.join()
    print(json.dumps(figures))


def serve(register: Path, threads: int, bank: Connection, tells: Connection) -> None:
    """The bureau: a set-up message for each part, then an answer to each request."""
    identifiers = _read(register)
    clients = int.from_bytes(bank.recv_bytes(), "big")
    begun, spent = time.perf_counter(), time.process_time()
    parts = _parts(identifiers, threads)
    servers = [psi.server.CreateWithNewKey(True) for _ in parts]

    def prepare(part: int) -> bytes:
        setup = servers[part].CreateSetupMessage(PER_LOOK_UP * clients, clients, parts[part], psi.DataStructure.GCS)
        return bytes(setup.SerializeToString())

    def answer(part: int, request: bytes) -> bytes:
        read = psi.Request()
        read.ParseFromString(request)
        return bytes(servers[part].ProcessRequest(read).SerializeToString())

    setups = _each(prepare, [(part,) for part in range(threads)])
    seconds_setup, cpu_setup = time.perf_counter() - begun, time.process_time() - spent
    for setup in setups:
        bank.send_bytes(setup)
    spent = time.process_time()
    requests = [bank.recv_bytes() for _ in range(threads)]
    responses = _each(answer, list(enumerate(requests)))
    for response in responses:
        bank.send_bytes(response)
    tells.send(
        {
            "seconds_setup": round(seconds_setup, 3),
            "cpu_setup": round(cpu_setup, 3),
            "cpu_online_bureau": round(time.process_time() - spent, 3),
            "bytes_down": sum(map(len, setups)) + sum(map(len, responses)),
            "bytes_down_online": sum(map(len, responses)),
            "bytes_up": sum(map(len, requests)),
            "peak_rss_bureau": _peak_rss(),
        }
    )


def ask(portfolio: Path, threads: int, bureau: Connection, tells: Connection) -> None:
    """The bank: a request for each part, and the intersection of each answer with its part's set-up."""
    identifiers = _read(portfolio)
    bureau.send_bytes(len(identifiers).to_bytes(8, "big"))
    setups = [bureau.recv_bytes() for _ in range(threads)]
    begun, spent = time.perf_counter(), time.process_time()
    parts = _parts(identifiers, threads)
    clients = [psi.client.CreateWithNewKey(True) for _ in parts]

    def request(part: int) -> bytes:
        return bytes(clients[part].CreateRequest(parts[part]).SerializeToString())

    def intersect(part: int, response: bytes) -> int:
        setup, read = psi.ServerSetup(), psi.Response()
        setup.ParseFromString(setups[part])
        read.ParseFromString(response)
        return len(clients[part].GetIntersection(setup, read))

    for message in _each(request, [(part,) for part in range(threads)]):
        bureau.send_bytes(message)
    matched = sum(_each(intersect, [(part, bureau.recv_bytes()) for part in range(threads)]))
    tells.send(
        {
            "seconds_online": round(time.perf_counter() - begun, 3),
            "cpu_online_bank": round(time.process_time() - spent, 3),
            "matched": matched,
            "peak_rss_bank": _peak_rss(),
        }
    )


def _each(function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as hands:
        return list(hands.map(lambda call: function(*call), calls))


def _parts(identifiers: list[str], count: int) -> list[list[str]]:
    if count == 1:
        return [identifiers]
    parts: list[list[str]] = [[] for _ in range(count)]
    for identifier in identifiers:
        parts[zlib.crc32(identifier.encode()) % count].append(identifier)
    return parts


def _read(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        next(file)
        return [line.split(",", 1)[0].rstrip("\n") for line in file]


def _peak_rss() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()

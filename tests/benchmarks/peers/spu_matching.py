"""Matches two files with SecretFlow's ``spu`` package, the two parties being processes that meet on the loopback.

Run it with the Python of ``.venv-peers`` (``make peers``); it needs nothing of ours. It prints one JSON object. Choices
in SecretFlow's favour, so that a comparison stands on the safe side: only the library's own calls are timed (neither
the start of Python nor the link's connection), identifiers are declared unique, and the order of results is left free.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

PROTOCOLS = ("unbalanced", "ecdh", "rr22")
PARTIES = ("bureau", "bank")
_SAMPLE_SECONDS = 0.05
_BYTES_ACKED = (
    120  # where struct tcp_info of <linux/tcp.h> has tcpi_bytes_acked, unsigned 64 bits; kernel 4.1 and later
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=PROTOCOLS, required=True)
    parser.add_argument("--register-file", type=Path, required=True, help="CSV; the bureau's identifiers")
    parser.add_argument("--portfolio-file", type=Path, required=True, help="CSV; the bank's identifiers")
    parser.add_argument("--id", default="uscc", help="column of the identifier in both files")
    parser.add_argument("--cores", default="0,1", help="cores that both parties are pinned to")
    parser.add_argument("--json", action="store_true", help="one JSON object (which is all there is)")
    parser.add_argument("--party", choices=PARTIES, help=argparse.SUPPRESS)
    parser.add_argument("--phase", help=argparse.SUPPRESS)
    parser.add_argument("--ports", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    if options.party:  # stdout is the library's log here
        _figures(options.folder, options.party, options.phase).write_text(json.dumps(play(options)))
    else:
        print(json.dumps(match(options)))


def match(options: argparse.Namespace) -> dict[str, Any]:
    """Run the phases of the protocol one after another, each with both parties as processes; the figures of all."""
    phases = ("offline_gen", "offline_transfer", "online") if options.protocol == "unbalanced" else ("whole",)
    with tempfile.TemporaryDirectory() as folder:
        found = {phase: _run_phase(options, phase, Path(folder)) for phase in phases}
    last = found[phases[-1]]
    setup = [found[phase] for phase in phases[:-1]]
    return {
        "library": f"spu {last['bank']['version']}",
        "protocol": options.protocol,
        "seconds_setup": round(sum(_longest(phase) for phase in setup), 3),
        "seconds_online": round(_longest(last), 3),
        "seconds": {phase: round(_longest(figures), 3) for phase, figures in found.items()},
        "cpu_setup": round(sum(_cpu(phase) for phase in setup), 3),
        "cpu_online_bureau": round(last["bureau"]["cpu"], 3),
        "cpu_online_bank": round(last["bank"]["cpu"], 3),
        "matched": last["bank"]["matched"],
        "bytes_down": _total(found, "bureau", "sent"),
        "bytes_up": _total(found, "bank", "sent"),
        "bytes_down_online": last["bureau"]["sent"],
        "peak_rss_bureau": max(figures["bureau"]["peak_rss"] for figures in found.values() if "bureau" in figures),
        "peak_rss_bank": max(figures["bank"]["peak_rss"] for figures in found.values() if "bank" in figures),
        "peak_rss_of_import": last["bank"]["rss_imported"],
        "said": last["bureau"]["said"],
    }


def _longest(figures: dict[str, Any]) -> float:
    return max(party["seconds"] for party in figures.values())


def _cpu(figures: dict[str, Any]) -> float:
    """Seconds of processor time that both parties and their children used: what other work beside does not lengthen."""
    return float(sum(party["cpu"] for party in figures.values()))


def _total(found: dict[str, Any], party: str, key: str) -> int:
    return sum(figures[party][key] for figures in found.values() if party in figures)


def _run_phase(options: argparse.Namespace, phase: str, folder: Path) -> dict[str, Any]:
    parties = PARTIES[:1] if phase == "offline_gen" else PARTIES  # the bureau fills its cache alone
    ports = ",".join(str(port) for port in _free_ports(len(parties)))
    running = {}
    for party in parties:
        words = [sys.executable, "-P", __file__, "--party", party, "--phase", phase, "--ports", ports]
        words += ["--folder", str(folder), "--protocol", options.protocol, "--id", options.id, "--cores", options.cores]
        words += ["--register-file", str(options.register_file), "--portfolio-file", str(options.portfolio_file)]
        with (folder / f"{party}-{phase}.log").open("wb") as log:
            running[party] = subprocess.Popen(
                words, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=_environment(folder)
            )
    peaks = _watch(running, options.protocol, folder)
    figures = {}
    for party in running:
        figures[party] = json.loads(_figures(folder, party, phase).read_text())
        figures[party]["peak_rss"] = max(figures[party]["peak_rss"], peaks[party])
        log_text = (folder / f"{party}-{phase}.log").read_text(errors="replace")
        figures[party]["said"] = [
            line for line in log_text.splitlines() if re.search(r"\b[Uu]s(e|ing) |thread pool", line)
        ]
    return figures


def _watch(running: dict[str, subprocess.Popen[bytes]], protocol: str, folder: Path) -> dict[str, int]:
    """Wait for both parties; the most bytes that each held resident with its children (it sorts files by ``sort``)."""
    peaks = dict.fromkeys(running, 0)
    while any(process.poll() is None for process in running.values()):
        for party, process in running.items():
            peaks[party] = max(peaks[party], _tree_rss(process.pid))
            if process.poll():
                for other in running.values():
                    other.kill()
                logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in folder.glob(f"{party}-*.log"))
                sys.exit(f"{party} failed in {protocol}, exit code {process.returncode}:\n{logs}")
        time.sleep(_SAMPLE_SECONDS)
    return peaks


def _tree_rss(pid: int) -> int:
    total = 0
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for member in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                total += member.memory_info().rss
    return total


def _environment(folder: Path) -> dict[str, str]:
    """Ours without settings that would keep the library to fewer threads than there are cores; its traces go to us."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    return kept | {"TMPDIR": str(folder)}


def _figures(folder: Path, party: str, phase: str) -> Path:
    return folder / f"{party}-{phase}.json"


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in held]
    for listener in held:
        listener.close()
    return ports


def play(options: argparse.Namespace) -> dict[str, Any]:
    """One party's part in one phase."""
    import spu
    import spu.libspu.link as link
    import spu.psi as psi

    rss_imported = _peak_rss()
    description = link.Desc()
    description.id = "benchmark"
    alone = options.phase == "offline_gen"  # a link with nobody else: the library crashes on no link
    for party, port in zip(PARTIES[:1] if alone else PARTIES, options.ports.split(","), strict=True):
        description.add_party(party, f"127.0.0.1:{port}")
    context = link.create_brpc(description, PARTIES.index(options.party))
    context.barrier()
    begun, spent = time.perf_counter(), sum(os.times()[:4])
    if options.protocol == "unbalanced":
        report = psi.ub_psi_execute(_unbalanced(psi, options), context)
    else:
        report = psi.psi_execute(_balanced(psi, options), context)
    seconds = time.perf_counter() - begun
    figures = {
        "seconds": seconds,
        "cpu": sum(os.times()[:4]) - spent,
        "matched": report.intersection_count,
        "sent": _bytes_sent(),
        "peak_rss": _peak_rss(),
        "rss_imported": rss_imported,
        "version": spu.__version__,
    }
    context.barrier()  # the other has read its sockets too
    context.stop_link()
    return figures


def _unbalanced(psi: Any, options: argparse.Namespace) -> Any:
    modes = {
        "offline_gen": psi.UbPsiMode.MODE_OFFLINE_GEN_CACHE,
        "offline_transfer": psi.UbPsiMode.MODE_OFFLINE_TRANSFER_CACHE,
        "online": psi.UbPsiMode.MODE_ONLINE,
    }
    bureau = options.party == "bureau"
    cache = options.folder / f"cache-{options.party}"
    words = {
        "mode": modes[options.phase],
        "role": psi.UbPsiRole.ROLE_SERVER if bureau else psi.UbPsiRole.ROLE_CLIENT,
        "cache_path": str(cache),
        "client_receive_result": True,
        "server_receive_result": False,
    }
    if bureau or options.phase == "online":
        words["input_params"] = _input(psi, options)
        words["output_params"] = _output(psi, options)
    return psi.UbPsiExecuteConfig(**words)


def _balanced(psi: Any, options: argparse.Namespace) -> Any:
    kinds = {"ecdh": psi.PsiProtocol.PROTOCOL_ECDH, "rr22": psi.PsiProtocol.PROTOCOL_RR22}
    return psi.PsiExecuteConfig(
        protocol_conf=psi.PsiProtocolConfig(
            protocol=kinds[options.protocol],
            receiver_rank=PARTIES.index("bank"),
            broadcast_result=False,
            ecdh_params=psi.EcdhParams(curve=psi.EllipticCurveType.CURVE_25519),
        ),
        input_params=_input(psi, options),
        output_params=_output(psi, options),
    )


def _input(psi: Any, options: argparse.Namespace) -> Any:
    file = options.register_file if options.party == "bureau" else options.portfolio_file
    return psi.InputParams(
        type=psi.SourceType.SOURCE_TYPE_FILE_CSV, path=str(file), selected_keys=[options.id], keys_unique=True
    )


def _output(psi: Any, options: argparse.Namespace) -> Any:
    path = options.folder / f"matched-{options.party}.csv"
    return psi.OutputParams(type=psi.SourceType.SOURCE_TYPE_FILE_CSV, path=str(path), disable_alignment=True)


def _peak_rss() -> int:
    """The largest resident memory of this process so far, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _bytes_sent() -> int:
    """What this process has sent over its TCP connections and had acknowledged; the link keeps them open to the end."""
    total = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as copy:
                told = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            total += struct.unpack_from("=Q", told, _BYTES_ACKED)[0]
        except OSError:
            continue  # no socket, none of TCP, or the folder's own descriptor, closed by now
    return int(total)


if __name__ == "__main__":
    main()

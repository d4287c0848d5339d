"""The service as a process: it starts, tells its port, ends cleanly, and says in words why it does not start."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lab.bank.connection.client import BureauClient, RetryPolicy
from lab.bureau.bureau import Bureau
from lab.sdk.connection import ServiceConnection
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic, NotFound, Unreachable
from lab.transport.proxy.network_settings import NetworkSettings
from protocols.wire.frame import Frame, FrameKind
from sandbox.app import serve
from tests.service.conftest import Process
from tests.support.bureau_standin import CONTRACT, JOB, Key, running

QUICK = RetryPolicy(connect_timeout=5, read_timeout=30, tries=1)


@pytest.fixture
def home(tmp_path):
    with Bureau.create(tmp_path / "bureau", name="某征信"):
        return tmp_path / "bureau"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_success_and_nothing_is_left(home, number):
    process = Process(home)
    process.start()
    with BureauClient(process.url, Key(), retry_policy=QUICK) as outlet:
        assert outlet.bureau_card().name == "某征信"
        assert process.stop(number) == 0
        with pytest.raises(Unreachable):
            outlet.bureau_card()
    assert "Traceback" not in (home / "logs" / "stderr").read_text()
    log = (home / "logs" / "service.jsonl").read_text()
    assert '"event": "serving"' in log
    assert '"event": "stopped"' in log


def test_a_request_under_way_is_answered_before_the_end(tmp_path):
    release = threading.Event()
    frame = Frame(FrameKind.MATCH_REQUEST, {}, (b"x",)).pack()
    with running(tmp_path) as service, ThreadPoolExecutor() as pool:
        service.bureau.work = lambda body: body if release.wait(30) else b""
        answer = pool.submit(service.outlet().match, CONTRACT, JOB, frame)
        assert service.bureau.entered.acquire(timeout=30)
        service.stop()
        release.set()
        assert answer.result(30)[0] == frame


def test_where_no_bureau_lives_it_does_not_start(tmp_path):
    with pytest.raises(NotFound, match="No bureau lives"):
        serve(tmp_path / "nowhere", "127.0.0.1", 0)


def test_with_settings_that_do_not_fit_it_does_not_start(home):
    (home / "service.toml").write_text("heavy_places = 0\n")
    with pytest.raises(InvalidInput, match="heavy_places"):
        serve(home, "127.0.0.1", 0)


def test_on_a_port_that_is_taken_it_does_not_start(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match=f"port {port}"):
            serve(home, "127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no such host", 0)])
def test_where_it_cannot_listen_it_does_not_start(home, host, port):
    with pytest.raises(Conflict):
        serve(home, host, port)


def test_a_file_without_certificates_is_said_to_be_one(tmp_path):
    for file in (tmp_path / "missing.pem", tmp_path):
        with pytest.raises(InvalidInput, match="PEM"):
            BureauClient("https://bureau.example", Key(), network=NetworkSettings(ca_file=file))


@pytest.fixture
def tls_files(tmp_path):
    """A self-signed certificate of 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bureau.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


def test_it_speaks_tls_and_both_clients_check_it(tmp_path, tls_files):
    cert_file, key_file = tls_files
    with running(tmp_path / "logs", tls_certificate=cert_file, tls_key=key_file) as service:
        url = service.url.replace("http:", "https:")
        with BureauClient(url, service.key, network=NetworkSettings(ca_file=cert_file), retry_policy=QUICK) as outlet:
            assert outlet.sheet(CONTRACT) == b"{}"
        with (
            BureauClient(url, service.key, retry_policy=QUICK) as outlet,
            pytest.raises(NotAuthentic, match="certificate"),
        ):
            outlet.bureau_card()
        with BureauClient(service.url, service.key, retry_policy=QUICK) as outlet, pytest.raises(Unreachable):
            outlet.bureau_card()
        with closing(ServiceConnection(url, ca_file=str(cert_file))) as connection:
            assert connection.request("GET", "/v1/health") == {"status": "ok"}
        with closing(ServiceConnection(url)) as connection, pytest.raises(NotAuthentic, match="certificate"):
            connection.request("GET", "/v1/health")


@contextmanager
def served(home, *words, umask=0o022):
    """`lab bureau serve` as an operator starts it; yields its output once it says that it serves."""
    with subprocess.Popen(
        [sys.executable, "-m", "lab.cli", "bureau", "serve", "--home", str(home), "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.umask(umask),
    ) as process:
        lines: list[str] = []
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                if "Serving" in line:
                    break
            yield process, lines
        finally:
            process.send_signal(signal.SIGTERM)
            lines += process.stdout.readlines()
            assert process.wait(60) == 0, lines


def origin(lines):
    return re.findall(r"at (https?://[^\s;]+)", "".join(lines))[0]


def test_it_says_that_it_serves_once_it_does_and_where(home):
    with served(home) as (_, lines):
        found = origin(lines)
        assert httpx.get(f"{found}/v1/health", timeout=5).json() == {"status": "ok"}
    assert "WARNING" not in "".join(lines)


def test_an_ipv6_address_is_a_url(home):
    with served(home, "--host", "::1") as (_, lines):
        found = origin(lines)
        assert found.startswith("http://[::1]:")
        assert httpx.get(f"{found}/v1/health", timeout=5).status_code == 200


def test_with_tls_its_address_is_https(home, tls_files):
    cert_file, key_file = tls_files
    (home / "service.toml").write_text(f'tls_certificate = "{cert_file}"\ntls_key = "{key_file}"\n')
    with served(home, "--host", "0.0.0.0") as (_, lines):
        found = origin(lines)
        assert found.startswith("https://0.0.0.0:") and "every address" in "".join(lines)
        here = found.replace("0.0.0.0", "127.0.0.1")
        verified = ssl.create_default_context(cafile=str(cert_file))
        assert httpx.get(f"{here}/v1/health", timeout=5, verify=verified).status_code == 200
    assert "WARNING" not in "".join(lines)


@pytest.mark.parametrize(("public_url", "warned"), [("", True), ("https://bureau.example", False)])
def test_open_to_other_machines_without_tls_it_warns(home, public_url, warned):
    (home / "service.toml").write_text(f'public_url = "{public_url}"\n')
    with served(home, "--host", "0.0.0.0") as (_, lines):
        pass
    assert ("WARNING: other machines reach it without TLS" in "".join(lines)) == warned


def test_under_umask_000_the_service_opens_nothing_to_others(home):
    shutil.rmtree(home / "logs")
    with served(home, umask=0) as (_, lines):
        httpx.get(f"{origin(lines)}/v1/health", timeout=5)
        modes = {str(path): stat.S_IMODE(path.lstat().st_mode) for path in home.rglob("*")}
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
    assert str(home / "logs" / "service.jsonl") in modes and str(home / "jobs.db") in modes


def put_file_for_spool(home: Path) -> None:
    shutil.rmtree(home / "spool")
    (home / "spool").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (put_file_for_spool, 8, "file exists"),
        (lambda home: (home / "bureau.db").write_bytes(b"x" * 10_000), 3, "damaged"),
        (lambda home: (home / "jobs.db").mkdir(), 5, "cannot be opened"),
        (lambda home: (home / "keys" / "seal.key").unlink(), 7, "missing"),
        (lambda home: (home / "service.toml").mkdir(), 3, "found a folder"),
        (
            lambda home: (home / "bureau.toml").write_text(
                'name = "x"\ndatabase_url = "postgresql+psycopg://nobody@127.0.0.1:1/x"\n'
            ),
            5,
            "nothing listens",
        ),
    ],
)
def test_what_keeps_it_from_starting_is_said_with_a_next_step(home, spoil, code, said):
    spoil(home)
    done = subprocess.run(
        [sys.executable, "-m", "lab.cli", "bureau", "serve", "--home", str(home), "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr and "next:" in done.stderr
    assert "Traceback" not in done.stderr and "Serving" not in done.stdout


@pytest.mark.parametrize("sent", [b"", b"GET /v1/health HTTP/1.1\r\nhost: x\r\nx-slow: "])
def test_half_a_head_ends_the_connection(tmp_path, sent):
    with running(tmp_path, request_head_seconds=0.5) as service:
        address = urlsplit(service.url)
        with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
            begun = time.monotonic()
            connection.sendall(sent)
            assert connection.recv(100) == b""
            assert time.monotonic() - begun < 10
        # A kept connection has the time anew for its next request.
        with httpx.Client(base_url=service.url, timeout=20) as client:
            for _ in range(3):
                assert client.get("/v1/health").status_code == 200
                time.sleep(0.3)


def test_more_of_a_head_does_not_gain_time(tmp_path):
    with running(tmp_path, request_head_seconds=0.5) as service:
        address = urlsplit(service.url)
        with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
            connection.sendall(b"GET /v1/health HTTP/1.1\r\n")
            begun = time.monotonic()
            with suppress(OSError):
                while time.monotonic() - begun < 15:
                    connection.sendall(b"x: y\r\n")
                    time.sleep(0.05)
            assert time.monotonic() - begun < 10


def test_half_a_handshake_ends_the_connection(home, tls_files):
    cert_file, key_file = tls_files
    (home / "service.toml").write_text(
        f'tls_certificate = "{cert_file}"\ntls_key = "{key_file}"\nrequest_head_seconds = 0.5\n'
    )
    with served(home) as (_, lines):
        address = urlsplit(origin(lines))
        with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
            begun = time.monotonic()
            connection.sendall(b"\x16\x03\x01")
            with suppress(ConnectionError):
                while connection.recv(100):
                    pass
            assert time.monotonic() - begun < 10


def test_answers_on_a_kept_connection_come_at_once(tmp_path):
    """Without TCP_NODELAY each took 40 ms; the quickest of many is looked at, since the machine may be busy."""
    with running(tmp_path) as service, httpx.Client(base_url=service.url, timeout=20) as client:
        client.get("/v1/health")
        taken = []
        for _ in range(20):
            begun = time.perf_counter()
            client.get("/v1/health")
            taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.03

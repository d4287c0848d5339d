"""The service as a process: it starts, tells its port, ends cleanly, and says in words why it does not start."""

from __future__ import annotations

import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

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


def test_it_speaks_tls_and_both_clients_check_it(tmp_path):
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

"""https: the certificate names the server and not its alias, and the deadline holds through TLS."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from host.http import DeadlinePassed, HttpRequest, TlsRefused
from host.http.client import HttpClient
from tests.host.http.scripted import Act, Answer, Drip, Scripted, response, scripted
from tests.host.http.test_client import soon

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"
NAME = "domino.example.com"
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate, and is missing")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with key and self-signed certificate for NAME."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    key = path.with_name("key.pem")
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    argv = ["openssl", "req", "-x509", *curve, *subject, "-keyout", str(key), "-out", str(path)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def client(server: Scripted, certificate: Path, *, name: str | None = NAME) -> HttpClient:
    return HttpClient(server.origin, keep=2, tls_host_name=name, tls_ca_file=str(certificate))


def test_a_certificate_for_the_servers_own_name_is_taken_at_its_alias(tls: ssl.SSLContext, certificate: Path) -> None:
    with scripted((response(),), tls=tls) as server:
        https = client(server, certificate)
        for _ in range(3):
            assert https.exchange(HttpRequest("/"), soon()).status == 200
        assert len({number for number, _ in server.requests}) == 1


@pytest.mark.parametrize("name", [None, "other.example.com"])
def test_a_certificate_for_another_name_is_refused(tls: ssl.SSLContext, certificate: Path, name: str | None) -> None:
    with scripted((response(),), tls=tls) as server:
        with pytest.raises(TlsRefused, match="certificate") as raised:
            client(server, certificate, name=name).exchange(HttpRequest("/"), soon())
        assert not raised.value.sent
        assert not server.requests


def test_a_certificate_by_nobody_we_know_is_refused(tls: ssl.SSLContext) -> None:
    with scripted((response(),), tls=tls) as server, pytest.raises(TlsRefused, match="certificate"):
        HttpClient(server.origin, tls_host_name=NAME).exchange(HttpRequest("/"), soon())


@pytest.mark.parametrize("answer", [(Act.HANG,), (HEAD, Drip(b"a")), (HEAD + b"abc", Act.HANG)])
def test_the_deadline_holds_through_tls(tls: ssl.SSLContext, certificate: Path, answer: Answer) -> None:
    with scripted(answer, tls=tls) as server, pytest.raises(DeadlinePassed) as raised:
        client(server, certificate).exchange(HttpRequest("/"), time.monotonic() + 0.5)
    assert raised.value.sent


def test_a_server_that_never_shakes_hands_is_late_and_nothing_was_sent(certificate: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DeadlinePassed) as raised:
            HttpClient(base, tls_host_name=NAME, tls_ca_file=str(certificate)).exchange(
                HttpRequest("/"), time.monotonic() + 0.15
            )
    assert not raised.value.sent

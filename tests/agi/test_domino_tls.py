"""https: the certificate names the server and not the alias, and the deadline holds through TLS."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agi.domino.errors import Late, Unreachable
from agi.domino.http import Http
from agi.domino.login import Anonymous
from agi.domino.source import DominoSource
from agi.domino.views import View
from lab.domino import Domino, Trouble
from tests.agi import phones

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
def domino(certificate: Path) -> Iterator[Domino]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Domino.serving(phones.data(), tls=context) as serving:
        yield serving


def source(http: Http) -> DominoSource:
    return DominoSource(View("crm/phones.nsf", "(ByNumber)", "Number"), http, Anonymous())


def test_a_certificate_for_the_servers_own_name_is_taken_at_the_alias(domino: Domino, certificate: Path) -> None:
    http = Http(f"https://127.0.0.1:{domino.port}", keep=2, tls_host_name=NAME, tls_ca_file=str(certificate))
    for _ in range(6):
        assert source(http).fetch("+14155551212", time.monotonic() + 5)
    assert [request.connection for request in domino.requests] == [1] * 5 + [2]


@pytest.mark.parametrize("name", [None, "other.example.com"])
def test_a_certificate_for_another_name_is_refused(domino: Domino, certificate: Path, name: str | None) -> None:
    http = Http(f"https://127.0.0.1:{domino.port}", tls_host_name=name, tls_ca_file=str(certificate))
    with pytest.raises(Unreachable, match="certificate"):
        source(http).fetch("+14155551212", time.monotonic() + 5)


def test_a_certificate_by_nobody_we_know_is_refused(domino: Domino) -> None:
    with pytest.raises(Unreachable, match="certificate"):
        source(Http(f"https://127.0.0.1:{domino.port}", tls_host_name=NAME)).fetch("+1", time.monotonic() + 5)


@pytest.mark.parametrize("trouble", [Trouble(headers_after_s=5), Trouble(body_drip_s=0.05), Trouble(stop_after=20)])
def test_the_deadline_holds_through_tls(domino: Domino, certificate: Path, trouble: Trouble) -> None:
    domino.trouble = trouble
    http = Http(f"https://127.0.0.1:{domino.port}", tls_host_name=NAME, tls_ca_file=str(certificate))
    begun = time.monotonic()
    with pytest.raises(Late):
        source(http).fetch("+14155551212", begun + 0.3)
    assert time.monotonic() - begun < 4


def test_a_server_that_never_shakes_hands_is_late(certificate: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        http = Http(f"https://127.0.0.1:{silent.getsockname()[1]}", tls_host_name=NAME, tls_ca_file=str(certificate))
        begun = time.monotonic()
        with pytest.raises(Late):
            source(http).fetch("+1", begun + 0.3)
        assert time.monotonic() - begun < 4

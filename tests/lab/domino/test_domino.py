"""The Domino stand-in is as wrong as the real one: checked against what was captured from live servers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.domino import Data, Database, Domino, Site, Trouble, View

ROWS = [{"Number": f"+{number:04}", "Name": "<b>Jörg's!</b>"} for number in range(1100)]
VIEW = "/p.nsf/v?ReadViewEntries"
JSON = f"{VIEW}&OutputFormat=JSON"


@pytest.fixture(scope="module")
def domino() -> Iterator[Domino]:
    with Domino.serving(Data({"p.nsf": Database({"v": View(list(ROWS)), "none": View([])})})) as serving:
        yield serving


def get(domino: Domino, target: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", domino.port, timeout=5)
    connection.request("GET", target, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_its_json_is_not_json_and_everything_in_it_is_text(domino: Domino) -> None:
    response, body = get(domino, f"{JSON}&Count=1")
    assert response.headers["Content-Type"].startswith("application/json")
    with pytest.raises(json.JSONDecodeError, match="escape"):
        json.loads(body)
    assert b'"@toplevelentries": "1100"' in body
    assert b"\\>" in body


def test_an_empty_view_has_no_entries_at_all(domino: Domino) -> None:
    _, body = get(domino, "/p.nsf/none?ReadViewEntries&OutputFormat=JSON")
    assert "viewentry" not in json.loads(body)


@pytest.mark.parametrize(
    ("count", "rows"), [("", 30), ("&Count=7", 7), ("&Count=-1", 1000), ("&Count=5000", 1000), ("&Count=0", 0)]
)
def test_rows_are_thirty_or_as_many_as_asked_up_to_a_thousand(domino: Domino, count: str, rows: int) -> None:
    _, body = get(domino, VIEW + count)
    assert len(ElementTree.fromstring(body)) == rows


def test_startkey_is_a_position_and_not_a_filter(domino: Domino) -> None:
    _, body = get(domino, f"{VIEW}&StartKey=%2B0505x&Count=2")
    assert [text.text for text in ElementTree.fromstring(body).iter("text")][::2] == ["+0506", "+0507"]


@pytest.mark.parametrize(
    ("count", "status", "rows"), [("", 200, 10), ("&count=100", 200, 100), ("&count=101", 400, None)]
)
def test_access_services_give_ten_up_to_a_hundred_and_refuse_more(
    domino: Domino, count: str, status: int, rows: int | None
) -> None:
    response, body = get(domino, f"/p.nsf/api/data/collections/name/v?keys=%2B0{count}")
    assert response.status == status
    found = json.loads(body)
    assert (len(found) if isinstance(found, list) else None) == rows


def test_commands_are_not_case_sensitive(domino: Domino) -> None:
    _, body = get(domino, "/p.nsf/v?readviewentries&outputformat=json&count=1")
    assert body.startswith(b"{")


def test_a_connection_serves_five_requests_and_ends_after_an_error(domino: Domino) -> None:
    for target, serves in ((VIEW, 5), ("/none.nsf/v?ReadViewEntries", 1)):
        with socket.create_connection(("127.0.0.1", domino.port), timeout=5) as connection:
            connection.sendall(f"GET {target}&Count=0 HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 8)
            answers = b""
            while piece := _received(connection):
                answers += piece
        assert answers.count(b"HTTP/1.1 ") == serves


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    ("host", "address", "site"),
    [
        ("www.dallas.example", "127.0.0.1", "dallas"),  # by name first, on whatever address
        ("domino-local", "127.0.0.1", "boston"),  # then by the address
        ("domino-local", "127.0.0.2", "fallback"),  # then the default
    ],
)
def test_a_site_is_chosen_by_host_then_address_then_default(host: str, address: str, site: str) -> None:
    sites = [
        Site("fallback", default=True),
        Site("boston", addresses=("127.0.0.1",)),
        Site("dallas", hosts=("www.dallas.example",)),
    ]
    with Domino.serving(Data(sites=sites), address="0.0.0.0") as domino:
        connection = http.client.HTTPConnection(address, domino.port, timeout=5)
        connection.request("GET", "/marker.nsf/machine?ReadViewEntries", headers={"Host": host})
        assert f"<text>{site}</text>".encode() in connection.getresponse().read()
        connection.close()


def test_trouble_lasts_as_often_as_asked(domino: Domino) -> None:
    domino.trouble = Trouble(status=500, times=2)
    assert [get(domino, JSON)[0].status for _ in range(3)] == [500, 500, 200]


def test_as_a_process_it_serves_a_file_and_is_told_its_troubles(tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    file.write_text(json.dumps({"databases": {"p.nsf": {"views": {"v": [{"Number": "+1", "Name": "x"}]}}}}))
    argv = [sys.executable, "-m", "lab.domino", "--bind", "127.0.0.1:0", "--site", "boston", "--data", str(file)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)

        def ask(method: str, target: str, body: str = "") -> tuple[int, str]:
            connection.request(method, target, body, {"Host": "domino-local"})
            response = connection.getresponse()
            return response.status, response.read().decode()

        assert "boston" in ask("GET", "/marker.nsf/machine?ReadViewEntries")[1]
        assert '"x"' in ask("GET", JSON)[1]
        ask("POST", "/.control", '{"login_page": true}')
        assert "identify yourself" in ask("GET", JSON)[1]
        assert json.loads(ask("POST", "/.control", "{}")[1])["requests"] == 3
        connection.close()
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0

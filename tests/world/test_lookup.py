"""A call from the carrier, a real Asterisk, agi-server, and a Domino that has every bad day there is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import Machine, Release, World
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 0.6
CALLER = "6175550100"
ROWS = [{"Number": f"+1{CALLER}", "FullName": "Jörg Müller", "Company": 'Acme "&" Söhne)'}]
LOOKUP = f"""
[lookup.caller]
site = "domino-local"
request = "view"
database = "crm/phones.nsf"
view = "(ByNumber)"
key_column = "Number"
number = {{ region = "US" }}
variables = {{ "CALLERID(name)" = "FullName", COMPANY = "Company" }}
defaults = {{ COMPANY = "unknown" }}
deadline_ms = {DEADLINE_S * 1000:.0f}
fresh_s = 0
renew_s = 0
missing_s = 0
"""
FASTAGI = "AGI(agi://127.0.0.1/lookup)"
SCRIPT = "AGI(lookup.py)"
DIALPLAN = """\
exten => _X.,1,Set(BEGUN=${STRFTIME(,,%s.%3q)})
 same => n,Exec(${LOOK})
 same => n,Set(TOOK=${STRFTIME(,,%s.%3q)} ${BEGUN})
 same => n,Set(FILE(/var/log/asterisk/lookups,,,al,u)=${LOOKUP_STATUS}|${CALLERID(name)}|${COMPANY}|${TOOK})
 same => n,Answer()
 same => n,Wait(5)
 same => n,Hangup()
"""


@dataclass(frozen=True)
class Seen:
    """What the dialplan had after AGI()."""

    status: str
    name: str
    company: str
    seconds: float


class Desk:
    """boston with everything that a lookup needs; `call` makes one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.boston: Machine = world.boston
        hosts = self.boston.path("/etc/hosts")
        self.boston.write("/etc/hosts", hosts.read_text() + "192.0.2.21\tdomino-local\n")
        book = {"databases": {"crm/phones.nsf": {"views": {"(ByNumber)": ROWS}}}}
        self.boston.write("/etc/phones.json", json.dumps(book))
        self.boston.write("/etc/asterisk/extensions_inbound.conf", DIALPLAN)
        self.boston.asterisk("dialplan reload")
        done = self.boston.run(["agi-server", "install", "lookup"])
        assert done.returncode == 0, done.stderr
        self.go(FASTAGI)
        self.start_domino()
        self.start_server()

    def start_domino(self) -> None:
        argv = [
            "python",
            "-m",
            "lab.domino",
            "--bind",
            "192.0.2.21:80",
            "--site",
            "boston",
            "--data",
            "/etc/phones.json",
        ]
        self.domino = self.boston.spawn(argv, env={"PYTHONPATH": str(ROOT)}, name="domino")
        eventually(lambda: self.boston.connect("192.0.2.21", 80).close())

    def start_server(self) -> None:
        self.server = self.boston.spawn(["agi-server", "run"])
        eventually(lambda: self.boston.connect("127.0.0.1", 4573).close())

    def go(self, way: str) -> None:
        """Which application the dialplan runs from now on."""
        self.boston.asterisk(f"dialplan set global LOOK {way}")

    def trouble(self, **fields: Any) -> None:
        body = json.dumps(fields)
        with self.boston.connect("192.0.2.21", 80) as connection:
            head = f"POST /.control HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall((head + body).encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")

    def call(self, caller: str = CALLER) -> Seen:
        """A call by address, which needs no registration; it must be answered by boston."""
        log = self.boston.path("/var/log/asterisk/lookups")
        before = len(log.read_text().splitlines()) if log.exists() else 0
        call = self.world.carrier.call("better", caller=caller, order=("boston",))
        assert call.machine == "boston", call
        line = log.read_text().splitlines()[before]
        status, name, company, took = line.split("|")
        ended, begun = took.split()
        return Seen(status, name, company, float(ended) - float(begun))


def eventually(does: Callable[[], object], within_s: float = 15) -> None:
    until = time.monotonic() + within_s
    while True:
        try:
            does()
            return
        except Exception:
            if time.monotonic() > until:
                raise
        time.sleep(0.1)


@pytest.fixture(scope="module")
def desk(worlds: Worlds, release: Release) -> Desk:
    return Desk(worlds(boston=release, dallas=release, extra=LOOKUP, start=("boston",)))


@pytest.fixture(autouse=True)
def well(desk: Desk) -> Iterator[None]:
    """Each test finds Domino and agi-server well, FastAGI in the dialplan, and an answer kept from a call before."""
    desk.go(FASTAGI)
    if desk.domino.poll() is not None:
        desk.start_domino()
    if desk.server.poll() is not None:
        desk.start_server()
    desk.trouble()
    eventually(lambda: found(desk.call()))
    yield
    if desk.domino.poll() is None:
        desk.trouble()


def found(seen: Seen) -> None:
    assert (seen.status, seen.name, seen.company) == ("FOUND", "Jörg Müller", 'Acme "&" Söhne)')


@pytest.mark.parametrize(("way", "served"), [(FASTAGI, True), (SCRIPT, True), (SCRIPT, False)])
def test_the_same_line_finds_the_caller_handed_over_or_in_a_process_of_its_own(
    desk: Desk, way: str, served: bool
) -> None:
    desk.go(way)
    if not served:
        desk.server.terminate(10)
    found(desk.call())
    unknown = desk.call("6175550199")
    assert (unknown.status, unknown.company) == ("NOTFOUND", "unknown")
    desk.trouble(body_drip_s=0.05)
    assert desk.call("6175550142").status == "TIMEOUT"
    desk.domino.terminate(5)
    seen = desk.call("6175550142")
    assert (seen.status, seen.company) == ("ERROR", "unknown")


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        ({"headers_after_s": 5}, "TIMEOUT"),
        ({"body_drip_s": 0.05}, "TIMEOUT"),
        ({"stop_after": 50}, "TIMEOUT"),
        ({"cut_after": 50}, "ERROR"),
        ({"reset_after": 50}, "ERROR"),
        ({"login_page": True}, "ERROR"),
        ({"error_page": True}, "ERROR"),
    ],
)
def test_a_call_goes_on_within_its_deadline_with_the_old_answer_or_the_default(
    desk: Desk, trouble: dict[str, Any], status: str
) -> None:
    desk.trouble(**trouble)
    known = desk.call()
    assert (known.status, known.company) == ("STALE", 'Acme "&" Söhne)')
    unknown = desk.call("6175550142")
    assert (unknown.status, unknown.company) == (status, "unknown")
    assert max(known.seconds, unknown.seconds) < DEADLINE_S + 0.3


def test_domino_stopped_and_a_restarted_agi_server_still_know_the_caller(desk: Desk) -> None:
    desk.domino.terminate(5)
    assert desk.call().status == "STALE"
    desk.server.terminate(10)
    desk.start_server()
    seen = desk.call()
    assert (seen.status, seen.company) == ("STALE", 'Acme "&" Söhne)')
    assert seen.seconds < DEADLINE_S + 0.3


def test_agi_server_killed_in_the_middle_of_a_call_leaves_the_call_alive(desk: Desk) -> None:
    desk.trouble(headers_after_s=5)
    began = len(desk.boston.path("/var/log/asterisk/lookups").read_text().splitlines())
    # The carrier's call blocks this thread: the server is killed by a timer while Asterisk waits for it.
    killer = desk.boston.spawn(["sh", "-c", f"sleep 0.3; kill -9 {own_pid(desk)}"], name="killer")
    call = desk.world.carrier.call("better", caller=CALLER, order=("boston",))
    killer.wait(10)
    assert call.machine == "boston"
    line = desk.boston.path("/var/log/asterisk/lookups").read_text().splitlines()[began]
    assert line.startswith("|"), "no LOOKUP_STATUS: the dialplan can tell"


def own_pid(desk: Desk) -> str:
    """agi-server's process id as boston sees it."""
    return desk.boston.run(["pgrep", "-f", "agi-server run"]).stdout.split()[-1]


def test_healthz_says_whose_site_the_alias_reaches(desk: Desk) -> None:
    def health() -> dict[str, Any]:
        done = desk.boston.run(["curl", "-s", "http://127.0.0.1:4574/healthz"])
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def checked() -> None:
        assert health()["sites"]

    eventually(checked)
    state = health()
    assert state["sites"] == {"domino-local": "domino-local reaches boston's own site"}
    assert state["lookups"] == {"caller": "answers"}

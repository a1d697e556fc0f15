"""A call from the carrier, a real Asterisk, agi-server, and a Domino that has every bad day there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import Release, World
from lab.domino import phone_book
from lab.domino.phone_book import CALLER, COMPANY, FASTAGI, NAME, SCRIPT, PhoneBook
from lab.until import until
from tests.world.conftest import Worlds

pytestmark = pytest.mark.world

DEADLINE_S = 0.6
HELD_S = 20.0
"""A call that is held longer waited for Domino, which takes 60 s for what it does late; it is DEADLINE_S else."""
LOOKUP = phone_book.LOOKUP + f"deadline_ms = {DEADLINE_S * 1000:.0f}\nfresh_s = 0\nrenew_s = 0\nmissing_s = 0\n"


@dataclass(frozen=True)
class Seen:
    """What the dialplan had after AGI()."""

    status: str
    name: str
    company: str
    seconds: float


class Desk(PhoneBook):
    """boston with everything that a lookup needs; `call` makes one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.boston = world.boston
        super().__init__(world.boston)

    def call(self, caller: str = CALLER) -> Seen:
        """A call by address, which needs no registration; it must be answered by boston."""
        before = len(self.log())
        call = self.world.carrier.call("better", caller=caller, order=("boston",))
        assert call.machine == "boston", call
        status, name, company, took = self.log()[before].split("|")
        ended, begun = took.split()
        return Seen(status, name, company, float(ended) - float(begun))


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
    until(lambda: is_found(desk.call()), "a call that is looked up")
    yield
    if desk.domino.poll() is None:
        desk.trouble()


def is_found(seen: Seen) -> bool:
    return (seen.status, seen.name, seen.company) == ("FOUND", NAME, COMPANY)


def asked(desk: Desk, number: str, status: str) -> list[Seen]:
    """What one call is told; and a second one, where a busy machine let the first meet the deadline.

    No third: after three failures in a row the breaker answers, with an error whatever Domino does.
    """
    seen = [desk.call(number)]
    if seen[0].status == "TIMEOUT" != status:
        seen.append(desk.call(number))
    return seen


@pytest.mark.parametrize(("way", "served"), [(FASTAGI, True), (SCRIPT, True), (SCRIPT, False)])
def test_the_same_line_finds_the_caller_handed_over_or_in_a_process_of_its_own(
    desk: Desk, way: str, served: bool
) -> None:
    desk.go(way)
    if not served:
        desk.server.terminate(10)
    # On a machine that has no processor to give, one call may meet the deadline: the next then does not.
    until(lambda: is_found(desk.call()), "the caller is found")
    nobody = ("NOTFOUND", "unknown")
    until(lambda: ((seen := desk.call("6175550199")).status, seen.company) == nobody, "nobody of that number")
    desk.trouble(body_drip_s=0.05)
    assert desk.call("6175550142").status == "TIMEOUT"
    desk.domino.terminate(5)
    seen = asked(desk, "6175550142", "ERROR")[-1]
    assert (seen.status, seen.company) == ("ERROR", "unknown")


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        ({"headers_after_s": 60}, "TIMEOUT"),
        ({"body_drip_s": 1}, "TIMEOUT"),
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
    assert (known.status, known.company) == ("STALE", COMPANY)
    unknown = asked(desk, "6175550142", status)
    assert (unknown[-1].status, unknown[-1].company) == (status, "unknown")
    assert max(one.seconds for one in (known, *unknown)) < HELD_S


def test_domino_stopped_and_a_restarted_agi_server_still_know_the_caller(desk: Desk) -> None:
    desk.domino.terminate(5)
    assert desk.call().status == "STALE"
    desk.server.terminate(10)
    desk.start_server()
    seen = desk.call()
    assert (seen.status, seen.company) == ("STALE", COMPANY)
    assert seen.seconds < HELD_S


def test_agi_server_killed_in_the_middle_of_a_call_leaves_the_call_alive(desk: Desk) -> None:
    desk.trouble(headers_after_s=5)
    began = len(desk.log())
    # The carrier's call blocks this thread: the server is killed by a timer while Asterisk waits for it.
    killer = desk.boston.spawn(["sh", "-c", f"sleep 0.3; kill -9 {own_pid(desk)}"], name="killer")
    call = desk.world.carrier.call("better", caller=CALLER, order=("boston",))
    killer.wait(10)
    assert call.machine == "boston"
    assert desk.log()[began].startswith("|"), "no LOOKUP_STATUS: the dialplan can tell"


def own_pid(desk: Desk) -> str:
    """agi-server's process id as boston sees it."""
    return desk.boston.run(["pgrep", "-f", "agi-server run"]).stdout.split()[-1]


def test_healthz_says_whose_site_the_alias_reaches(desk: Desk) -> None:
    until(lambda: desk.health()["sites"], "a site that was asked")
    state = desk.health()
    assert state["sites"] == {"domino-local": "domino-local reaches boston's own site"}
    assert state["lookups"] == {"caller": "answers"}


def test_the_dialplan_of_the_documentation_goes_where_it_says(desk: Desk) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "lookups.md").read_text()
    (example,) = [block for block in page.split("```") if "caller-FOUND" in block]
    inbound = desk.boston.path("/etc/asterisk/extensions_inbound.conf")
    before = inbound.read_text()
    told = "Set(FILE(/var/log/asterisk/went,,,al,u)=${EXTEN} ${LOOKUP_STATUS})\n same => n,Answer()\n same => n,Wait(9)"
    example = example.replace("Queue(reception)", told).replace("Dial(PJSIP/sales,30)", told)
    example = example.replace(
        "AGI(lookup.py,caller)", f"{FASTAGI}\n same => n,Set(GRADE=${{IF($[${{GOLD}}]?gold:none)}})"
    )
    try:
        inbound.write_text(f"exten => _X.,1,Goto(from-trunk,${{EXTEN}},1)\n{example}")
        desk.boston.asterisk("dialplan reload")
        for gold, trouble, caller in ((1, {}, CALLER), (0, {}, CALLER), (0, {"login_page": True}, "6175550142")):
            desk.boston.asterisk(f"dialplan set global GOLD {gold}")
            desk.trouble(**trouble)
            assert desk.world.carrier.call("better", caller=caller, order=("boston",)).machine == "boston"
        desk.server.terminate(10)
        assert desk.world.carrier.call("better", order=("boston",)).machine == "boston"
        went = desk.boston.path("/var/log/asterisk/went").read_text().splitlines()
        assert went == ["gold FOUND", "queue FOUND", "queue ERROR", "queue "]
    finally:
        inbound.write_text(before)
        desk.boston.asterisk("dialplan reload")

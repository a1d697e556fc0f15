"""A drill's rules: when it is not held, how long each step took, what it is compared with, how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from failover.drill import store as drill_store
from failover.drill.drill import code, objections
from failover.drill.leg import Leg, Took, moved_of, steps_of
from failover.drill.report import Report, Usual, aftermath, document, is_slower, markdown, usual
from failover.drill.store import ReportUnwritable
from failover.journal.entry import EntryKind, JournalEntry, Stamp
from failover.journal.run import fold
from failover.peer.messages import AsteriskStatus, PeerStatus
from host.exits import Exit
from host.places import Places
from tests.failover.overview.test_overview import BOTH, LOST, PRIMARY, STANDBY, overview

DIGEST = "0" * 64
QUIET = AsteriskStatus(state="answers", words="it answers", listed=True)


def status(machine: str, **changed: object) -> PeerStatus:
    facts: dict[str, object] = {
        "machine": machine,
        "pair": "secondsignal",
        "pair_digest": DIGEST,
        "wall": 1_800_000_000.0,
        "boot_id": "b",
        "role": "primary" if machine == "boston" else "standby",
        "generation": "2",
        "is_primary": machine == "boston",
        "why": "",
        "right_held": machine == "boston",
        "epoch": 7,
        "fenced": "",
        "paused": "",
        "open_run": "",
        "asterisk": QUIET,
    }
    return PeerStatus.model_validate({**facts, **changed})


def test_two_healthy_machines_of_which_one_is_primary_may_drill() -> None:
    assert objections(DIGEST, status("boston"), status("dallas"), "") == []
    assert objections(DIGEST, status("dallas"), status("boston"), "") == []


def test_a_drill_is_refused_where_a_secret_differs() -> None:
    against = objections(DIGEST, status("boston"), status("dallas"), "", ["trunks.acme.secret_file"])
    assert against == ["trunks.acme.secret_file is not the same on both machines; one of the two is wrong"]


def test_what_a_drill_left_off_the_air_is_said_with_the_one_command() -> None:
    home = STANDBY.model_copy(update={"machine": "boston"})
    neither = overview(boston=home)
    assert aftermath(neither, "boston", "dallas", away_served=True) == (
        "NOBODY SERVES: no number of secondsignal can be reached.",
        "on dallas, type: failover promote",
    )
    assert aftermath(neither, "boston", "dallas", away_served=False)[1] == "on boston, type: failover promote"
    lost = overview(boston=PRIMARY.model_copy(update={"asterisk": LOST}))
    words, mend = aftermath(lost, "boston", "dallas", away_served=True)
    assert words.startswith("OFF THE AIR: acme;")
    assert "render-localized --role primary --activate" in mend
    stayed = overview(boston=home, dallas=BOTH.model_copy(update={"asterisk": LOST}))
    assert aftermath(stayed, "boston", "dallas", away_served=True)[1] == "on boston, type: failover switchover"
    assert aftermath(overview(), "boston", "dallas", away_served=True) == ("", "")


def test_a_report_says_first_what_is_off_the_air() -> None:
    alarm, mend = "NOBODY SERVES: no number can be reached.", "on dallas, type: failover promote"
    made = replace(report(OVER, replace(BACK, exit=Exit.FAILED)), alarm=alarm, mend=mend)
    assert made.next == mend
    assert document(made, {})["alarm"] == alarm
    assert alarm in markdown(made, {}).splitlines()[2]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pair_digest": "1" * 64}, "pair.toml differs"),
        ({"is_primary": True}, "boston and dallas is"),
        ({"open_run": "promote 12"}, "promote 12 is open on dallas"),
        ({"claim": 8}, "a promotion runs on dallas"),
        ({"paused": "works on the rack"}, "dallas is paused: works on the rack"),
        ({"asterisk": AsteriskStatus(state="silent", words="dallas's Asterisk hangs")}, "dallas's Asterisk hangs"),
        ({"asterisk": AsteriskStatus(state="answers", words="its lists cannot be read")}, "its lists cannot be read"),
    ],
)
def test_whatever_is_not_healthy_stands_against_it(changed: dict[str, object], words: str) -> None:
    found = objections(DIGEST, status("boston"), status("dallas", **changed), "")
    assert any(words in one for one in found)


def test_without_the_other_machine_there_is_no_drill() -> None:
    assert objections(DIGEST, status("boston"), None, "dallas does not answer ssh") == ["dallas does not answer ssh"]


def entries(*told: tuple[EntryKind, str, float]) -> list[JournalEntry]:
    return [
        JournalEntry(number, kind, step, f"{step} is so", Stamp("", at, "boot-1", "dallas", 3))
        for number, (kind, step, at) in enumerate(told, start=1)
    ]


def test_a_step_takes_from_the_end_of_the_one_before_it_to_its_own() -> None:
    run = fold(
        4,
        "switchover",
        entries(
            (EntryKind.OPENED, "", 100.0),
            (EntryKind.BEGUN, "fence", 100.5),
            (EntryKind.DONE, "fence", 102.0),
            (EntryKind.VERIFIED, "fence", 103.0),
            (EntryKind.BEGUN, "localize", 103.1),
            (EntryKind.VERIFIED, "localize", 104.5),
            (EntryKind.VERIFIED, "dns", 104.75),  # it was so already: nothing was begun
            (EntryKind.OPEN, "carrier-acme", 105.0),
            (EntryKind.CLOSED, "", 105.0),
        ),
    )
    assert run is not None
    assert [(one.step, one.progress, one.seconds) for one in steps_of(run)] == [
        ("fence", "verified", 3.0),
        ("localize", "verified", 1.5),
        ("dns", "verified", 0.25),
        ("carrier-acme", "open", 0.25),
    ]
    assert moved_of(run) == 4.5


def test_a_run_that_never_registered_moved_nothing() -> None:
    run = fold(1, "switchover", entries((EntryKind.OPENED, "", 1.0), (EntryKind.FAILED, "fence", 2.0)))
    assert run is not None
    assert moved_of(run) == 0.0


OVER = Leg("dallas", Exit.DONE, "Done.", 4, 8, 5.0, 3.0, (Took("fence", "verified", 2.0, "so"),))
BACK = Leg("boston", Exit.DONE, "Done.", 9, 9, 6.0, 4.0, (Took("fence", "verified", 3.0, "so | and so"),))


def report(*legs: Leg) -> Report:
    return Report(2, "2026-01-01T00:00:00+00:00", "p", DIGEST, "boston", "dallas", legs, 0.0, (), code(list(legs)))


@pytest.mark.parametrize(
    ("legs", "ended", "serves", "next_"),
    [
        ((OVER, BACK), Exit.DONE, "boston", "nothing to do"),
        ((OVER, replace(BACK, exit=Exit.DEGRADED)), Exit.DEGRADED, "boston", "see what is missing"),
        ((OVER, replace(BACK, exit=Exit.REFUSED)), Exit.HALFWAY, "dallas", "on boston: failover switchover"),
        ((replace(OVER, exit=Exit.REFUSED),), Exit.REFUSED, "boston", "failover status"),
        ((replace(OVER, exit=Exit.FAILED),), Exit.FAILED, "boston", "failover status"),
    ],
)
def test_the_end_says_where_the_calls_are_and_what_to_type(
    legs: tuple[Leg, ...], ended: Exit, serves: str, next_: str
) -> None:
    found = report(*legs)
    assert (found.exit, found.serves) == (ended, serves)
    assert found.next.startswith(next_)


def test_medians_are_by_machine_and_step_over_the_last_five() -> None:
    earlier = [
        document(report(replace(OVER, seconds=seconds), BACK), {}) for seconds in (90.0, 5.0, 6.0, 7.0, 8.0, 9.0)
    ]
    found = usual([{"not": "a drill"}, *earlier])
    assert found["dallas", ""] == Usual(7.0, 5)
    assert found["boston", "fence"] == Usual(3.0, 5)


@pytest.mark.parametrize("seconds", [10**400, float("inf"), float("nan"), None, "soon", [3]])
def test_a_report_that_is_odd_anywhere_is_passed_over_whole(seconds: object) -> None:
    good = document(report(OVER, BACK), {})
    odd = json.loads(json.dumps(good))
    odd["legs"][-1]["steps"][-1]["seconds"] = seconds
    assert usual([odd]) == {}
    assert usual([good, odd]) == usual([good])


@pytest.mark.parametrize(
    ("seconds", "before", "slower"),
    [
        (9.0, 3.0, True),
        (4.0, 3.0, False),  # a third more is the day's weather
        (0.9, 0.1, False),  # and so is under a second
        (9.0, None, False),
    ],
)
def test_a_step_is_called_slower_when_a_person_should_look(seconds: float, before: float | None, slower: bool) -> None:
    assert is_slower(seconds, Usual(before, 3) if before is not None else None) is slower


def test_the_report_for_people_holds_every_step_and_breaks_no_table() -> None:
    text = markdown(report(OVER, BACK), {("boston", "fence"): Usual(1.0, 1)})
    assert "| fence | 3.0 **slower** | 1.0 | verified | so \\| and so |" in text
    assert "| fence | 2.0 |  | verified | so |" in text
    assert "**boston to dallas and back; the calls moved in 3.0 s and 4.0 s.**" in text


def places(root: Path) -> Places:
    return Places(root / "etc", root / "state", root / "run")


def test_reports_are_kept_and_a_damaged_one_is_passed_over(tmp_path: Path) -> None:
    where = places(tmp_path)
    for number in (1, 2):
        drill_store.keep(where, number, {"number": number}, "# text\n")
    (drill_store.directory(where) / "000001.json").write_text("{")
    assert [one["number"] for one in drill_store.earlier(where)] == [2]
    assert drill_store.numbers(where) == [1, 2]
    assert json.loads((drill_store.directory(where) / "000002.json").read_text()) == {"number": 2}


def test_a_report_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    with pytest.raises(ReportUnwritable, match="could not be written"):
        drill_store.keep(places(tmp_path), 1, {}, "")

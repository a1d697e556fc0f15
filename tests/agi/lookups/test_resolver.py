"""A lookup from its configuration to its answer, against the Domino stand-in, with whatever happens to Domino."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agi.lookups.answer import LookupAnswer, LookupStatus
from agi.lookups.breaker import CircuitBreaker
from agi.lookups.cache import CachedAnswer
from agi.lookups.question import LookupQuestion
from agi.lookups.resolver import LookupResolver
from lab.domino import Domino, Trouble
from tests.agi import phones

KEY = "+1 415 555 1212"
NAME = "CALLERID(name)"
LIMIT_S = 60.0
"""Ends what hangs; nothing that works takes as long."""
FOUND = {NAME: "Jörg Müller", "COMPANY": "Acme <!> 'Söhne'"}
DEFAULTS = {"COMPANY": "unknown"}

Make = Callable[..., LookupResolver]


@pytest.fixture
def domino() -> Iterator[Domino]:
    with Domino.serving(phones.data()) as serving:
        yield serving


@pytest.fixture
def make(domino: Domino, tmp_path: Path) -> Iterator[Make]:
    """Makes the lookups of a process; all of them share the machine's directories."""
    made: list[LookupResolver] = []

    def lookups(
        extra: str = "",
        *,
        database: str = "crm/phones.nsf",
        deadline_ms: int = 4000,
        breaker: CircuitBreaker | None = None,
        most: int = 32,
    ) -> LookupResolver:
        pair = phones.pair_with(phones.lookup(domino.port, extra, database=database, deadline_ms=deadline_ms))
        one = LookupResolver(phones.places(tmp_path), pair, breaker=breaker or CircuitBreaker(), most=most)
        one.stay()
        made.append(one)
        return one

    yield lookups
    for one in made:
        one.close()


def find(lookups: LookupResolver, key: str = KEY, *, deadline_s: float = LIMIT_S) -> LookupAnswer:
    return lookups.find("caller", key, time.monotonic() + deadline_s)


def eventually(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + LIMIT_S
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return true()


def test_a_caller_is_found_in_any_spelling_and_asked_for_once(domino: Domino, make: Make) -> None:
    lookups = make()
    for key in ("+14155551212", "4155551212", "(415) 555-1212", "1-415-555-1212"):
        answer = find(lookups, key)
        assert (answer.status, dict(answer.variables)) == (LookupStatus.FOUND, FOUND)
    # Once in each spelling: as digits, which this view does not have, then in E.164.
    assert len(domino.asked("ReadViewEntries")) == 2


@pytest.mark.parametrize(
    "key", ["", "anonymous", "unknown", "1-800-FLOWERS", "+1415555121\n2", "12&UntilKey=x", "9" * 500]
)
def test_what_is_no_number_is_not_found_without_asking(domino: Domino, make: Make, key: str) -> None:
    lookups = make()
    answer = lookups.cached("caller", key)
    assert answer is not None
    assert (answer.status, answer.variables) == (LookupStatus.NOTFOUND, DEFAULTS)
    assert not domino.requests


def test_the_cache_file_sets_nothing_but_what_the_lookup_configures(make: Make, tmp_path: Path) -> None:
    first = make()
    find(first)
    first.close()
    row = {
        NAME: "J\x1b[2J\nörg\u202e",
        "FILE(/etc/x)": "1",
        "SHELL(id)": "1",
        "name": "1",
        "COMPANY": "A" * 30_000,
        "company": "1",
    }
    (path,) = tmp_path.rglob("lookups.sqlite")
    with closing(sqlite3.connect(path)) as cache, cache:
        assert cache.execute("UPDATE answer SET fields = ?", (json.dumps(row),)).rowcount == 1

    second = make()
    for answer in (find(second), second.cached("caller", KEY)):
        assert answer is not None
        assert answer.status is LookupStatus.FOUND
        assert set(answer.variables) == {NAME, "COMPANY"}
        assert answer.variables[NAME] == "J [2J örg"
        assert len(answer.variables["COMPANY"]) < 1000


def test_an_entry_of_other_names_gives_the_defaults(make: Make) -> None:
    question = make()["caller"]
    for foreign in ({"FILE(/etc/x)": "1"}, {"calleridname": "1", "CALLERID(all)": "1"}):
        assert question.answer(LookupStatus.STALE, CachedAnswer(foreign, 0.0)).variables == DEFAULTS


def test_not_found_is_believed_for_a_while(domino: Domino, make: Make) -> None:
    lookups = make()
    for _ in range(3):
        answer = find(lookups, "+14155550000")
        assert (answer.status, answer.variables) == (LookupStatus.NOTFOUND, DEFAULTS)
    assert len(domino.requests) == 2


def test_an_empty_column_gives_the_default(make: Make) -> None:
    assert find(make(), "+14155559999").variables == {NAME: "Zoë", **DEFAULTS}


@pytest.mark.parametrize("request_kind", ["view", "view-xml"])
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (KEY, LookupAnswer(LookupStatus.FOUND, FOUND)),
        ("+1 415 555 0000", LookupAnswer(LookupStatus.NOTFOUND, DEFAULTS)),
    ],
)
def test_a_heading_or_a_total_is_never_taken_for_the_caller(
    domino: Domino, tmp_path: Path, request_kind: str, key: str, expected: LookupAnswer
) -> None:
    """The view is categorized by number and, below that, by kind, and has a column of totals."""
    text = phones.lookup(domino.port).replace('key_column = "Number"\n', "").replace("(ByNumber)", "(ByKind)")
    pair = phones.pair_with(text.replace('request = "view"', f'request = "{request_kind}"'))
    lookups = LookupResolver(phones.places(tmp_path), pair)
    try:
        assert lookups.find("caller", key, time.monotonic() + LIMIT_S) == expected
    finally:
        lookups.close()


def test_a_caller_from_abroad_is_not_a_customer_at_home(domino: Domino, tmp_path: Path) -> None:
    domino.content.data.databases["crm/phones.nsf"].views["(ByNumber)"].rows[:] = [
        {"Number": "2079460000", "Name": "Ann of Maine"}
    ]
    pair = phones.pair_with(phones.lookup(domino.port).replace('["digits", "e164"]', '["e164", "local"]'))
    lookups = LookupResolver(phones.places(tmp_path), pair)
    try:
        found = {number: lookups.find("caller", number, time.monotonic() + LIMIT_S).status for number in (
            "+44 20 7946 0000", "+12079460000", "2079460000",
        )}  # fmt: skip
        assert list(found.values()) == [LookupStatus.NOTFOUND, LookupStatus.FOUND, LookupStatus.FOUND]
    finally:
        lookups.close()


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (Trouble(headers_after_s=600), LookupStatus.TIMEOUT),
        (Trouble(body_drip_s=1), LookupStatus.TIMEOUT),
        (Trouble(stop_after=50), LookupStatus.TIMEOUT),
        (Trouble(cut_after=50), LookupStatus.ERROR),
        (Trouble(reset_after=50), LookupStatus.ERROR),
        (Trouble(login_page=True), LookupStatus.ERROR),
        (Trouble(error_page=True), LookupStatus.ERROR),
        (Trouble(status=500), LookupStatus.ERROR),
        (Trouble(body="{"), LookupStatus.ERROR),
    ],
)
def test_a_domino_in_trouble_gives_defaults_or_the_old_answer(
    domino: Domino, make: Make, trouble: Trouble, status: LookupStatus
) -> None:
    # What comes takes as long as it likes; what never comes is late soon.
    late = status is LookupStatus.TIMEOUT
    lookups = make("fresh_s = 0\nrenew_s = 0\nstale_s = 600", deadline_ms=200 if late else 4000)
    domino.trouble = trouble
    answer = find(lookups)
    assert (answer.status, answer.variables) == (status, DEFAULTS)
    assert answer.reason
    domino.trouble = Trouble()
    assert eventually(lambda: find(lookups).status is LookupStatus.FOUND)
    domino.trouble = trouble
    answer = find(lookups)
    assert (answer.status, dict(answer.variables)) == (LookupStatus.STALE, FOUND)


def test_a_call_with_less_time_than_the_lookup_gets_less(domino: Domino, make: Make) -> None:
    domino.trouble = Trouble(headers_after_s=600)
    assert find(make(deadline_ms=4000), deadline_s=0.05).status is LookupStatus.TIMEOUT


def test_an_answer_that_wants_renewing_is_given_at_once_and_renewed_behind_the_call(domino: Domino, make: Make) -> None:
    lookups = make("fresh_s = 0\nrenew_s = 600")
    find(lookups)
    book = domino.content.data.databases["crm/phones.nsf"].views["(ByNumber)"]
    book.rows[0] = {
        "Number": "+14155551212",
        "Name": "New",
    }
    domino.trouble = Trouble(headers_after_s=0.1)
    answer = lookups.cached("caller", KEY)
    assert answer is not None
    assert answer.status is LookupStatus.STALE
    assert answer.variables[NAME] == "Jörg Müller"  # the one that Domino no longer has: it was not waited for

    def renewed() -> bool:
        later = lookups.cached("caller", KEY)
        return later is not None and later.variables[NAME] == "New"

    assert eventually(renewed)


def test_concurrent_identical_lookups_ask_once(domino: Domino, make: Make) -> None:
    lookups = make()
    domino.trouble = Trouble(headers_after_s=0.05)
    answers: list[LookupAnswer] = []
    threads = [threading.Thread(target=lambda: answers.append(find(lookups))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert [answer.status for answer in answers] == [LookupStatus.FOUND] * 20
    assert len(domino.requests) == 2


def test_a_call_that_joins_a_request_about_to_be_late_still_has_its_own_time(domino: Domino, make: Make) -> None:
    lookups = make(deadline_ms=1000)
    domino.trouble = Trouble(headers_after_s=600, times=1)
    first = threading.Thread(target=find, args=(lookups,))
    first.start()
    assert eventually(lambda: len(domino.requests) == 1)
    lookups["caller"].deadline_s = LIMIT_S
    assert find(lookups).status is LookupStatus.FOUND
    first.join(LIMIT_S)


def test_more_callers_than_domino_gets_at_once_wait_for_their_turn(domino: Domino, make: Make) -> None:
    lookups = make("missing_s = 0", most=2)
    domino.trouble = Trouble(headers_after_s=0.01)
    answers: list[LookupAnswer] = []

    def ask(key: str) -> None:
        answers.append(lookups.find("caller", key, time.monotonic() + LIMIT_S))

    threads = [threading.Thread(target=ask, args=(f"+1415555{number:04}",)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert [answer.status for answer in answers] == [LookupStatus.NOTFOUND] * 12


def test_a_caller_whose_turn_does_not_come_is_late(domino: Domino, make: Make) -> None:
    lookups = make(most=1)
    domino.trouble = Trouble(headers_after_s=600)
    first = threading.Thread(target=find, args=(lookups, "+14155550000"))
    first.start()
    assert eventually(lambda: len(domino.requests) == 1)
    answer = find(lookups, deadline_s=0.05)
    assert answer.status is LookupStatus.TIMEOUT
    assert "under way" in answer.reason
    domino.stop()
    first.join(LIMIT_S)


def test_a_call_that_asterisk_handed_over_gets_its_turn_whoever_else_asks(domino: Domino, make: Make) -> None:
    lookups = make(most=8)
    domino.trouble = Trouble(headers_after_s=600, times=6)
    threads = [threading.Thread(target=find, args=(lookups, f"+1415555{number:04}")) for number in range(6)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: len(domino.requests) == 6)

    with_them = find(lookups, "+14155550100", deadline_s=0.1)
    assert with_them.status is LookupStatus.TIMEOUT
    assert "6 requests to it are under way" in with_them.reason
    answer = lookups.find("caller", KEY, time.monotonic() + LIMIT_S, handed_over=True)
    assert answer.status is LookupStatus.FOUND
    assert all(thread.is_alive() for thread in threads)
    domino.stop()
    for thread in threads:
        thread.join(LIMIT_S)


def test_whose_keys_make_domino_fail_is_left_alone_by_itself(domino: Domino, make: Make) -> None:
    lookups = make(breaker=CircuitBreaker(pause_s=3600))
    domino.trouble = Trouble(reset_after=0, times=3)
    for last in range(3):
        assert find(lookups, f"+1415555000{last}").status is LookupStatus.ERROR
    assert "failures in a row" in find(lookups, "+14155559999").reason
    assert "failures in a row" in lookups.states()["caller"]
    answer = lookups.find("caller", "+14155559999", time.monotonic() + LIMIT_S, handed_over=True)
    assert answer.status is LookupStatus.FOUND


def test_a_restart_remembers(domino: Domino, make: Make) -> None:
    first = make()
    find(first)
    first.close()
    domino.stop()
    answer = find(make())
    assert (answer.status, dict(answer.variables)) == (LookupStatus.FOUND, FOUND)


def test_a_changed_configuration_does_not_give_answers_of_the_old_one(domino: Domino, make: Make) -> None:
    first = make()
    find(first)
    first.close()
    assert find(make(database="basic.nsf")).status is LookupStatus.ERROR


def test_a_dead_domino_is_soon_left_alone_and_found_again(domino: Domino, make: Make) -> None:
    lookups = make(breaker=CircuitBreaker(pause_s=3600))
    domino.trouble = Trouble(reset_after=0)
    for last in range(10):
        assert find(lookups, f"+1415555000{last}").status is LookupStatus.ERROR
    assert len(domino.requests) == 3, "after three failures nobody asks"
    assert "not asked" in find(lookups).reason
    assert "next try" in lookups.states()["caller"]


def test_a_domino_that_answers_again_is_found_again(domino: Domino, make: Make) -> None:
    lookups = make(breaker=CircuitBreaker(tolerated=1, pause_s=0.01, longest_s=0.01))
    domino.trouble = Trouble(reset_after=0, times=1)
    assert find(lookups).status is LookupStatus.ERROR
    assert eventually(lambda: find(lookups).status is LookupStatus.FOUND)
    assert lookups.states()["caller"] == "answers"


def test_a_page_in_place_of_data_does_not_open_the_breaker(domino: Domino, make: Make) -> None:
    lookups = make()
    domino.trouble = Trouble(login_page=True)
    for last in range(5):
        find(lookups, f"+1415555000{last}")
    assert len(domino.requests) == 5


def test_a_defect_of_our_own_is_an_error_and_does_not_stay(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lookups = make()
    with monkeypatch.context() as broken:
        broken.setattr(LookupQuestion, "ask", lambda *_: 1 / 0)
        answer = find(lookups)
    assert (answer.status, answer.variables) == (LookupStatus.ERROR, DEFAULTS)
    assert "ZeroDivisionError" in caplog.text
    assert find(lookups).status is LookupStatus.FOUND


def test_a_secret_that_is_missing_is_named_and_never_shown(make: Make, tmp_path: Path) -> None:
    login = 'login = "basic"\nuser = "pbx"\nsecret_file = "domino"'
    assert find(make(login, database="basic.nsf")).status is LookupStatus.FOUND
    (tmp_path / "etc/secrets/domino").chmod(0o644)
    lookups = make(login + "\nfresh_s = 0", database="basic.nsf")
    (tmp_path / "etc/secrets/domino").chmod(0o644)
    answer = find(lookups, "+14155559999")
    assert answer.status is LookupStatus.ERROR
    assert "secrets/domino" in answer.reason
    assert phones.PASSWORD not in answer.reason


def test_importing_the_lookups_brings_none_of_the_slow_libraries() -> None:
    slow = "requests urllib3 phonenumbers sqlite3 xml.parsers.expat"
    code = f"import sys, agi.lookups.resolver; print([name for name in {slow.split()!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_server_that_has_just_started_can_be_asked_while_it_checks_the_marker(domino: Domino, tmp_path: Path) -> None:
    """Imports and threads of a fresh process: once, two threads importing requests left it half-made for good."""
    machine = phones.places(tmp_path).machine_file
    machine.parent.mkdir()
    machine.write_text("boston\n")
    code = f"""
import pathlib, time
from agi.lookups.resolver import LookupResolver
from tests.agi import phones
lookups = LookupResolver(phones.places(pathlib.Path({str(tmp_path)!r})), phones.pair_with(phones.lookup({domino.port})))
lookups.stay()
print(lookups.find("caller", {KEY!r}, time.monotonic() + {LIMIT_S}).status.value)
"""
    root = str(Path(__file__).resolve().parents[3])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=60, check=True
    )
    assert done.stdout == "FOUND\n"
    assert "Traceback" not in done.stderr


def test_every_answer_is_counted(make: Make) -> None:
    lookups = make()
    find(lookups)
    find(lookups)
    find(lookups, "")
    assert lookups.counts == {("caller", LookupStatus.FOUND): 2, ("caller", LookupStatus.NOTFOUND): 1}

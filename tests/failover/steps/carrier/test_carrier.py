from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.errors import WaitsForPerson
from failover.journal.mask import Mask
from failover.runner.step import Step
from failover.steps.carrier import http as carrier_http
from failover.steps.carrier.preset import PresetUnusable, filled_json, filled_path, load_preset, ours_named, taken
from failover.steps.carrier.routes import Deadline
from failover.steps.carrier.step import CarrierNotMoved, carrier_step
from host.http import HttpResponse
from host.places import Places
from lab.carrier.web_api import SECRET, TRUNK, USER, CarrierApi
from pair import Pair
from pair.sections.carrier import WANT_A_COUNTRY, Carrier

NUMBERS = ("15551234567", "15551234568")
ROUTES = {
    "voipms": ("account:100001_boston", "account:100001_dallas"),
    "telnyx": ("1293384261075731499", "1293384261075731500"),
    "flowroute": ("98396", "98397"),
    "http": ("boston & co/?", 'dallas" é'),
    "twilio": ("OUboston", "OUdallas"),
}
MANUAL = ("boston", "dallas")


class Clock:
    """The monotonic clock, but for waits: they are over at once. Those that begin together end together."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        end = self.now() + seconds
        with self._lock:
            self._skipped = max(self._skipped, end - time.monotonic())


CLOCK = Clock()


def deadline(seconds: float) -> Deadline:
    return Deadline(seconds, now=CLOCK.now, sleep=CLOCK.sleep)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[CarrierApi]:
    monkeypatch.setattr(carrier_http, "CALL_S", 0.5)
    with CarrierApi(now=CLOCK.now) as served:
        yield served


def step(api: CarrierApi, tmp_path: Path, preset: str, mask: Mask | None = None, **more: Any) -> Step:
    """The step of a carrier, whose book knows its routes."""
    boston, dallas = ROUTES.get(preset, MANUAL)
    if preset == "twilio":
        api.book.switches = api.book.switches or {boston: True, dallas: False}
    else:
        api.book.routes = api.book.routes or {**dict.fromkeys(NUMBERS, boston), "15551239999": "somebody's"}
    places = Places(tmp_path / "etc", tmp_path / "state", tmp_path / "run")
    places.secrets.mkdir(parents=True, exist_ok=True)
    (places.secrets / "api").write_text(more.pop("secret", SECRET) + "\n")
    (places.secrets / "api").chmod(0o600)
    section = {
        "preset": preset,
        "dids": [] if preset == "twilio" else ["+1 555 123-4567", "5551234568"],
        "account": USER,
        "secret_file": "api",
        "routes": {"boston": boston, "dallas": dallas},
        "values": {"trunk": TRUNK} if preset == "twilio" else {},
        "base": api.base,
        "plain_http": True,
        "deadline_s": 60.0,
        **more,
    }
    machines = {
        "boston": {"public_address": "192.0.2.11", "preferred": True},
        "dallas": {"public_address": "192.0.2.12"},
    }
    pair = Pair.model_validate({"pair": {"name": "x"}, "machines": machines, "carriers": {"acme": section}})
    return carrier_step(places, pair, "acme", "dallas", mask or Mask(), deadline=deadline)


def _refusal(moving: Step) -> str:
    """What it says when it fails; nothing when it does not."""
    try:
        moving.verify()
    except CarrierNotMoved as error:
        return str(error) + repr(error.__cause__)
    return ""


def now(api: CarrierApi, preset: str) -> list[str]:
    if preset == "twilio":
        return [str(on) for on in api.book.switches.values()]
    return [api.book.routes[number] for number in NUMBERS]


MOVED = {preset: [ROUTES[preset][1]] * 2 for preset in ROUTES} | {"twilio": ["False", "True"]}
UNMOVED = {preset: [ROUTES[preset][0]] * 2 for preset in ROUTES} | {"twilio": ["True", "False"]}


@pytest.mark.parametrize("preset", ROUTES)
def test_every_number_moves_once_and_comes_back(api: CarrierApi, tmp_path: Path, preset: str) -> None:
    moving = step(api, tmp_path, preset)
    assert not moving.check()
    saved = moving.saved()
    moving.apply()
    assert moving.verify().startswith("2 of 2 at ")
    assert now(api, preset) == MOVED[preset]
    assert api.writes == 2
    again = step(api, tmp_path, preset)
    assert again.check()
    assert again.verify().startswith("2 of 2 at ")
    again.apply()
    assert api.writes == 2  # nothing to do, nothing written
    assert "back" in step(api, tmp_path, preset).undo(saved)
    assert now(api, preset) == UNMOVED[preset]
    if preset != "twilio":
        assert api.book.routes["15551239999"] == "somebody's"


@pytest.mark.parametrize("preset", ROUTES)
@pytest.mark.parametrize(
    ("kind", "on"),
    [
        ("error-500", "read"),
        ("error-500", "write"),
        ("login-page", "read"),
        ("login-page", "write"),
        ("half", "read"),
        ("half", "write"),
        ("late-applied", "write"),
        ("late-not-applied", "write"),
        ("empty", "write"),
    ],
)
def test_one_bad_answer_is_survived_by_looking_again(
    api: CarrierApi, tmp_path: Path, preset: str, kind: str, on: str
) -> None:
    moving = step(api, tmp_path, preset)
    api.misbehave(kind, on=on)
    moving.check()
    moving.apply()
    assert moving.verify().startswith("2 of 2 at ")
    assert now(api, preset) == MOVED[preset]
    # What was carried out although its answer was lost is not sent again; what was not is sent once more.
    applied = kind in ("half", "late-applied", "empty") or on == "read"
    assert api.writes == (2 if applied else 3)


@pytest.mark.parametrize("preset", ROUTES)
@pytest.mark.parametrize("kind", ["as-html", "bom", "latin-1", "own-spelling"])
def test_data_is_known_by_what_it_is_and_not_by_what_it_is_called(
    api: CarrierApi, tmp_path: Path, preset: str, kind: str
) -> None:
    api.misbehave(kind, times=1000)
    moving = step(api, tmp_path, preset)
    assert not moving.check()
    assert len(moving.saved()["routes"]) == 2  # type: ignore[arg-type]
    moving.apply()
    assert moving.verify().startswith("2 of 2 at ")
    assert now(api, preset) == MOVED[preset]
    assert api.writes == 2


@pytest.mark.parametrize(
    ("preset", "kind", "words"),
    [(preset, "error-200", "refused: .*(not found|invalid_did|no such)") for preset in ROUTES]
    + [(preset, "null", "does not tell the route|without a status") for preset in ROUTES]
    + [
        ("voipms", "compressed", "compressed although told not to"),
        ("voipms", "secret-route", "does not tell the route .*our own secret"),
        ("telnyx", "secret-route", "does not tell the route .*our own secret"),
        ("flowroute", "long-route", "does not tell the route .*5000 characters"),
        ("twilio", "long-route", "does not tell the route .*5000 characters"),
    ],
)
def test_an_answer_that_tells_no_route_moves_nothing(
    api: CarrierApi, tmp_path: Path, preset: str, kind: str, words: str
) -> None:
    api.misbehave(kind, on="read", times=1000)
    moving = step(api, tmp_path, preset, deadline_s=0.5)
    assert not moving.check()
    assert moving.saved() == {"routes": {}}
    moving.apply()
    with pytest.raises(CarrierNotMoved, match=words) as failed:
        moving.verify()
    assert len(str(failed.value)) < 2000
    assert SECRET not in str(failed.value)
    assert api.writes == 0
    assert now(api, preset) == UNMOVED[preset]


@pytest.mark.parametrize("preset", ROUTES)
@pytest.mark.parametrize("kind", ["null", "error-200", "compressed", "bom", "as-html", "gateway"])
def test_no_write_that_was_done_or_refused_is_sent_again(
    api: CarrierApi, tmp_path: Path, preset: str, kind: str
) -> None:
    moving = step(api, tmp_path, preset)
    moving.check()
    api.misbehave(kind, on="write", times=2)
    moving.apply()
    if kind == "error-200":
        assert "refused" in _refusal(moving)
        assert now(api, preset) == UNMOVED[preset]
        # Twilio's second switch is not touched once the first could not be set.
        assert api.writes == (1 if preset == "twilio" else 2)
        return
    assert moving.verify().startswith("2 of 2 at ")
    assert now(api, preset) == MOVED[preset]
    # A gateway's 502 was read to be undone; the others were done, whatever their answers.
    assert api.writes == (4 if kind == "gateway" else 2)


@pytest.mark.parametrize("preset", ["telnyx", "flowroute", "http"])
def test_a_number_without_a_route_gets_one_and_goes_back_to_the_peers(
    api: CarrierApi, tmp_path: Path, preset: str
) -> None:
    api.misbehave("no-route", on="read", times=2)
    moving = step(api, tmp_path, preset)
    assert not moving.check()
    saved = moving.saved()
    assert set(saved["routes"].values()) == {""}  # type: ignore[union-attr]
    moving.apply()
    assert moving.verify().startswith("2 of 2 at ")
    assert "back" in step(api, tmp_path, preset).undo(saved)
    assert now(api, preset) == UNMOVED[preset]


@pytest.mark.parametrize("preset", ROUTES)
@pytest.mark.parametrize("on", ["read", "write"])
def test_a_gateway_that_is_away_for_most_of_the_deadline_is_waited_for(
    api: CarrierApi, tmp_path: Path, preset: str, on: str
) -> None:
    """As long as there is time, whatever the number of attempts."""
    api.misbehave("gateway", on=on, times=1000, for_s=15.0)
    moving = step(api, tmp_path, preset, deadline_s=60.0)
    if on == "write":
        moving.check()
    moving.apply()
    assert moving.verify().startswith("2 of 2 at ")
    assert now(api, preset) == MOVED[preset]


def test_a_number_that_always_fails_holds_up_none_of_many(api: CarrierApi, tmp_path: Path) -> None:
    many = [f"1555123{at:04}" for at in range(12)]
    api.book.routes = dict.fromkeys(many, ROUTES["http"][0])
    api.misbehave("gateway", on="read", times=8)  # more than are asked at a time
    moving = step(api, tmp_path, "http", dids=many, deadline_s=5.0)
    moving.apply()
    assert moving.verify().startswith("12 of 12")


@pytest.mark.parametrize("said", ["²", "rand(30),add(30)", "-3", "", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 4000, "١"])
def test_a_retry_after_that_is_no_number_of_seconds_is_waited_out_for_a_moment(
    api: CarrierApi, tmp_path: Path, said: str
) -> None:
    api.misbehave(f"busy:{said.encode().decode('latin-1')}", on="read", times=2)
    api.misbehave(f"busy:{said.encode().decode('latin-1')}", on="write", times=2)
    moving = step(api, tmp_path, "telnyx")
    moving.check()
    moving.apply()
    assert moving.verify().startswith("2 of 2 at ")
    assert now(api, "telnyx") == MOVED["telnyx"]


@pytest.mark.parametrize(
    ("said", "date", "pause_s"),
    [
        ("7", "", 7.0),
        ("1.5", "", 1.5),
        ("0", "", 0.5),  # at once would be too many again
        ("86400", "", 60.0),
        ("Thu, 26 Nov 2026 00:00:09 GMT", "Thu, 26 Nov 2026 00:00:00 GMT", 9.0),  # by the carrier's own clock
        ("Thu, 26 Nov 2026 00:00:00 GMT", "Thu, 26 Nov 2026 00:00:09 GMT", 0.5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "", 60.0),
        ("Thu, 99 Nov 2026 00:00:00 GMT", "", 2.0),
        ("²", "²", 2.0),
        ("soon", "", 2.0),
        ("", "", 2.0),
        ("1e9", "", 2.0),
        ("nan", "", 2.0),
    ],
)
def test_how_long_a_carrier_has_us_wait(said: str, date: str, pause_s: float) -> None:
    assert carrier_http._pause(HttpResponse(429, (("Retry-After", said), ("Date", date)), b"")) == pause_s


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_retry_after_says_we_wait_between_half_a_second_and_a_minute(said: str, date: str) -> None:
    assert 0.5 <= carrier_http._pause(HttpResponse(429, (("Retry-After", said), ("Date", date)), b"")) <= 60


@pytest.mark.parametrize("preset", ROUTES)
def test_a_limit_is_waited_for(api: CarrierApi, tmp_path: Path, preset: str) -> None:
    api.misbehave("rate-limit", on="read")
    api.misbehave("rate-limit", on="write")
    moving = step(api, tmp_path, preset)
    moving.check()
    moving.apply()
    assert moving.verify().startswith("2 of 2 at ")
    assert now(api, preset) == MOVED[preset]
    assert api.writes == 3  # the one that was too many, and each number's


@pytest.mark.parametrize("preset", ["voipms", "twilio"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("login-page", "answered with a web page"),
        ("error-500", "failed"),
        ("half", "half an answer"),
        ("ip-not-allowed", "refused"),
        ("redirect", "redirects elsewhere"),
        ("drip", "did not answer within 0"),
    ],
)
def test_what_does_not_pass_is_told_for_each_number(
    api: CarrierApi, tmp_path: Path, preset: str, kind: str, words: str
) -> None:
    moving = step(api, tmp_path, preset, deadline_s=0.8)
    api.misbehave(kind, times=1000)
    began = time.monotonic()
    assert not moving.check()
    moving.apply()
    with pytest.raises(CarrierNotMoved, match=words) as failed:
        moving.verify()
    assert time.monotonic() - began < 30
    assert str(failed.value).count("FAILED") == 2
    assert "failover confirm carrier-acme" in str(failed.value)
    assert now(api, preset) == UNMOVED[preset]


def test_an_address_that_is_not_allowed_says_what_to_do(api: CarrierApi, tmp_path: Path) -> None:
    api.misbehave("ip-not-allowed", times=1000)
    moving = step(api, tmp_path, "voipms")
    moving.apply()
    with pytest.raises(CarrierNotMoved, match="ip_not_enabled, it does not let this machine's address in"):
        moving.verify()


@pytest.mark.parametrize("preset", ROUTES)
def test_a_success_that_did_nothing_is_no_result(api: CarrierApi, tmp_path: Path, preset: str) -> None:
    api.misbehave("ignored", on="write", times=1000)
    moving = step(api, tmp_path, preset)
    moving.check()
    moving.apply()
    with pytest.raises(CarrierNotMoved, match="took the change and still says"):
        moving.verify()


def test_a_carrier_that_needs_a_moment_is_read_until_it_shows(api: CarrierApi, tmp_path: Path) -> None:
    moving = step(api, tmp_path, "flowroute")
    moving.check()
    api.book.stale_reads = 4
    moving.apply()
    assert moving.verify().startswith("2 of 2")
    assert api.writes == 2


def test_one_bad_number_holds_up_no_other(api: CarrierApi, tmp_path: Path) -> None:
    moving = step(api, tmp_path, "voipms", dids=["5551234567", "5550000000", "5551234568"])
    assert not moving.check()
    assert moving.saved() == {"routes": {"5551234567": ROUTES["voipms"][0], "5551234568": ROUTES["voipms"][0]}}
    moving.apply()
    with pytest.raises(CarrierNotMoved, match=r"2 of 3 at voip.ms.*5550000000 FAILED.*not of this account"):
        moving.verify()
    assert now(api, "voipms") == MOVED["voipms"]


def test_twilio_never_has_no_machine_enabled(api: CarrierApi, tmp_path: Path) -> None:
    moving = step(api, tmp_path, "twilio")
    moving.check()
    api.misbehave("ignored", on="write", times=1000)
    moving.apply()
    assert api.writes == 1  # the other was not switched off
    with pytest.raises(CarrierNotMoved, match="left as it is"):
        moving.verify()
    assert now(api, "twilio") == UNMOVED["twilio"]


@pytest.mark.parametrize("preset", ROUTES)
def test_no_secret_is_told_anywhere(
    api: CarrierApi, tmp_path: Path, preset: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = Mask()
    told = ""
    with caplog.at_level(logging.DEBUG):
        for kind in ("echo", "half", "error-500", "redirect", "late-not-applied"):
            moving = step(api, tmp_path, preset, mask, deadline_s=1.2)
            api.misbehave(kind, times=4)
            moving.check()
            moving.apply()
            told += _refusal(moving)
    told += caplog.text + capsys.readouterr().err
    for spelling in (SECRET, quote(SECRET), quote_plus(SECRET), base64.b64encode(f"{USER}:{SECRET}".encode()).decode()):
        assert spelling not in told
    assert "\x1b" not in told
    assert "***" in told


def test_a_wrong_secret_is_said(api: CarrierApi, tmp_path: Path) -> None:
    for preset, words in (
        ("voipms", "invalid_credentials, it does not know"),
        ("twilio", "20003 Authenticate, it does"),
    ):
        moving = step(api, tmp_path, preset, secret="other")
        moving.apply()
        with pytest.raises(CarrierNotMoved, match=words):
            moving.verify()


def test_the_environment_neither_proxies_nor_logs_in(
    api: CarrierApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login evil password evil\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert not step(api, tmp_path, "telnyx").check()
    assert api.asked[0].host == api.base.removeprefix("http://")


def test_nobody_at_home_is_not_reached(api: CarrierApi, tmp_path: Path) -> None:
    moving = step(api, tmp_path, "telnyx", base="http://127.0.0.1:9", deadline_s=0.5)
    moving.apply()
    with pytest.raises(CarrierNotMoved, match="was not reached: no connection to http://127"):
        moving.verify()


def test_a_manual_carrier_says_whom_to_call_and_stays_open(api: CarrierApi, tmp_path: Path) -> None:
    calling = step(api, tmp_path, "manual", phone="+1 555 0100", secret_file=None, base=None)
    assert not calling.check()
    assert calling.saved() == {}
    calling.apply()
    with pytest.raises(WaitsForPerson) as waits:
        calling.verify()
    assert str(waits.value) == (
        "Call acme at +1 555 0100, account acme@example.com, and say: "
        '"Please route +1 555 123-4567 5551234568 to dallas at 192.0.2.12." Then type: failover confirm carrier-acme'
    )
    assert api.asked == []


def test_a_number_that_is_not_clear_stops_no_other(api: CarrierApi, tmp_path: Path) -> None:
    moving = step(api, tmp_path, "voipms", dids=["+49 301", "5551234568"])
    assert not moving.check()
    assert list(moving.saved()["routes"]) == ["5551234568"]  # type: ignore[arg-type]
    moving.apply()
    with pytest.raises(CarrierNotMoved, match=r"1 of 2 at .*\+49 301 has 5 digits"):
        moving.verify()
    assert api.book.routes["15551234568"] == ROUTES["voipms"][1]


@given(st.text(min_size=1, max_size=30))
def test_no_value_leaves_its_place(value: str) -> None:
    if value in (".", ".."):
        with pytest.raises(PresetUnusable):
            filled_path("/v2/numbers/{number}", {"number": value})
    else:
        try:
            path = filled_path("/v2/numbers/{number}", {"number": value})
        except UnicodeEncodeError:
            return
        assert path.startswith("/v2/numbers/")
        assert not set(path.removeprefix("/v2/numbers/")) & set("/?#&{} \r\n")
    assert filled_json({"a": {"id": "{route}"}}, {"route": value}) == {"a": {"id": value}}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("a.b", "1"),
        ("list[1].x", "true"),
        ("list[k=two].x", "true"),
        ("one[k=v].x", "y"),
        ("none", ""),
        ("none?.data?.id", ""),
        ("a?.b", "1"),
        ("dids[did={number}].to", "x"),
    ],
)
def test_a_value_is_found_in_an_answer(place: str, expected: str) -> None:
    answer = {"a": {"b": 1}, "list": [{"k": "one"}, {"k": "two", "x": True}], "one": {"k": "v", "x": "y"}, "none": None}
    answer["dids"] = [{"did": 15551234567, "to": "x"}, {"did": "1555123456", "to": "another's"}]
    assert taken(answer, place, {"number": "5551234567"}) == expected


def test_our_presets_are_complete_and_an_admins_goes_before_them(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path, tmp_path)
    assert ours_named() == ["flowroute", "http", "manual", "telnyx", "twilio", "voipms"]
    ours = {name: load_preset(places, name) for name in ours_named() if name != "manual"}
    asked = {name for name, one in ours.items() if one.shape == "pointer" and one.number != "digits"}
    assert asked == WANT_A_COUNTRY  # what is said of their numbers when pair.toml is read
    for name in ours_named():
        if name != "manual":
            assert load_preset(places, name).base.startswith("https://")
    own = places.templates / "carriers" / "voipms.toml"
    own.parent.mkdir(parents=True)
    own.write_text('title = "mine"\n')
    with pytest.raises(PresetUnusable, match=r"voipms\.toml: base: Field required"):
        load_preset(places, "voipms")
    with pytest.raises(PresetUnusable, match="no carrier preset 'acme'"):
        load_preset(places, "acme")


@pytest.mark.parametrize(
    "keys",
    [
        {"base": "http://api.example"},
        {"base": "https://api.example/path"},
        {"base": "https://user@api.example"},
        {"dids": ["call me"]},
        {"values": {"A b": "x"}},
    ],
)
def test_a_section_that_would_leak_or_fail_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"base|dids|values"):
        Carrier.model_validate(keys)


def test_a_preset_that_others_may_write_is_not_sent_a_secret(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path, tmp_path)
    own = places.templates / "carriers" / "voipms.toml"
    own.parent.mkdir(parents=True)
    own.write_text('title = "mine"\nbase = "https://attacker.example"\n')
    own.chmod(0o666)
    with pytest.raises(PresetUnusable, match=f"chmod o-w {own}"):
        load_preset(places, "voipms")

"""The live page in a real Chromium, served by a real ami-watcher whose Asterisk is a stand-in."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from host.places import Places
from lab.fakes.ami import FakeAmi
from tests.ami_watcher.fake_source import machine_at
from tests.ami_watcher.running import Running, free_port, watcher
from tests.browser.chromium import Chromium

pytestmark = pytest.mark.world

Result = TypeVar("Result")
KEY_TAB, KEY_ENTER = 9, 13


@dataclass
class Stage:
    """A watcher, and the Asterisk that it follows."""

    places: Places
    port: int
    loop: asyncio.AbstractEventLoop
    standin: FakeAmi

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://127.0.0.1:{self.port}/"

    def on_loop(self, action: Callable[[], Result]) -> Result:
        """Does something where the stand-in lives."""

        async def act() -> Result:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self.loop).result(5)

    def acme(self, state: str) -> None:
        """What Asterisk lists for acme from now on."""
        row = {"Host": "sip.acme.example", "Domain": "sip.acme.example", "Username": "5551000", "State": state}
        self.on_loop(lambda: self.standin.items.__setitem__("SIPshowregistry", [row]))

    def phones(self, *names: str) -> None:
        """Who is registered at it from now on."""
        rows = [
            {
                "ObjectName": f"{name};@0a1b",
                "Uri": f"sip:{name}@10.0.0.{number}:5060",
                "ExpirationTime": str(int(time.time()) + 1800),
                "UserAgent": "<b>Desk phone</b>" if name == "100" else "Soft phone",
            }
            for number, name in enumerate(names, 5)
        ]
        self.on_loop(lambda: self.standin.items.__setitem__("PJSIPShowContacts", rows))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    standin = wait(FakeAmi("16").__aenter__())
    port = free_port()
    places = machine_at(tmp_path_factory.mktemp("boston"), port=port, ami_port=standin.port)
    found = Stage(places, port, loop, standin)
    found.acme("Registered")
    found.phones("100", "200")
    found.on_loop(lambda: standin.items.update({"IAXregistry": [], "PJSIPShowRegistrationsOutbound": []}))
    yield found
    wait(standin.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


@pytest.fixture
def running(stage: Stage) -> Iterator[Running]:
    stage.acme("Registered")
    with watcher(stage.places, stage.port) as found:
        yield found


@pytest.fixture
def page(browser: Chromium, stage: Stage, running: Running) -> Chromium:
    """The page, live, with acme registered."""
    # The page of the test before goes on asking for a watcher that is gone.
    browser.leave()
    browser.resize(1280, 900)
    browser.go(stage.address)
    browser.until("document.getElementById('pulse').dataset.state === 'live'")
    browser.until("document.querySelector('#trunk-sip-acme .word')?.innerText.trim() === 'registered'")
    return browser


def test_a_change_appears_by_itself_and_is_told_to_a_screen_reader(page: Chromium, stage: Stage) -> None:
    before = page.evaluate("document.querySelector('#trunk-sip-acme').dataset.kept = 'yes'")
    stage.acme("Rejected")
    page.until("document.querySelector('#trunk-sip-acme .word').innerText.trim() === 'rejected'")
    assert before == "yes"
    assert page.evaluate("document.querySelector('#trunk-sip-acme').dataset.kept") is None  # made like the server's
    page.until("document.getElementById('hero').classList.contains('level-bad')")
    assert page.evaluate("document.getElementById('icon').getAttribute('href')") == "/page/level-bad.svg"
    assert page.evaluate("document.title").startswith("✕ boston: ")
    live = page.evaluate("[news.getAttribute('aria-live'), news.getAttribute('role'), news.textContent]")
    assert live[:2] == ["polite", "status"]
    assert "acme" in live[2]
    assert "rejected" in page.evaluate("document.getElementById('changes').innerText")


def test_it_says_when_the_watcher_is_gone_and_comes_back_by_itself(
    browser: Chromium, stage: Stage, running: Running, page: Chromium
) -> None:
    running.end()
    page.until("document.getElementById('pulse').dataset.state === 'lost'")
    assert page.evaluate("document.documentElement.classList.contains('stale')")
    assert "does not answer" in page.evaluate("document.getElementById('news').textContent")
    # A person sees it wherever they have scrolled to.
    box = page.evaluate("(({ top, bottom }) => [top, bottom])(pulse.getBoundingClientRect())")
    assert 0 <= box[0] < box[1] <= page.evaluate("innerHeight")
    with watcher(stage.places, stage.port):
        page.until("document.getElementById('pulse').dataset.state === 'live'", 15)
        assert not page.evaluate("document.documentElement.classList.contains('stale')")
        stage.acme("Rejected")
        page.until("document.querySelector('#trunk-sip-acme .word').innerText.trim() === 'rejected'")


def test_a_refresh_leaves_focus_and_opened_details_where_they_are(page: Chromium, stage: Stage) -> None:
    page.evaluate("document.querySelector('#outages-iax2-metro').open = true")
    page.evaluate("document.querySelector('#outages-iax2-metro summary').focus()")
    stage.acme("Rejected")
    page.until("document.querySelector('#trunk-sip-acme .word').innerText.trim() === 'rejected'")
    assert page.evaluate("document.activeElement.closest('details').id") == "outages-iax2-metro"
    assert page.evaluate("document.querySelector('#outages-iax2-metro').open")


def test_the_filter_finds_a_phone_as_one_types_and_stays_in_the_address(page: Chromium) -> None:
    page.until("document.querySelectorAll('.contacts tbody tr').length >= 2")
    page.evaluate("document.getElementById('q').focus()")
    page.type("soft ph")
    page.until("document.querySelectorAll('.contacts tbody tr').length === 1")
    assert "200" in page.evaluate("document.querySelector('.contacts tbody').innerText")
    assert page.evaluate("location.search") == "?q=soft+ph"
    assert page.evaluate("document.activeElement.id") == "q"
    assert page.evaluate("document.getElementById('q').value") == "soft ph"
    page.evaluate("document.getElementById('q').select()")
    page.type("nobody")
    page.until("document.getElementById('contacts').innerText.includes('Nobody registered here fits')")


def test_what_a_phone_calls_itself_is_text(page: Chromium) -> None:
    page.until("document.getElementById('contacts').innerText.includes('<b>Desk phone</b>')")
    assert page.evaluate("document.querySelectorAll('#contacts b').length") == 0


def test_it_asks_nobody_else_and_breaks_no_rule_of_its_own_policy(page: Chromium, stage: Stage) -> None:
    assert page.requests
    assert all(address.startswith(stage.address) for address in page.requests)
    assert page.complaints == []
    blocked = page.evaluate(
        """new Promise((done) => {
             document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
             const script = document.createElement("script");
             script.textContent = "window.forged = true";
             document.body.append(script);
             setTimeout(() => done(null), 2000);
           })"""
    )
    assert blocked == "script-src-elem"
    assert page.evaluate("window.forged") is None


def test_everything_is_reached_by_keyboard_in_order_of_reading(page: Chromium) -> None:
    page.evaluate("document.activeElement?.blur()")
    reached = []
    for _ in range(12):
        page.press("Tab", code=KEY_TAB)
        where = page.evaluate(
            "(document.activeElement.className || document.activeElement.id || document.activeElement.tagName)"
        )
        if where == "BODY":
            break
        reached.append(where)
        outlined = "getComputedStyle(document.activeElement).outlineStyle !== 'none' || document.activeElement.tagName"
        assert page.evaluate(outlined) is True, where
    assert reached[0] == "skip"
    assert "q" in reached
    page.evaluate("document.querySelector('.skip').focus()")
    page.press("Enter", code=KEY_ENTER, text="\r")
    page.until("document.activeElement.id === 'registrations'")


def test_a_screen_reader_gets_a_table_with_names_and_states_in_words(page: Chromium) -> None:
    seen = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in page.accessible()]
    assert ("heading", "boston") in seen
    assert ("table", "") in [(role, "") for role, _ in seen if role == "table"]
    assert {"Trunk", "State", "Since"} <= {name for role, name in seen if role == "columnheader"}
    rows = [name for role, name in seen if role == "rowheader"]
    assert any(name.startswith("acme") for name in rows)
    pictures = [name for role, name in seen if role in ("img", "image")]
    assert any(name.startswith("acme, last 24 hours: ") for name in pictures)
    assert ("searchbox", "Find by name, address or device") in seen


def test_with_a_token_the_page_asks_for_it_once_and_then_lives(
    browser: Chromium, stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    port = free_port()
    settings = 'token_file = "watcher-token"'
    places = machine_at(tmp_path_factory.mktemp("token"), port=port, ami_port=stage.standin.port, watcher=settings)
    browser.leave()
    with watcher(places, port):
        browser.go(f"http://127.0.0.1:{port}/")
        browser.until("location.pathname === '/login' && document.activeElement.id === 'token'")
        browser.type("wrong")
        browser.press("Enter", code=KEY_ENTER, text="\r")
        browser.until("document.querySelector('[role=alert]')?.innerText.includes('not the token')")
        browser.evaluate("document.getElementById('token').focus()")
        browser.type("open-Sesame0")
        browser.press("Enter", code=KEY_ENTER, text="\r")
        browser.until("document.getElementById('pulse')?.dataset.state === 'live'")
        assert browser.evaluate("document.cookie") == ""  # no script can read the session
        browser.leave()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_hangs_over_the_edge(page: Chromium, width: int) -> None:
    page.resize(width, 800, phone=width < 500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


CONTRAST = """(() => {
  const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = numbers(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.nodeValue.trim());
    if (!own || node.closest("svg, .unseen, .skip") || !node.getClientRects().length) continue;
    const a = light(numbers(getComputedStyle(node).color).slice(0, 3)), b = light(behind(node));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName} ${node.className} ${ratio.toFixed(2)} ${node.textContent}`);
  }
  return poor;
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_every_word_can_be_read_by_day_and_by_night(page: Chromium, stage: Stage, dark: bool, tmp_path: Path) -> None:
    page.light(dark=dark)
    stage.acme("Rejected")
    page.until("document.querySelector('#trunk-sip-acme .word').innerText.trim() === 'rejected'")
    # Colours fade over; what is measured is where they end.
    page.until("document.getAnimations().length === 0")
    assert page.evaluate(CONTRAST) == []
    page.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 20_000

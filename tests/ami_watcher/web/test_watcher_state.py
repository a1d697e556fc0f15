"""Answers are made beside the loop: while somebody looks, Asterisk is followed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ami_watcher.history.store import HistoryStore
from ami_watcher.other_machine import OtherMachine
from ami_watcher.phones.exchange import ContactExchange
from ami_watcher.registrations.state_words import RegistrationState
from ami_watcher.web import live_page, state_view
from ami_watcher.web.events import EventHub
from ami_watcher.web.metrics import WatcherMetrics
from ami_watcher.web.watcher_state import WatcherState
from tests.ami_watcher.fake_source import FakeSource, a_pair, a_phone
from tests.ami_watcher.served import serving

PATHS = ("/", "/metrics", "/api/registrations", "/api/contacts", "/api/history")


@pytest.mark.parametrize("path", PATHS)
async def test_the_loop_has_its_turns_while_an_answer_is_made(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    turns: list[bool] = []

    def waiting_for_a_turn_of_the_loop(make: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any, **kwargs: Any) -> Any:
            turn = threading.Event()
            loop.call_soon_threadsafe(turn.set)
            turns.append(turn.wait(5))
            return make(*args, **kwargs)

        return made

    for where, name in (
        (state_view, "registrations_document"),
        (state_view, "contacts_document"),
        (live_page, "bars"),
        (state_view, "history_document"),
    ):
        monkeypatch.setattr(where, name, waiting_for_a_turn_of_the_loop(getattr(where, name)))
    monkeypatch.setattr("ami_watcher.web.watcher_state.history_document", state_view.history_document)
    async with serving(tmp_path) as served:
        assert (await served.get(path)).status == 200
    assert turns
    assert all(turns)


def a_state(directory: Path, source: FakeSource) -> WatcherState:
    exchange = ContactExchange(directory, machine="boston", other="dallas")
    return WatcherState(
        source,
        a_pair(),
        "boston",
        HistoryStore(directory / "file", history_days=1, now=0.0),
        EventHub("run1"),
        exchange,
    )


async def test_who_asks_while_nothing_is_learned_shares_what_was_made(tmp_path: Path) -> None:
    source = FakeSource()
    state = a_state(tmp_path, source)
    first = await state.compute(lambda now: now.registrations)
    assert await state.compute(lambda now: now.registrations) is first
    await WatcherMetrics(state).exposition("")
    assert await state.compute(lambda now: now.registrations) is first


LEARNED: dict[str, Callable[[WatcherState, FakeSource], object]] = {
    "a registration": lambda _, source: source.become("acme", RegistrationState.REJECTED),
    "a phone": lambda _, source: source.list_contacts(a_phone("100"), a_phone("101")),
    "a warning": lambda state, _: state.warnings.update(export="The list cannot be written."),
    "history": lambda state, _: state.store.take_contacts([a_phone("100")], 1.0),
    "pair.toml": lambda state, _: setattr(state, "pair", a_pair(port=8161)),
    "who was promoted": lambda state, _: setattr(state, "other_machine", OtherMachine(own_epoch=3)),
    "the other machine": lambda state, _: setattr(state, "other_contacts", (None, "It cannot be read.")),
}


@pytest.mark.parametrize("learn", LEARNED.values(), ids=LEARNED)
async def test_what_is_learned_is_in_the_next_answer(
    tmp_path: Path, learn: Callable[[WatcherState, FakeSource], object]
) -> None:
    source = FakeSource()
    state = a_state(tmp_path, source)
    before = state.view()
    assert state.view() is before
    learn(state, source)
    assert state.view() is not before


async def test_a_view_stays_what_it_was(tmp_path: Path) -> None:
    source = FakeSource()
    state = a_state(tmp_path, source)
    before = state.view()
    source.become("acme", RegistrationState.REJECTED)
    state.store.take_contacts([a_phone("101")], 1.0)
    assert {row.trunk: row.state for row in before.registrations.registrations}["acme"] == "registered"
    assert before.recent(5).entries == ()
    assert before.known == ()

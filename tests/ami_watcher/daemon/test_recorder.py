"""What becomes of a change: recorded once, published once, and told once it has held."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ami_watcher.daemon.peer import PeerFollower
from ami_watcher.daemon.recorder import MANY, MISSED_S, EventRecorder
from ami_watcher.event import EventKind, LinkState, WatcherEvent
from ami_watcher.history.store import HistoryStore
from ami_watcher.other_machine import FILE, encode_peer_seen
from ami_watcher.phones.exchange import ContactExchange
from ami_watcher.registrations.state_words import RegistrationState
from ami_watcher.web.events import EventHub
from ami_watcher.web.metrics import WatcherMetrics
from ami_watcher.web.watcher_state import WatcherState
from host.clock import boot_id
from pair.public_role import PublicRole
from pair.right import Right
from tests.ami_watcher.fake_source import FakeSource, a_pair, a_phone, a_registration, a_snapshot, machine_at

NOW = 1_800_000_000.0


class Recorded:
    """A recorder, and what came of it."""

    def __init__(self, directory: Path) -> None:
        self.hub = EventHub("run1")
        self.store = HistoryStore(directory / "file", history_days=1, now=NOW)
        exchange = ContactExchange(directory, machine="boston", other="dallas")
        self.state = WatcherState(FakeSource(), a_pair(), "boston", self.store, self.hub, exchange)
        self.metrics = WatcherMetrics(self.state)
        self.recorder = EventRecorder(
            self.store, self.hub, self.metrics, machine="boston", pair_name="secondsignal", settle_s=0.0
        )

    def take(self, after: str | None, before: str | None = None, kind: EventKind = EventKind.REGISTRATION) -> None:
        subject = "acme" if kind is EventKind.REGISTRATION else "boston"
        self.recorder.take(WatcherEvent(NOW, kind, subject, before, after))

    @property
    def remembered(self) -> list[tuple[str, str | None, str | None]]:
        return [(event.subject, event.before, event.after) for event in self.store.recent.recall()]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def test_a_change_is_remembered_counted_and_told_once(recorded: Recorded) -> None:
    recorded.take("registered")
    recorded.take("rejected", "registered")
    assert recorded.remembered == [("acme", None, "registered"), ("acme", "registered", "rejected")]
    assert recorded.metrics.changes == {("acme", "registered"): 1, ("acme", "rejected"): 1}
    assert recorded.hub.last_id == "run1-2"
    assert [one.sentence for one in recorded.recorder.due()] == ["acme on boston is rejected"]
    assert recorded.recorder.due() == []


def test_what_an_earlier_run_knew_is_no_news(recorded: Recorded) -> None:
    recorded.store.record([WatcherEvent(NOW - 60, EventKind.REGISTRATION, "acme", None, "registered")])
    recorded.recorder.resume()
    recorded.take("registered")
    assert recorded.hub.last_id == "run1-0"
    assert recorded.recorder.due() == []
    recorded.take("rejected", "registered")
    assert [one.event.before for one in recorded.recorder.due()] == ["registered"]


def test_a_link_is_remembered_in_its_lasting_states_alone(recorded: Recorded) -> None:
    for state in (LinkState.CONNECTING, LinkState.LOGGED_IN, LinkState.SYNCED, LinkState.CONNECTING, LinkState.LOST):
        recorded.take(state, "whatever came before", EventKind.LINK)
    assert recorded.remembered == [("boston", None, "synced"), ("boston", "synced", "lost")]


def test_trunks_that_are_unknown_because_of_the_link_fill_no_log(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    recorded.take("registered")
    recorded.take("unknown", "registered")
    assert [record.getMessage() for record in caplog.records] == ["acme on boston is registered"]


def test_a_change_that_was_never_told_is_made_up_for_once(recorded: Recorded) -> None:
    began = NOW + 10
    lost = tuple(a_registration(trunk, RegistrationState.REJECTED, since=began) for trunk in ("acme", "metro", "nova"))
    snapshot = a_snapshot(registrations=lost)
    recorded.recorder.take_missed(snapshot, began + MISSED_S)
    assert recorded.remembered == []  # it may still be told
    for round_s in (0.5, 1.0, 1.5):
        recorded.recorder.take_missed(snapshot, began + MISSED_S + round_s)
    assert recorded.remembered == [(trunk, None, "rejected") for trunk in ("acme", "metro", "nova")]


def test_a_clock_that_is_set_back_makes_no_change_up_again_and_again(recorded: Recorded) -> None:
    recorded.store.record([WatcherEvent(NOW + 86_400, EventKind.REGISTRATION, "acme", None, "rejected")])
    snapshot = a_snapshot(registrations=(a_registration("acme", since=NOW - 3600),))
    for round_s in (0.5, 1.0, 1.5):
        recorded.recorder.take_missed(snapshot, NOW + round_s)
    assert recorded.remembered == [("acme", None, "rejected"), ("acme", "rejected", "registered")]


def test_a_list_of_phones_is_taken_once_and_a_storm_is_told_as_a_number(recorded: Recorded) -> None:
    first = a_snapshot(contacts=(a_phone("100"),), contacts_at=NOW)
    recorded.recorder.take_contacts(first)
    recorded.recorder.take_contacts(replace(first, contacts_at=NOW + 0.00001))  # the same list
    assert recorded.hub.last_id == "run1-1"
    many = tuple(a_phone(f"2{number:04}") for number in range(MANY + 1))
    recorded.recorder.take_contacts(replace(first, contacts=many, contacts_at=NOW + 2, link=LinkState.LOST))
    assert recorded.hub.last_id == "run1-1"  # nothing is proven
    recorded.recorder.take_contacts(replace(first, contacts=many, contacts_at=NOW + 2))
    assert recorded.hub.last_id == "run1-2"
    assert len(recorded.store.recent.recall(kind=EventKind.CONTACT)) == 1 + 1 + len(many)


async def test_being_overtaken_is_told_once_and_so_is_its_end(recorded: Recorded, tmp_path: Path) -> None:
    places = machine_at(tmp_path)
    right = Right("boston", epoch=4, boot_id=boot_id(), deadline_boottime=None, reason="test")
    (places.run / "right.json").write_text(json.dumps(asdict(right)))
    note = places.run / FILE
    note.write_bytes(encode_peer_seen("dallas", at=time.time(), is_primary=True, epoch=7, held=("acme",)))
    told: list[WatcherEvent] = []
    peer = PeerFollower(places, recorded.state, told.append)
    recorded.state.other_machine = replace(recorded.state.other_machine, roles={"ns1": PublicRole(7, "dallas")})
    await peer.read("primary")
    await peer.read("primary")
    assert [(event.kind, event.before, event.after) for event in told] == [(EventKind.ROLE, "primary", "overtaken")]
    assert "dallas was promoted with 7, later than its 4" in (told[0].cause or "")
    assert recorded.state.other_machine.held == {"acme"}
    note.unlink()
    await peer.query_roles()  # this pair.toml names no name server
    await peer.read("primary")
    assert [(event.before, event.after) for event in told[1:]] == [("overtaken", "primary")]
    assert recorded.state.other_machine.seen_at is None

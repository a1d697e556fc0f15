"""Which changes reach a hook, and when."""

import pytest

from ami_watcher.event import EventKind, WatcherEvent
from ami_watcher.notify.debounce import Debounce


def change(
    after: str, *, before: str = "registered", kind: EventKind = EventKind.REGISTRATION, subject: str = "acme"
) -> WatcherEvent:
    return WatcherEvent(0.0, kind, subject, before, after)


KNOWN = [change("registered"), change("synced", kind=EventKind.LINK, subject="boston")]


@pytest.mark.parametrize(
    ("offered", "told"),
    [
        # (seconds, state) of acme, which was told as registered
        ([(0.0, "rejected")], [(3.0, "rejected")]),
        ([(0.0, "rejected"), (2.0, "registered")], []),  # it came back before it was told
        ([(0.0, "rejected"), (2.0, "unregistered")], [(5.0, "unregistered")]),  # one change, not two
        ([(0.0, "rejected"), (5.0, "registered")], [(3.0, "rejected"), (8.0, "registered")]),
        ([(0.0, "unknown"), (9.0, "registered")], []),  # the lost link is told, not each trunk
        ([(0.0, "unknown"), (9.0, "rejected")], [(12.0, "rejected")]),
        ([(0.0, "registered")], []),  # a restart of ours
    ],
)
def test_a_change_is_told_once_when_it_has_held(
    offered: list[tuple[float, str]], told: list[tuple[float, str]]
) -> None:
    debounce = Debounce(3.0, KNOWN)
    heard = []
    for tick in range(60):
        now = tick / 2
        for at, state in offered:
            if at == now:
                debounce.offer(change(state), now)
        heard += [(now, entry.after) for entry in debounce.due(now)]
    assert heard == told


def test_what_is_told_says_what_was_told_before() -> None:
    debounce = Debounce(3.0, KNOWN)
    debounce.offer(change("rejected"), 0.0)
    debounce.offer(change("unregistered", before="rejected"), 1.0)
    (entry,) = debounce.due(10.0)
    assert (entry.before, entry.after) == ("registered", "unregistered")


def test_phones_are_told_to_nobody() -> None:
    debounce = Debounce(0.0)
    debounce.offer(change("10.0.0.5:5060", kind=EventKind.CONTACT), 0.0)
    assert debounce.due(10.0) == []


def test_subjects_settle_each_for_itself() -> None:
    debounce = Debounce(3.0, KNOWN)
    debounce.offer(change("lost", kind=EventKind.LINK, subject="boston"), 0.0)
    debounce.offer(change("rejected"), 1.0)
    assert [entry.subject for entry in debounce.due(3.5)] == ["boston"]
    assert [entry.subject for entry in debounce.due(4.0)] == ["acme"]

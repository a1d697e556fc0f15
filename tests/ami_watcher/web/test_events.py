"""Listeners: what they missed, what becomes of slow ones, and their ids over restarts."""

import json

import pytest

from ami_watcher.web.events import QUEUED, EventHub, TooManyListeners, frame


async def test_a_listener_that_comes_again_is_told_what_it_missed() -> None:
    hub = EventHub("run1")
    for number in range(5):
        hub.publish("registration", {"number": number})
    listener = hub.listen("run1-3")
    assert listener.complete
    assert [
        json.loads(event.data)["number"] for event in [await listener.next(0), await listener.next(0)] if event
    ] == [
        3,
        4,
    ]
    assert await listener.next(0) is None


@pytest.mark.parametrize("last_id", [None, "", "run0-3", "run1-9", "run1-0", "run1--1", "run1-x", "run1-²", "a" * 500])
async def test_a_listener_whose_place_is_not_known_needs_everything(last_id: str | None) -> None:
    hub = EventHub("run1", replayed=3)
    for number in range(5):
        hub.publish("registration", {"number": number})
    assert not hub.listen(last_id).complete


async def test_a_listener_that_does_not_keep_up_is_let_go_with_its_queue_and_the_others_go_on() -> None:
    hub = EventHub("run1")
    slow, quick = hub.listen(None), hub.listen(None)
    for number in range(QUEUED + 1):
        hub.publish("registration", {"number": number})
        assert await quick.next(0) is not None
    assert slow.ended
    assert await slow.next(0) is None
    assert not quick.ended
    assert hub.listeners == 1


async def test_there_is_an_end_to_listeners() -> None:
    hub = EventHub("run1", most=2)
    first = hub.listen(None)
    hub.listen(None)
    with pytest.raises(TooManyListeners, match="2 listen already"):
        hub.listen(None)
    hub.leave(first)
    hub.listen(None)


async def test_when_the_hub_closes_everybody_is_told_at_once() -> None:
    hub = EventHub("run1")
    listener = hub.listen(None)
    hub.close()
    assert await listener.next(60) is None
    assert listener.ended
    with pytest.raises(TooManyListeners):
        hub.listen(None)


def test_a_value_cannot_break_out_of_its_frame() -> None:
    hub = EventHub("run1")
    hub.publish("registration", {"cause": "no\n\nevent: forged\ndata: x\u2028\r"})
    (event,) = hub._kept  # the one kept event
    lines = frame(event).split(b"\n")
    assert [line.partition(b":")[0] for line in lines] == [b"id", b"event", b"data", b"", b""]
    assert b"\r" not in frame(event)

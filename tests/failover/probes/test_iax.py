"""Which datagram answers our POKE."""

from __future__ import annotations

from failover.probes.iax import frame, pong


def test_only_the_pong_to_our_poke_counts() -> None:
    theirs = frame(77, 0x1234, 0, 1, 3)
    assert pong(theirs, 0x1234) == 77
    assert pong(theirs, 0x1235) is None
    assert pong(frame(77, 0x1234, 0, 1, 4), 0x1234) is None
    assert pong(theirs[:11], 0x1234) is None
    assert pong(b"\0" * 12, 0) is None

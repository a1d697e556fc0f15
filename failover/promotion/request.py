"""What a person asked for when they typed a promotion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from failover.context import HOSTS


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """What a person typed.

    Attributes:
        command: promote or switchover.
        word: that the peer is down, and how they know; empty without.
        force: why they take the risks that can be taken; empty without.
        reviewed: digest of the plan that they looked at; empty without.
        abort: undo what is open.
        hosts: the file that takes the hosts block.
        drain_s: how long to wait for the peer's calls to end before anything is begun; 0 for not at all.
        handed_back: the peer asks for it, having taken its own promotion back; `word` says so.
    """

    command: str = "promote"
    word: str = ""
    force: str = ""
    reviewed: str = ""
    abort: bool = False
    hosts: Path = HOSTS
    drain_s: float = 0.0
    handed_back: bool = False

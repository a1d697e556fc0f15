"""Whether the dialplan that Asterisk runs asks the gate, for the trunks that reach us by address.

Nothing else proves that a standby refuses their calls: files may be mended and not reloaded, or written in AEL or Lua.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from failover.context import Context
from localized.asterisk.reload import rx
from localized.errors import AsteriskUnreachable

GATE: Final = "hotstandby-gate"
DEADLINE_S: Final = 4.0
_CONTEXT: Final = re.compile(r"^\[ (?:Included )?[Cc]ontext '(.*)' created by")
_STEP: Final = re.compile(r"^(?:  '.*?' => +| {5}\[\S+\] +| {6,})(\d+)\. (.*?)(?: +\[\S*\])?$")
_ASKS: Final = re.compile(rf"^Gosub(?:If)?\(.*\b{GATE},s,1\((.*?)\)")
_ANSWERS: Final = re.compile(
    r"^(?:Answer|Dial|Playback|BackGround|Queue|VoiceMail|Wait|WaitExten|Read|Record|MusicOnHold|Echo|ConfBridge|"
    r"MeetMe|Hangup|Goto|Macro)\(",
    re.IGNORECASE,
)
"""What takes a call, keeps it, or leads it away: behind it nothing is refused any more."""
Role = Literal["", "primary", "standby"]
_OF_ROLE: Final[Mapping[str, Role]] = {"HOTSTANDBY_TAKE_UNTIL": "standby", "HOTSTANDBY_REFUSE_UNTIL": "primary"}


@dataclass(frozen=True, slots=True)
class DialplanGate:
    """What the running dialplan does with calls by address.

    Attributes:
        unseen: why it could not be asked; empty where it was.
        role: as which the gate that is loaded behaves; empty where none is.
        asked: trunks for which a line asks it before anything takes the call; None where a variable says which.
    """

    unseen: str = ""
    role: Role = ""
    asked: frozenset[str] | None = frozenset()

    def refuses(self, trunk: str) -> bool:
        """Whether a call of that trunk is refused where the gate is a standby's."""
        return self.asked is None or trunk in self.asked


def refusing(context: Context) -> tuple[str, ...]:
    """Trunks by address whose calls this machine refuses as standby, by pair.toml."""
    trunks = ((name, context.pair.trunk_on(name, context.machine)) for name in context.pair.trunks)
    return tuple(name for name, trunk in trunks if not trunk.register_ and trunk.when_standby == "refuse")


def read_gate(context: Context, *, deadline_s: float = DEADLINE_S) -> DialplanGate | None:
    """The gate as Asterisk has it loaded; None where pair.toml has no trunk for it."""
    if not refusing(context):
        return None
    asterisk = context.asterisk.model_copy(
        update={"reload_deadline_s": min(deadline_s, context.asterisk.reload_deadline_s)}
    )
    try:
        return read_dialplan(rx(asterisk, "dialplan show").splitlines())
    except AsteriskUnreachable as error:
        return DialplanGate(unseen=str(error))


def read_dialplan(lines: Iterable[str]) -> DialplanGate:
    """What `dialplan show` says of the gate."""
    section, open_ = "", True
    role: Role = ""
    asked: set[str] | None = set()
    for line in lines:
        if found := _CONTEXT.match(line):
            section, open_ = found[1], True
            continue
        step = _STEP.match(line)
        if step is None:
            continue
        if step[1] == "1" or line.startswith("  '"):
            open_ = True
        if section == GATE:
            role = next((one for mark, one in _OF_ROLE.items() if mark in step[2]), role)
        elif (asks := _ASKS.match(step[2])) is not None and open_:
            name = asks[1].strip()
            asked = None if "${" in name or asked is None else asked | {name}
        elif _ANSWERS.match(step[2]):
            open_ = False
    return DialplanGate(role=role, asked=frozenset(asked) if asked is not None else None)

"""The call that proves a promotion: out through a trunk, back in over the carrier, measured at each end.

Placed with `asterisk -rx`, which root may use as it is, so that the manager's user goes without the privilege to
originate. The dialplan for it is rendered into role.conf (contexts hotstandby-proof and hotstandby-proof-answered) and
is told by global variables what to do and until when; without them it does nothing. Both legs and the ringing have
deadlines inside Asterisk, so that a call ends by itself whatever becomes of us.
"""

from __future__ import annotations

import contextlib
import pwd
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from failover.errors import FailoverError
from failover.steps.proof.tone import ToneHeard, measure_tone
from host.atomic import make_directory
from host.printable import printable
from localized.asterisk.reload import rx
from localized.errors import AsteriskUnreachable
from pair import Asterisk, Pair
from pair.sections.proof import Proof

OUT_HZ: Final = 1004
"""What the calling end plays; role.conf says the same."""
BACK_HZ: Final = 440
"""What the called end plays."""
CONTEXT: Final = "hotstandby-proof"
MODULES: Final = ("res_clioriginate", "app_record", "app_playtones")
"""Of Asterisk, without which no call is placed."""
SETTLE_S: Final = 3
"""Seconds between answer, recording and hang-up, on top of ringing and listening."""
_POLL_S: Final = 0.2
_GLOBAL: Final = "HOTSTANDBY_PROOF_"
_CAUSES: Final = {
    "BUSY": "it is busy",
    "NOANSWER": "nobody answered",
    "CONGESTION": "the carrier refused it",
    "CHANUNAVAIL": "it could not be placed on that trunk, or the carrier refused it",
    "CANCEL": "it was cancelled",
}
"""What Dial() says of a call that was not answered."""


class CallImpossible(FailoverError):
    """The call could not be placed; nothing was dialled."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """How the call went.

    Attributes:
        dialled: as Asterisk was told.
        status: Dial()'s word, such as ANSWER; empty where it did not end by the deadline.
        cause: the hang-up cause, Q.850; 0 for none.
        there: what the called end heard of us; None where the call did not come in here.
        back: what we heard of the called end; None where nothing was recorded.
        seconds: from dialling to the end.
    """

    dialled: str
    status: str
    cause: int
    there: ToneHeard | None
    back: ToneHeard | None
    seconds: float

    @property
    def problem(self) -> str:
        """What is wrong, in words; empty when audio went both ways."""
        if not self.status:
            return f"it did not end within {self.seconds:.0f} s, and was hung up"
        if self.status != "ANSWER":
            return f"{_CAUSES.get(self.status, self.status)} (cause {self.cause})"
        if self.there is None:
            return (
                "somebody answered, and it was not this machine: the number is routed elsewhere, "
                f"or its context does not begin with Gosub({CONTEXT},s,1)"
            )
        wrong = []
        if not self.there.there:
            wrong.append(f"outward: {self.there}")
        if self.back is None or not self.back.there:
            wrong.append(f"inward: {self.back if self.back is not None else 'nothing was recorded'}")
        return "; ".join(wrong)

    @property
    def words(self) -> str:
        """The proof, or what is wrong, in one sentence."""
        if self.problem:
            return f"the call to {self.dialled} failed: {self.problem}"
        return f"the call to {self.dialled} was heard both ways: out {self.there}, back {self.back}"


def dial_string(pair: Pair, machine: str, proof: Proof) -> str:
    """What Dial() is given. Every part of it is a name or a number by pair.toml's own rules."""
    trunk = pair.trunk_on(proof.trunk, machine)
    through = proof.through or trunk.endpoint or proof.trunk
    if trunk.channel == "iax2":
        return f"IAX2/{through}/{proof.number}"
    return f"{'SIP' if trunk.channel == 'sip' else 'PJSIP'}/{proof.number}@{through}"


def longest_s(proof: Proof) -> float:
    """Seconds that the whole of it takes at most."""
    return proof.ring_s + proof.listen_s + SETTLE_S + 5.0


def place_call(pair: Pair, machine: str, proof: Proof) -> CallResult:
    """Places the call and waits for its end.

    Raises:
        CallImpossible, AsteriskUnreachable
    """
    asterisk = pair.asterisk_on(machine)
    require_dialplan(asterisk)
    dialled = dial_string(pair, machine, proof)
    directory = _directory(asterisk, Path(proof.directory))
    name = directory / secrets.token_hex(8)
    talk_s = proof.listen_s + SETTLE_S
    settings = {
        "SAID": "",
        "FILE": str(name),
        "DIAL": dialled,
        "RING_S": proof.ring_s,
        "LISTEN_S": proof.listen_s,
        "TALK_S": talk_s,
        "CALLER": (proof.caller or "").lstrip("+"),
        # Last: from here on the dialplan listens to it. Its clock counts whole seconds.
        "UNTIL": int(time.time()) + proof.ring_s + talk_s + 1,
    }
    started = time.monotonic()
    try:
        for key, value in settings.items():
            _set(asterisk, key, str(value))
        rx(asterisk, f"channel originate Local/out@{CONTEXT}/n application Wait {proof.ring_s + talk_s}")
        status, cause = _await_end(asterisk, started + proof.ring_s + talk_s + 2.0)
        # The end that was called hangs up a moment after the caller.
        time.sleep(_POLL_S)
        echo = proof.answer == "echo"
        return CallResult(
            dialled,
            status,
            cause,
            there=_recorded(name, "out", OUT_HZ) if echo else _recorded(name, "in", OUT_HZ),
            back=_recorded(name, "out", OUT_HZ if echo else BACK_HZ),
            seconds=time.monotonic() - started,
        )
    finally:
        with contextlib.suppress(AsteriskUnreachable):
            _set(asterisk, "UNTIL", "")
            _hang_up(asterisk)
        for end in ("in", "out"):
            name.with_name(f"{name.name}-{end}.wav").unlink(missing_ok=True)


def require_dialplan(asterisk: Asterisk) -> None:
    # Of a context that it does not have, Asterisk says its name as well (main/pbx.c, show_dialplan_helper).
    if f"[ Context '{CONTEXT}' " not in rx(asterisk, f"dialplan show {CONTEXT}"):
        raise CallImpossible(
            f"Asterisk has no context {CONTEXT}: role.conf is not read. Include it as the last line of [globals] in "
            "extensions.conf; render-localized --check shows what is missing"
        )
    missing = [module for module in MODULES if "0 modules loaded" in rx(asterisk, f"module show like {module}.so")]
    if missing:
        raise CallImpossible(
            f"The call needs {' and '.join(missing)}, which Asterisk has not loaded. "
            f"Load it: asterisk -rx 'module load {missing[0]}.so', and in modules.conf"
        )


def _directory(asterisk: Asterisk, path: Path) -> Path:
    """The directory, Asterisk's own: it writes there, and nobody else reads."""
    try:
        make_directory(path, 0o750)
        with contextlib.suppress(LookupError):
            pwd.getpwnam(asterisk.user)
            shutil.chown(path, asterisk.user, asterisk.group)
        return path
    except OSError as error:
        raise CallImpossible(
            f"{path}, where Asterisk should write what it heard, cannot be made: {error.strerror}. Run this as root"
        ) from None


def _set(asterisk: Asterisk, key: str, value: str) -> None:
    said = rx(asterisk, f'dialplan set global {_GLOBAL}{key} "{value}"')
    if f"'{_GLOBAL}{key}'" not in said:
        raise CallImpossible(f"Asterisk did not take the variable {_GLOBAL}{key}: {printable(said.strip(), 120)}")


def _await_end(asterisk: Asterisk, limit: float) -> tuple[str, int]:
    while time.monotonic() < limit:
        time.sleep(_POLL_S)
        found = re.search(rf"^[ \t]*{_GLOBAL}SAID=([A-Z]+) (\d*)", rx(asterisk, "dialplan show globals"), re.MULTILINE)
        if found:
            return found[1], int(found[2] or 0)
    return "", 0


def _hang_up(asterisk: Asterisk) -> None:
    """Whatever is left of it: nothing, unless a deadline in the dialplan was not kept."""
    for line in rx(asterisk, "core show channels concise").splitlines():
        channel, _, rest = line.partition("!")
        if channel.startswith(f"Local/out@{CONTEXT}-") or rest.partition("!")[0].startswith(CONTEXT):
            rx(asterisk, f"channel request hangup {channel}")


def _recorded(name: Path, end: str, tone_hz: int) -> ToneHeard | None:
    try:
        return measure_tone(name.with_name(f"{name.name}-{end}.wav").read_bytes(), tone_hz)
    except FileNotFoundError:
        return None

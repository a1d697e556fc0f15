"""What a real Asterisk answers through AMI, written down, so that a fake can say the same.

A recording is made from the world's machines (`python -m lab.fakes.recording 16`), is kept with the tests that use it,
and is held to the real thing by tests/world/ami_watcher/test_recordings.py: same messages, same headers, same order.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lab.computer.roots import Release
from lab.until import HANG_S
from lab.world.ami_relay import AmiRelay
from lab.world.machine import Machine
from lab.world.pair_toml import AMI_SECRET
from lab.world.registrations import write_registrations
from lab.world.world import World

RECORDINGS: Final = Path(__file__).parents[2] / "tests" / "ami_watcher" / "recordings"
END: Final = b"\r\n\r\n"
EVENTS_S: Final = 3.0
"""Seconds in which events come at least."""
ACTION_ID: Final = "recorded"

Lines = tuple[str, ...]
"""One message: its lines without their line ends. A bare line feed inside a value stays in it."""

USERS: Final = f"""
[blind]
secret = {AMI_SECRET}
write = system,reporting

[idle]
secret = {AMI_SECRET}
read = system
write = call
"""
"""AMI users beside hotstandby: one that is shown no events, one that may not read lists."""

DIALOGUE: Final[Sequence[tuple[str, tuple[tuple[str, str], ...]]]] = (
    ("CoreStatus", ()),
    ("CoreSettings", ()),
    ("Ping", ()),
    ("SIPshowregistry", ()),
    ("IAXregistry", ()),
    ("PJSIPShowRegistrationsOutbound", ()),
    ("PJSIPShowContacts", ()),
    ("SIPpeers", ()),
    ("IAXpeers", ()),
    ("IAXpeerlist", ()),
    ("PJSIPRegister", (("Registration", "nobody"),)),
    ("PJSIPRegister", (("Registration", "nova"),)),
    ("Reload", (("Module", "res_pjsip_outbound_registration.so"),)),
    ("Reload", (("Module", "no_such_module.so"),)),
    ("Command", (("Command", "core show version"),)),
    ("NoSuchAction", ()),
)
"""What is asked, by the user hotstandby, after its login."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One action and everything that came because of it.

    Attributes:
        user: who asked.
        sent: the action's lines.
        received: the messages, in order.
    """

    user: str
    sent: Lines
    received: tuple[Lines, ...]

    @property
    def action(self) -> str:
        """Its name."""
        return self.sent[0].partition(": ")[2]


@dataclass(frozen=True, slots=True)
class Recording:
    """One Asterisk's side of AMI.

    Attributes:
        greeting: its first line.
        exchanges: actions and answers.
        events: what came by itself, the first of each kind and channel.
    """

    greeting: str
    exchanges: tuple[Exchange, ...]
    events: tuple[Lines, ...]

    @classmethod
    def load(cls, release: Release) -> Recording:
        """The recording of a release, from the tests' directory."""
        found = json.loads((RECORDINGS / f"asterisk-{release}.json").read_text(encoding="utf-8"))
        exchanges = tuple(
            Exchange(one["user"], tuple(one["sent"]), tuple(tuple(message) for message in one["received"]))
            for one in found["exchanges"]
        )
        return cls(found["greeting"], exchanges, tuple(tuple(event) for event in found["events"]))

    def save(self, path: Path) -> None:
        """Writes it as JSON, one line a line."""
        path.write_text(
            json.dumps(
                {
                    "greeting": self.greeting,
                    "exchanges": [
                        {"user": one.user, "sent": one.sent, "received": one.received} for one in self.exchanges
                    ],
                    "events": self.events,
                },
                indent=1,
                ensure_ascii=True,
            )
            + "\n",
            encoding="utf-8",
        )

    def without_events(self) -> Recording:
        """As a user without `read = system` would see it: nothing comes by itself."""
        exchanges = tuple(
            replace(one, received=tuple(message for message in one.received if "Privilege: system,all" not in message))
            for one in self.exchanges
        )
        return replace(self, exchanges=exchanges, events=())

    def with_password(self, password: str) -> Recording:
        """With a password where Asterisk sent one and the recording masked it."""
        exchanges = tuple(
            replace(
                one,
                received=tuple(
                    tuple(f"Password: {password}" if line.startswith("Password: ") else line for line in message)
                    for message in one.received
                ),
            )
            for one in self.exchanges
        )
        return replace(self, exchanges=exchanges)

    def answer(self, user: str, action: str, *values: str) -> tuple[Lines, ...] | None:
        """What came for `action` of `user` with these header values, or, for others, with any."""
        found = [one for one in self.exchanges if one.action == action and one.user == user]
        for one in found:
            if all(any(line.endswith(f": {value}") for line in one.sent) for value in values):
                return one.received
        return found[0].received if found else None


def shape(message: Lines) -> tuple[str, ...]:
    """What of a message is the same on every run: the names of its headers, and the values that are words of AMI."""
    fixed = {"Event", "Response", "EventList", "ChannelType", "Privilege", "ObjectType"}
    return tuple(
        line if line.partition(":")[0] in fixed else line.partition(":")[0] + ":" for line in message if ":" in line
    )


async def record(machine: Machine, release: Release) -> Recording:
    """Asks a machine of the world everything, and writes down what it answers."""
    async with AmiRelay(machine) as relay:
        greeting, refused = await _login(relay.port, "hotstandby", "not-the-secret")
        _, blind = await _login(relay.port, "blind", AMI_SECRET, then=[("SIPshowregistry", ()), ("CoreStatus", ())])
        _, idle = await _login(
            relay.port, "idle", AMI_SECRET, then=[("CoreSettings", ()), ("IAXregistry", ()), ("PJSIPShowContacts", ())]
        )
        _, asked = await _login(relay.port, "hotstandby", AMI_SECRET, then=[*DIALOGUE, ("Logoff", ())])
        events = await _events(relay.port, machine, release)
    wrong = tuple(Exchange("refused", one.sent, one.received) for one in refused)
    return Recording(greeting, wrong + blind + idle + asked, events)


async def _login(
    port: int,
    user: str,
    secret: str,
    then: Sequence[tuple[str, tuple[tuple[str, str], ...]]] = (),
    *,
    events: str = "system",
) -> tuple[str, tuple[Exchange, ...]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        greeting = (await reader.readuntil(b"\r\n")).decode().rstrip("\r\n")
        challenge = await _ask(reader, writer, user, "Challenge", (("AuthType", "MD5"),))
        number = next(line for line in challenge.received[0] if line.startswith("Challenge: ")).partition(": ")[2]
        key = hashlib.md5((number + secret).encode(), usedforsecurity=False).hexdigest()
        headers = (("AuthType", "MD5"), ("Username", user), ("Key", key), ("Events", events))
        exchanges = [challenge, await _ask(reader, writer, user, "Login", headers)]
        for action, fields in then:
            exchanges.append(await _ask(reader, writer, user, action, fields))
        return greeting, tuple(exchanges)
    finally:
        writer.close()


async def _ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    user: str,
    action: str,
    fields: Sequence[tuple[str, str]],
) -> Exchange:
    """One action, and what comes within a moment of its answer."""
    lines = [f"Action: {action}", f"ActionID: {ACTION_ID}", *(f"{name}: {value}" for name, value in fields)]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    received: list[Lines] = []
    listing = False
    wait_s = HANG_S
    while True:
        try:
            async with asyncio.timeout(wait_s):
                packet = await reader.readuntil(END)
        except (TimeoutError, asyncio.IncompleteReadError):
            break
        # Split as Asterisk writes: CR LF ends a line, a bare line feed does not.
        message = tuple(packet.removesuffix(END).decode("utf-8", "replace").split("\r\n"))
        if message[0] not in ("Event: Registry", "Event: SuccessfulAuth"):
            received.append(message)
        if "EventList: start" in message:
            listing = True
        elif "EventList: Complete" in message:
            listing = False
        wait_s = HANG_S if listing else 0.15
    return Exchange(user, tuple(_masked(line) for line in lines), tuple(tuple(map(_masked, one)) for one in received))


async def _events(port: int, machine: Machine, release: Release) -> tuple[Lines, ...]:
    """Events of registrations, as they come when every driver registers, and when a module is reloaded."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await reader.readuntil(b"\r\n")
        writer.write(
            f"Action: Login\r\nUsername: hotstandby\r\nSecret: {AMI_SECRET}\r\nEvents: system\r\n\r\n".encode()
        )
        found: dict[str, Lines] = {}
        for wrong in (True, False):
            await asyncio.to_thread(write_registrations, machine, release, wrong=wrong)
            # chan_sip tells no rejection; a busy machine may take its time for what the others tell.
            channels = ("IAX2", "PJSIP", "SIP") if release == "16" and not wrong else ("IAX2", "PJSIP")
            status = "Rejected" if wrong else "Registered"
            awaited = {f"Event: Registry ChannelType: {channel} Status: {status}" for channel in channels}
            begun = time.monotonic()
            with contextlib.suppress(TimeoutError):
                while True:
                    limit_s = HANG_S if awaited - found.keys() else EVENTS_S
                    async with asyncio.timeout(limit_s - (time.monotonic() - begun)):
                        packet = await reader.readuntil(END)
                    message = tuple(map(_masked, packet.removesuffix(END).decode("utf-8", "replace").split("\r\n")))
                    if message[0].startswith("Event: "):
                        kind = [line for line in message if line.startswith(("Event: ", "ChannelType: ", "Status: "))]
                        found.setdefault(" ".join(kind), message)
        return tuple(found[kind] for kind in sorted(found))
    finally:
        writer.close()


def _masked(line: str) -> str:
    """A line without what is secret, or as good as secret."""
    return re.sub(r"^(Key|Secret|Password|Md5Cred|OauthSecret|RefreshToken): .+", r"\1: (masked)", line)


def add_users(machine: Machine) -> None:
    """Adds the AMI users that a recording needs."""
    path = machine.path("/etc/asterisk/manager.conf")
    machine.write("/etc/asterisk/manager.conf", path.read_text() + USERS, mode=0o640, group="asterisk")
    machine.asterisk("manager reload")


def main() -> None:
    """Records the releases that are named, both by default."""
    releases: list[Release] = ["16", "22"] if len(sys.argv) == 1 else [r for r in ("16", "22") if r in sys.argv[1:]]
    RECORDINGS.mkdir(parents=True, exist_ok=True)
    for release in releases:
        with World(boston=release, dallas=release, start=["boston"]) as world:
            add_users(world.boston)
            write_registrations(world.boston, release)
            time.sleep(3)
            asyncio.run(record(world.boston, release)).save(RECORDINGS / f"asterisk-{release}.json")


if __name__ == "__main__":
    main()

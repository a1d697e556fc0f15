"""A source whose Asterisk does what a test says, and a pair to go with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ami_watcher.event import EventKind, LinkState, WatcherEvent
from ami_watcher.follow.snapshot import Snapshot
from ami_watcher.phones.contact import Contact, Reach
from ami_watcher.registrations.registration import Registration
from ami_watcher.registrations.state_words import RegistrationState
from host.places import Places
from pair import Pair, parse

PAIR = """
[pair]
name = "secondsignal"

[machines.boston]
public_address = "192.0.2.11"
preferred = true

[machines.dallas]
public_address = "192.0.2.12"

[asterisk]
ami = {{ host = "127.0.0.1", port = {ami_port}, username = "hotstandby", secret_file = "ami" }}

[watcher]
port = {port}
contacts_poll_s = 2
poll_s = 1
{watcher}

[trunks.acme]
channel = "sip"
host = "sip.acme.example"
username = "5551000"
secret_file = "acme"
required = true

[trunks.metro]
channel = "iax2"
host = "iax.metro.example"
username = "5552000"
secret_file = "acme"

[trunks.nova]
channel = "pjsip"
host = "nova.example"
username = "5553000"
secret_file = "acme"
"""


def pair_text(*, port: int = 8160, ami_port: int = 5038, watcher: str = "") -> str:
    """A pair.toml with three trunks; `watcher` is added to [watcher]."""
    return PAIR.format(port=port, ami_port=ami_port, watcher=watcher)


def a_pair(**settings: Any) -> Pair:
    """The values of such a pair.toml."""
    return parse(pair_text(**settings).encode(), Path("pair.toml"))


def machine_at(tmp_path: Path, *, role: str = "primary", **settings: Any) -> Places:
    """Places of a machine called boston, with that pair.toml, its secrets, and a role."""
    places = Places(tmp_path / "config", tmp_path / "state", tmp_path / "run")
    for directory in (places.secrets, places.localized, places.state, places.run):
        directory.mkdir(parents=True, exist_ok=True)
    places.pair_toml.write_text(pair_text(**settings))
    places.machine_file.write_text("boston\n")
    for name, secret in (("ami", "ami-Secret0"), ("acme", "acme-Secret0"), ("watcher-token", "open-Sesame0")):
        path = places.secrets / name
        path.write_text(f"{secret}\n")
        path.chmod(0o600)
    stand(places, role)
    return places


def stand(places: Places, role: str) -> None:
    """Gives the machine a role, as localized/ does: `current` points to generations/N-ROLE-DIGEST."""
    generation = places.localized / "generations" / f"1-{role}-0a1b2c"
    generation.mkdir(parents=True, exist_ok=True)
    current = places.localized / "current"
    current.unlink(missing_ok=True)
    current.symlink_to(f"generations/{generation.name}")


def a_registration(trunk: str, state: RegistrationState = RegistrationState.REGISTERED, **differs: Any) -> Registration:
    """A registration that has been so for an hour."""
    channel = {"acme": "sip", "metro": "iax2", "nova": "pjsip"}.get(trunk, "sip")
    now = time.time()
    return replace(Registration(trunk, channel, state, since=now - 3600, expiry_s=120, proof=now - 1), **differs)


def a_snapshot(**differs: Any) -> Snapshot:
    """boston is primary, and its three trunks and one phone are registered."""
    now = time.time()
    fine = Snapshot(
        machine="boston",
        at=now,
        link=LinkState.SYNCED,
        link_since=now - 7200,
        link_reason="",
        asterisk_version="16.28.0~dfsg-0+deb11u4",
        modules=frozenset({"sip", "iax2", "pjsip"}),
        role="primary",
        registrations=tuple(a_registration(trunk) for trunk in ("acme", "metro", "nova")),
        registrations_at=now - 1,
        contacts=(a_phone("100"),),
        contacts_at=now - 1,
    )
    return replace(fine, **differs)


def a_phone(name: str, address: str = "10.0.0.5:5060", **differs: Any) -> Contact:
    """A reachable state phone."""
    fine = Contact("pjsip", name, address, Reach.REACHABLE, 3.1, "Desk phone 1.0", time.time() + 1800)
    return replace(fine, **differs)


class FakeSource:
    """A Source: the test sets `snapshot` and tells changes."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.current = snapshot or a_snapshot()
        self.configured: list[dict[str, object]] = []
        self._queues: set[asyncio.Queue[WatcherEvent]] = set()

    @property
    def snapshot(self) -> Snapshot:
        """As set, of now."""
        return replace(self.current, at=time.time())

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[WatcherEvent]]:
        """Changes from now on."""
        queue: asyncio.Queue[WatcherEvent] = asyncio.Queue()
        self._queues.add(queue)

        async def changes() -> AsyncIterator[WatcherEvent]:
            while True:
                yield await queue.get()

        try:
            yield changes()
        finally:
            self._queues.discard(queue)

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped."""
        await stop.wait()

    def reconfigure(self, expected: Iterable[object], **settings: object) -> None:
        """Remembers what it was told."""
        self.configured.append({"expected": tuple(expected), **settings})

    def become(self, trunk: str, state: RegistrationState, cause: str | None = None) -> None:
        """A trunk changes its state now."""
        now = time.time()
        before = next(one for one in self.current.registrations if one.trunk == trunk)
        after = replace(before, state=state, since=now, proof=now, cause=cause)
        others = tuple(after if one is before else one for one in self.current.registrations)
        self.current = replace(self.current, registrations=others)
        self.tell(WatcherEvent(now, EventKind.REGISTRATION, trunk, before.state.value, state.value, cause))

    def list_contacts(self, *contacts: Contact) -> None:
        """A list of phones is read now."""
        self.current = replace(self.current, contacts=contacts, contacts_at=time.time())

    def tell(self, change: WatcherEvent) -> None:
        """Tells a change to everybody who subscribed."""
        for queue in self._queues:
            queue.put_nowait(change)

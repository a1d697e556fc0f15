"""What Asterisk lists: its outbound registrations, of the three channel drivers, in one shape.

Lists are the truth about registrations, in every version from 16 to 22. A driver that is not loaded, or does not exist
in that version (chan_sip ended with 20), has no list action: that is no error, and is reported in `modules`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ami_watcher.ami.connection import AmiEndpoint
from ami_watcher.ami.errors import ActionRefused, ListIncomplete, PrivilegeMissing
from ami_watcher.ami.message import AmiMessage
from ami_watcher.ami.session import AmiSession
from ami_watcher.ami.shared_login import open_session
from ami_watcher.registrations.addresses import addresses_of, same_host, split_address, whole_number, without_brackets
from ami_watcher.registrations.expected import ExpectedRegistration
from ami_watcher.registrations.state_words import RegistrationState, gives_up, meaning_of
from host.places import Places

LIST_ACTIONS: Final[Mapping[str, str]] = {
    "sip": "SIPshowregistry",
    "iax2": "IAXregistry",
    "pjsip": "PJSIPShowRegistrationsOutbound",
}
"""Channel as in pair.toml, and the action that lists its outbound registrations."""

FOR_DAYS: Final = 10_000
"""Attempts of PJSIP, tens of seconds apart, that nobody will see the end of."""

AT_ONCE: Final = 500
"""Items of a list that are read before anything else has its turn; a few milliseconds."""


@dataclass(frozen=True, slots=True)
class ListedRegistration:
    """One outbound registration, as Asterisk lists it.

    Attributes:
        channel: "sip", "iax2" or "pjsip".
        name: of the PJSIP object; None for the other drivers, whose registrations have no name.
        username: of the account.
        host: the registrar: as configured for sip and pjsip, its address for iax2 ("" when DNS failed).
        port: of the registrar, None where the list leaves it out.
        state: the driver's own word.
        refresh_s: seconds from one registration to the next as granted by the carrier (sip: the expiry without its
            margin; iax2: the expiry), or asked for (pjsip: it lists no other), None where it is not listed.
        client_uri: pjsip: what its events call it.
        server_uri: pjsip: likewise.
        retry_s: pjsip: the longest pause between two attempts that its configuration allows, seconds.
        persistent: pjsip: its configuration has it try again after every answer and after silence, for days at least.
        stateless: pjsip: Asterisk keeps no state for it (after `unregister *all`), and cannot be asked for it by name.
    """

    channel: str
    name: str | None
    username: str
    host: str
    port: int | None
    state: str
    refresh_s: int | None = None
    client_uri: str | None = None
    server_uri: str | None = None
    retry_s: int | None = None
    persistent: bool = False
    stateless: bool = False

    @property
    def meaning(self) -> RegistrationState:
        """What the driver's word means."""
        return meaning_of(self.state)

    @property
    def registered(self) -> bool:
        """Whether Asterisk holds it to be registered now."""
        return self.meaning is RegistrationState.REGISTERED

    @property
    def refused(self) -> bool:
        """Whether the carrier said no; PJSIP says so of one that is silent as well."""
        return self.meaning is RegistrationState.REJECTED

    @property
    def gave_up(self) -> bool:
        """Whether its driver will certainly not try again by itself."""
        return gives_up(self.channel, self.state)

    def __str__(self) -> str:
        return self.name or f"{self.username}@{self.host}"


@dataclass(frozen=True, slots=True)
class RegistrationLists:
    """All lists of one moment.

    Attributes:
        registrations: in Asterisk's order, sip first, then iax2, then pjsip.
        modules: channels whose list exists in this Asterisk now.
        version: AsteriskVersion, such as "16.28.0~dfsg-0+deb11u4".
    """

    registrations: tuple[ListedRegistration, ...]
    modules: frozenset[str]
    version: str = field(default="")


async def read_registrations(
    ami: AmiEndpoint, secret: str, *, deadline_s: float, places: Places | None = None
) -> RegistrationLists:
    """Logs in, reads every list of outbound registrations once, logs off.

    Args:
        ami: pair.asterisk_on(machine).ami.
        secret: pair.read_secret(places, ami.secret_file).
        deadline_s: seconds for each step: the login, and each list.
        places: of this machine, to borrow the watcher's login where no second one is allowed; None: it is not borrowed.

    Raises:
        AmiError: AmiUnreachable, NotAmi, LoginRefused, PrivilegeMissing, ListIncomplete, ActionLate, LinkLost.
    """

    def made() -> AmiSession:
        return AmiSession(ami, secret, wanted=(), events="off")

    if places is None:
        session = made()
        await session.open(deadline_s=deadline_s)
    else:
        session = await open_session(made, places, deadline_s=deadline_s)
    try:
        return await list_registrations(session, deadline_s=deadline_s)
    finally:
        await session.close()


async def list_registrations(session: AmiSession, *, deadline_s: float) -> RegistrationLists:
    """Reads every list of outbound registrations over a session that is logged in.

    Raises:
        PrivilegeMissing, ListIncomplete, ActionLate, LinkLost, MessageTooLong
        ActionRefused: Asterisk is shutting down.
    """
    # Every privilege that allows the lists allows this, so a refusal here is a missing privilege and nothing else.
    settings = await session.action("CoreSettings", deadline_s=deadline_s)
    found: list[ListedRegistration] = []
    modules = set()
    for channel, action in LIST_ACTIONS.items():
        try:
            items = await session.listing(action, deadline_s=deadline_s)
        except ListIncomplete:
            raise
        except (ActionRefused, PrivilegeMissing) as error:
            # "Invalid/unknown command": not loaded. "Permission denied", with the privilege held: being unloaded.
            if isinstance(error, ActionRefused) and "shutting down" in error.said:
                raise
            continue
        modules.add(channel)
        for start in range(0, len(items), AT_ONCE):
            # Thousands take a moment, in which events are to be heard.
            await asyncio.sleep(0)
            part = items[start : start + AT_ONCE]
            found += [listed for item in part if (listed := listed_from(channel, item)) is not None]
    return RegistrationLists(tuple(found), frozenset(modules), settings.get("AsteriskVersion", ""))


def listed_from(channel: str, item: AmiMessage | Mapping[str, str]) -> ListedRegistration | None:
    """One item of the list of `channel`, or None for an item that is no registration."""
    if channel == "pjsip":
        return _pjsip(item) if item.get("Event") == "OutboundRegistrationDetail" else None
    if item.get("Event") != "RegistryEntry":
        return None
    host = without_brackets(item.get("Host", ""))
    port = whole_number(item.get("Port", ""))
    if channel == "iax2":
        host, port = split_address(item.get("Host", ""))
    return ListedRegistration(
        channel=channel,
        name=None,
        username=item.get("Username", ""),
        host=host,
        port=port,
        state=item.get("State", ""),
        refresh_s=whole_number(item.get("Refresh", "")),
    )


def matches(
    listed: ListedRegistration, expected: ExpectedRegistration, addresses: Mapping[str, frozenset[str]] | None = None
) -> bool:
    """Whether `listed` is the registration of the trunk `expected`.

    A PJSIP object is named after its trunk. A chan_sip registration is told by user, host and port, for it has no name.
    chan_iax2 lists its server by address: that is compared where expected.host is an address, or where `addresses`
    knows what its name resolves to (resolve_hosts, for the names of hosts_to_resolve); otherwise user and port decide.
    """
    if listed.channel != expected.channel:
        return False
    if listed.channel == "pjsip":
        return listed.name == expected.trunk
    if listed.username != expected.username or (listed.port or expected.port) != expected.port:
        return False
    if listed.channel == "sip":
        return same_host(listed.host, expected.host)
    known = addresses_of(expected.host, addresses)
    return not known or not listed.host or listed.host in known


def _pjsip(item: AmiMessage | Mapping[str, str]) -> ListedRegistration:
    client = item.get("ClientUri", "")
    server = item.get("ServerUri", "")
    user, _, _ = client.partition(":")[2].partition("@")
    host, port = _server(server)
    pauses = [
        whole_number(item.get(name, "")) for name in ("RetryInterval", "ForbiddenRetryInterval", "FatalRetryInterval")
    ]
    return ListedRegistration(
        channel="pjsip",
        name=item.get("ObjectName", ""),
        username=user,
        host=host,
        port=port,
        # Absent after "unregister *all": no state object is left.
        state=item.get("Status", "") or "Unregistered",
        refresh_s=whole_number(item.get("Expiration", "")),
        client_uri=client,
        server_uri=server,
        retry_s=max((pause for pause in pauses if pause is not None), default=None),
        persistent=(
            all(pauses)
            and (whole_number(item.get("MaxRetries", "")) or 0) >= FOR_DAYS
            and item.get("AuthRejectionPermanent", "").lower() in ("false", "no")
        ),
        stateless=not item.get("Status", ""),
    )


def _server(uri: str) -> tuple[str, int | None]:
    """Host and port of a server_uri such as sip:sip.carrier.example:5080;transport=tcp."""
    rest = uri.partition(":")[2].partition(";")[0].partition("?")[0]
    rest = rest.rpartition("@")[2]
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        return host, whole_number(port.lstrip(":"))
    host, _, port = rest.partition(":")
    return host, whole_number(port)

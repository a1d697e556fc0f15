"""Who is registered here: phones and peers as three list actions tell them, in one shape.

Rules only: no socket, no clock. PJSIP lists contacts with their expiry; chan_sip and chan_iax2 list peers
without one, and show a peer that is not registered with an address of "-none-" or "(null)".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Reach(StrEnum):
    """What a qualify last said about a contact."""

    REACHABLE = "reachable"
    LAGGED = "lagged"
    UNREACHABLE = "unreachable"
    UNMONITORED = "unmonitored"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Contact:
    """One address at which somebody can be reached through this Asterisk.

    Attributes:
        channel: "pjsip", "sip" or "iax2".
        name: AOR, or peer name; what the phone is called on both machines.
        address: host:port as Asterisk sends to it.
        reach: what qualify says.
        rtt_ms: round trip of the last qualify, milliseconds, None where none was measured.
        user_agent: what the phone calls itself; None for SIP and IAX2 peers, whose lists leave it out.
        expires_at: unix seconds at which the binding ends, None where the list leaves it out or it never ends.
        dynamic: whether it registered itself; False for an address written in the configuration.
    """

    channel: str
    name: str
    address: str
    reach: Reach
    rtt_ms: float | None = None
    user_agent: str | None = None
    expires_at: float | None = None
    dynamic: bool = True

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells this contact from every other: channel, name, address."""
        return (self.channel, self.name, self.address)


CONTACT_LISTS: Final = ("PJSIPShowContacts", "SIPpeers", "IAXpeerlist")
"""The actions that list them. IAXpeers, the sister of IAXpeerlist, leaves the ActionID out of its items (seen on 16 and
22)."""

NOBODY: Final = frozenset({"", "-none-", "(null)", "(none)", "(Unspecified)", "0.0.0.0", "::"})  # noqa: S104
"""Addresses that chan_sip and chan_iax2 print for a peer that is not registered."""

PJSIP_REACH: Final[Mapping[str, Reach]] = {
    "Reachable": Reach.REACHABLE,
    "Unreachable": Reach.UNREACHABLE,
    "NonQualified": Reach.UNMONITORED,
    "Unqualified": Reach.UNMONITORED,
    "Unknown": Reach.UNKNOWN,
}
"""Labels of res_pjsip/pjsip_options.c status_map; "Removed" is in none of the lists."""

PEER_STATUS: Final = re.compile(r"(OK|LAGGED|UNREACHABLE|UNKNOWN|Unmonitored)(?: \(([0-9]{1,9}) ms\))?", re.IGNORECASE)
PEER_REACH: Final[Mapping[str, Reach]] = {
    "ok": Reach.REACHABLE,
    "lagged": Reach.LAGGED,
    "unreachable": Reach.UNREACHABLE,
    "unmonitored": Reach.UNMONITORED,
}

LONGEST: Final = 256
"""Characters kept of any value that a phone chose itself, such as its user agent."""


def contacts_from(items: Iterable[Mapping[str, str]]) -> tuple[Contact, ...]:
    """Contacts in the items of any of the list actions, mixed as they come, sorted by channel, name and address.

    Understood are `ContactList` (PJSIPShowContacts), `ContactStatusDetail`
    (PJSIPShowRegistrationInboundContactStatuses) and `PeerEntry` (SIPpeers, IAXpeers); everything else is passed
    over. A contact that two lists or two endpoints show is one contact; what the one leaves out, the other fills in.
    A peer that is not registered is nobody's address and left out.
    """
    found: dict[tuple[str, str, str], Contact] = {}
    for item in items:
        reader = READERS.get(item.get("Event", ""))
        contact = reader(item) if reader is not None else None
        if contact is None:
            continue
        known = found.get(contact.key)
        found[contact.key] = contact if known is None else _merged(known, contact)
    return tuple(found[key] for key in sorted(found))


def address_in(uri: str) -> str:
    """host:port of a SIP URI, without user, parameters and headers; the port only where the URI has one.

    The host follows the only "@" that a URI may hold unescaped (RFC 3261 section 25.1); IPv6 keeps its brackets.
    """
    rest = uri.strip().strip("<>")
    scheme, colon, after = rest.partition(":")
    if colon and scheme.lower() in ("sip", "sips", "iax", "iax2", "tel"):
        rest = after
    # A user part may hold ";", so the "@" is looked for first.
    user, sign, host = rest.partition("@")
    rest = host if sign else user
    return re.split(r"[;?>]", rest, maxsplit=1)[0]


def _from_contact_list(item: Mapping[str, str]) -> Contact | None:
    # The object is called "AOR;@hash" where it registered and "AOR@@hash" where it is configured
    # (res_pjsip/location.c), and an AOR's own name may hold either sign.
    name = re.sub(r"(;@|@@)[^@]*$", "", item.get("ObjectName", ""))
    return _pjsip(item, name=name, uri=item.get("Uri", ""), expires=item.get("ExpirationTime", ""))


def _from_contact_status(item: Mapping[str, str]) -> Contact | None:
    return _pjsip(item, name=item.get("AOR", ""), uri=item.get("URI", ""), expires=item.get("RegExpire", ""))


def _pjsip(item: Mapping[str, str], *, name: str, uri: str, expires: str) -> Contact | None:
    address = address_in(uri)
    if not name or not address:
        return None
    ends = _number(expires)
    round_trip = _number(item.get("RoundtripUsec", ""))
    reach = PJSIP_REACH.get(item.get("Status", ""), Reach.UNKNOWN)
    return Contact(
        channel="pjsip",
        name=name[:LONGEST],
        address=address[:LONGEST],
        reach=reach,
        rtt_ms=round_trip / 1000 if round_trip and reach is Reach.REACHABLE else None,
        user_agent=item.get("UserAgent", "")[:LONGEST] or None,
        expires_at=ends or None,
        dynamic=bool(ends),
    )


def _from_peer(item: Mapping[str, str]) -> Contact | None:
    host = item.get("IPaddress", "")
    # chan_iax2 says "name/username" in IAXpeers.
    name = item.get("ObjectName", "").partition("/")[0]
    if not name or host in NOBODY:
        return None
    port = item.get("IPport") or item.get("Port") or ""
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    told = PEER_STATUS.match(item.get("Status", ""))
    return Contact(
        channel="sip" if item.get("Channeltype", "").upper() == "SIP" else "iax2",
        name=name[:LONGEST],
        address=(f"{host}:{port}" if port not in ("", "0") else host)[:LONGEST],
        reach=PEER_REACH.get(told[1].lower(), Reach.UNKNOWN) if told else Reach.UNKNOWN,
        rtt_ms=float(told[2]) if told and told[2] else None,
        dynamic=item.get("Dynamic", "").lower() == "yes",
    )


READERS: Final = {
    "ContactList": _from_contact_list,
    "ContactStatusDetail": _from_contact_status,
    "PeerEntry": _from_peer,
}


def _merged(known: Contact, other: Contact) -> Contact:
    better = other if known.reach in (Reach.UNKNOWN, Reach.UNMONITORED) else known
    return Contact(
        channel=known.channel,
        name=known.name,
        address=known.address,
        reach=better.reach,
        rtt_ms=better.rtt_ms,
        user_agent=known.user_agent or other.user_agent,
        expires_at=max((at for at in (known.expires_at, other.expires_at) if at is not None), default=None),
        dynamic=known.dynamic or other.dynamic,
    )


def _number(text: str) -> float | None:
    """The number in a value, or None for N/A, nothing, and what is not a plain number."""
    return float(text) if re.fullmatch(r"\d{1,15}(\.\d{1,9})?", text) else None

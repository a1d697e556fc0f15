"""Which registrations there should be: from pair.toml and the role that this machine has."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pair.model import Pair

Role = Literal["primary", "standby"]


@dataclass(frozen=True, slots=True)
class ExpectedRegistration:
    """One trunk that registers, and whether this machine should hold its registration now.

    Attributes:
        trunk: name in pair.toml; its PJSIP registration object is called the same.
        channel: "sip", "iax2" or "pjsip".
        username: of the account.
        host: the registrar, as configured.
        port: of the registrar.
        here: True: it should be registered from this machine now. False: it should not.
        shared: whether the account is one that only the primary may hold.
        required: without it a promotion has failed.
        held_elsewhere_s: how long the other machine's registration may keep the carrier from taking this one; 0 where
            a second registration is taken.
        refused_again_s: seconds between two attempts after a refusal (Trunk.refused_again_s).
    """

    trunk: str
    channel: str
    username: str
    host: str
    port: int
    here: bool
    shared: bool = True
    required: bool = False
    held_elsewhere_s: float = 0.0
    refused_again_s: float = 30.0


def expected_registrations(pair: Pair, machine: str, role: Role | None) -> tuple[ExpectedRegistration, ...]:
    """Every trunk of `pair` that registers, as it concerns `machine` in `role`; None: no role yet, taken as standby."""
    found = []
    for name in pair.trunks:
        trunk = pair.trunk_on(name, machine)
        if not trunk.register_:
            continue
        shared = trunk.account == "shared"
        found.append(
            ExpectedRegistration(
                trunk=name,
                channel=trunk.channel,
                username=trunk.username or "",
                host=trunk.host,
                port=trunk.server_port,
                here=not shared or role == "primary",
                shared=shared,
                required=trunk.required,
                held_elsewhere_s=float(trunk.expiry_s) if trunk.second_registration == "refused" else 0.0,
                refused_again_s=float(trunk.refused_again_s),
            )
        )
    return tuple(found)


def hosts_to_resolve(trunks: Iterable[ExpectedRegistration]) -> tuple[str, ...]:
    """Host names of the chan_iax2 trunks that nothing but an address tells apart: same user, same port, other host.

    All others are told by user and port, and better so: a carrier's name may stand for other addresses now than when
    Asterisk looked it up.
    """
    hosts: dict[tuple[str, int], set[str]] = {}
    for one in trunks:
        if one.channel == "iax2":
            hosts.setdefault((one.username, one.port), set()).add(one.host)
    return tuple(sorted({host for same in hosts.values() if len(same) > 1 for host in same}))


async def resolve_hosts(hosts: Iterable[str], *, deadline_s: float) -> Mapping[str, frozenset[str]]:
    """The addresses of each host name, for chan_iax2, whose lists show nothing else.

    A name that does not resolve by the deadline is left out: matching then goes by user and port.
    """
    loop = asyncio.get_running_loop()

    async def one(host: str) -> frozenset[str]:
        try:
            async with asyncio.timeout(deadline_s):
                found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except (OSError, TimeoutError, UnicodeError):
            return frozenset()
        return frozenset(str(entry[4][0]) for entry in found)

    names = sorted(set(hosts))
    answers = await asyncio.gather(*(one(name) for name in names))
    return {name: answer for name, answer in zip(names, answers, strict=True) if answer}

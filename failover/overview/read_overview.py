"""Asks both machines and the name servers, all at once, for what `failover status` and a drill's end show."""

from __future__ import annotations

import time
from collections.abc import Iterable

from failover.context import Context
from failover.name_servers.agreement import NameServer, ZoneAnswer, rdtype
from failover.name_servers.query import query_server
from failover.name_servers.transport import DnsTransport
from failover.overview.overview import MachineView, Overview, followed
from failover.peer.remote import Peer, PeerEvidence
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.own_status import status
from failover.probes.parallel import Probe, run_probes
from pair.public_role import NAME, RoleAnswer, parse


def read_overview(context: Context) -> Overview:
    """Both machines and the name servers, asked at once."""
    peer = Peer(context)

    def own() -> MachineView:
        told = status(context)
        return MachineView(
            context.machine, told, ProbeResult("own", context.machine, "itself", ProbeAnswer.YES, told.why, 0.0)
        )

    def own_late(seconds: float) -> MachineView:
        words = f"{context.machine} could not look at itself in {seconds:.0f} s"
        return MachineView(
            context.machine, None, ProbeResult("own", context.machine, "itself", ProbeAnswer.SILENT, words, seconds)
        )

    def side(asked: PeerEvidence) -> MachineView:
        return MachineView(context.peer, asked.status, asked.found)

    looks: list[Probe[MachineView | ZoneAnswer]] = [
        Probe(own, own_late),
        Probe(lambda: side(peer.probe_status()), lambda seconds: side(peer.late_status(seconds))),
        *(
            _server(context, name, address)
            for name, address in (
                context.pair.dns.servers_seen_from(context.machine) if context.pair.dns else {}
            ).items()
        ),
    ]
    values = run_probes(looks, total_s=7.0)
    sides = {one.name: one for one in values if isinstance(one, MachineView)}
    names = list(context.pair.dns.follow) if context.pair.dns else []
    answers = [(one.server.name, _told(one)) for one in values if isinstance(one, ZoneAnswer)]
    return Overview(
        pair=context.pair,
        here=context.machine,
        machines=tuple(sides[name] for name in context.pair.machines),
        names=followed(names, answers, longest_ttls(values)),
        now=time.time(),
        said=tuple(_said(context, one) for one in values if isinstance(one, ZoneAnswer)),
    )


def _server(context: Context, name: str, address: str) -> Probe[MachineView | ZoneAnswer]:
    dns = context.pair.dns
    assert dns is not None
    follow = {(each, rdtype(where)) for each, by in dns.follow.items() for where in by.values()}
    keys = sorted({(NAME, "TXT"), *follow})
    server = NameServer(name, address)
    return Probe(
        lambda: query_server(server, dns.zone, keys, DnsTransport(port=dns.port)),
        lambda _: ZoneAnswer(server, failure="no answer", silent=True),
    )


def _said(context: Context, seen: ZoneAnswer) -> RoleAnswer:
    texts = seen.records.get((NAME, "TXT"), frozenset())
    roles = [role for text in texts if (role := parse(text, context.pair.machines)) is not None]
    role = roles[0] if len(roles) == 1 and not seen.failure else None
    return RoleAnswer(seen.server.name, not seen.failure, role, seen.failure)


def _told(seen: ZoneAnswer) -> dict[str, str] | None:
    if seen.failure:
        return None
    return {name: " ".join(sorted(values)) for (name, _), values in seen.records.items() if values}


def longest_ttls(values: Iterable[MachineView | ZoneAnswer]) -> dict[str, int]:
    """The longest TTL with which any server serves each name: so long the old address is kept after a promotion."""
    longest: dict[str, int] = {}
    for seen in values:
        for (name, _), ttl_s in seen.ttls.items() if isinstance(seen, ZoneAnswer) else ():
            longest[name] = max(ttl_s, longest.get(name, 0))
    return longest

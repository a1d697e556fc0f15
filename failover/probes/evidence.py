"""Everything that can be seen from here before somebody decides: the peer, the name servers, this machine.

All of it is asked at once and is there after about five seconds, whoever is dead.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from failover.context import Context
from failover.peer import messages as peer_words
from failover.peer.remote import Peer, PeerEvidence
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes import name_server
from failover.probes.name_server import ServerAnswer
from failover.probes.parallel import Enough, Probe, run_probes
from failover.probes.ping import ping
from failover.probes.sip import probe_sip
from failover.probes.web import probe_site
from pair import Dns

SSH_S: Final = 4.5
"""Seconds for the peer's status, when others are asked beside it."""
TOTAL_S: Final = 5.0
HURRY_S: Final = 0.5
"""Seconds in which one of five different questions must be answered: a continent and back takes 0.1 s."""
CLOCK_S: Final = 2.0
"""Seconds by which the clocks may differ: TSIG allows 300, journals are read side by side."""


@dataclass(frozen=True, slots=True)
class OwnAsterisk:
    """This machine's Asterisk.

    Attributes:
        found: as evidence.
        pbx: what it says.
        lacks: what it lacks, so that this machine could not serve, one sentence each.
        unwritable: directories that a promotion could not write to, one sentence each.
    """

    found: ProbeResult
    pbx: peer_words.AsteriskStatus
    lacks: tuple[str, ...] = ()
    unwritable: tuple[str, ...] = ()

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why this machine could not serve, one sentence each."""
        return (*self.lacks, *self.unwritable)


AnyFound: TypeAlias = ProbeResult | PeerEvidence | ServerAnswer | OwnAsterisk


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen.

    Attributes:
        peer: its status over ssh.
        reach: ping, SIP and HTTP of the peer.
        servers: what each name server says.
        own: this machine's Asterisk.
        clock: how far the clocks are apart.
    """

    peer: PeerEvidence
    reach: tuple[ProbeResult, ...]
    servers: tuple[ServerAnswer, ...]
    own: OwnAsterisk
    clock: ProbeResult

    @property
    def found(self) -> tuple[ProbeResult, ...]:
        """Every look, the peer first."""
        return (self.peer.found, *self.reach, *(one.found for one in self.servers), self.own.found, self.clock)

    @property
    def of_peer(self) -> tuple[ProbeResult, ...]:
        """What was seen of the peer: ping first, as people ask for it."""
        pings = [one for one in self.reach if one.probe == "ping"]
        return (*pings, self.peer.found, *(one for one in self.reach if one.probe != "ping"))

    @property
    def peer_may_live(self) -> bool:
        """Whether anything of the peer answered."""
        return any(one.answer.alive for one in self.of_peer)


def gather_evidence(context: Context, *, hurry: bool = False) -> Evidence:
    """Asks everybody at once.

    Args:
        hurry: a person has said that the peer is down. Then nobody waits for it longer than HURRY_S, if by then
            nothing at all of it has answered; the first sign of life has all of it waited for.
    """
    peer = Peer(context)
    name, address = context.peer, context.other.public_address
    dns = context.pair.dns
    machines = tuple(context.pair.machines)
    looks: list[Probe[AnyFound]] = [
        Probe(lambda: peer.probe_status(deadline_s=SSH_S), peer.late_status),
        _look("ping", name, lambda: ping(name, address)),
        _look("sip", name, lambda: probe_sip(name, address)),
        Probe(lambda: _own(context), lambda seconds: _own_late(context, seconds)),
    ]
    # Whoever is not the peer is always waited for: the number of the last promotion stands in the zone.
    others = {len(looks) - 1}
    for alias, found in context.pair.domino.sites.items():
        looks.append(_look("http", name, _site(name, alias, found.addresses[name], found.marker)))
    if dns is not None:
        for server, where in dns.servers_seen_from(context.machine).items():
            if server != name:
                others.add(len(looks))
            looks.append(_server(server, where, dns, machines))
    if hurry and not peer.keys.config.exists():
        looks.append(_look("port", name, lambda: _port(name, context.other.ssh_host)))
        looks[0] = Probe(lambda: peer.probe_status(deadline_s=SSH_S), lambda seconds: _no_sign(peer, seconds))
        values = run_probes(looks, total_s=TOTAL_S, enough=Enough(HURRY_S, lambda seen: _no_life(seen, name, others)))
    else:
        values = run_probes(looks, total_s=TOTAL_S)
    asked = next(one for one in values if isinstance(one, PeerEvidence))
    return Evidence(
        peer=asked,
        reach=tuple(one for one in values if isinstance(one, ProbeResult)),
        servers=tuple(one for one in values if isinstance(one, ServerAnswer)),
        own=next(one for one in values if isinstance(one, OwnAsterisk)),
        clock=clock(name, asked),
    )


def _port(name: str, host: str) -> ProbeResult:
    """Whether anything takes a connection where its ssh should: the first thing to answer on a machine that lives."""
    started = time.monotonic()

    def found(answer: ProbeAnswer, words: str) -> ProbeResult:
        return ProbeResult(
            "port", name, f"TCP 22 of {host}", answer, f"{name}'s ssh port {words}", time.monotonic() - started
        )

    try:
        socket.create_connection((host, 22), timeout=CLOCK_S).close()
    except ConnectionRefusedError:
        return found(ProbeAnswer.REFUSED, "is closed: it is alive, its sshd is not")
    except OSError:
        return found(ProbeAnswer.SILENT, "does not answer")
    return found(ProbeAnswer.YES, "takes connections")


def _no_sign(peer: Peer, seconds: float) -> PeerEvidence:
    words = f"{peer.name} does not answer ssh: nothing of it answered in {seconds:.1f} s"
    return PeerEvidence(ProbeResult("ssh", peer.name, "status", ProbeAnswer.SILENT, words, seconds), None)


def _no_life(seen: Mapping[int, AnyFound], name: str, others: set[int]) -> bool:
    """Whether everybody else has answered, and nothing of the peer."""
    looks = [one if isinstance(one, ProbeResult) else one.found for one in seen.values()]
    return others <= seen.keys() and not any(one.answer.alive and one.subject == name for one in looks)


def clock(peer: str, asked: PeerEvidence) -> ProbeResult:
    """How far the peer's clock is from ours."""

    def found(answer: ProbeAnswer, words: str) -> ProbeResult:
        return ProbeResult("clock", peer, "the time in its status", answer, words, asked.found.seconds)

    if asked.status is None:
        return found(ProbeAnswer.UNKNOWN, f"{peer}'s clock is not known")
    apart = abs(asked.clock_s)
    words = f"the clocks differ by {apart:.1f} s"
    if asked.surely_apart_s > CLOCK_S:
        return found(ProbeAnswer.ODD, f"{words}; set them, look with: timedatectl")
    return found(ProbeAnswer.YES, words if apart > asked.unsure_s else f"the clocks agree to {asked.unsure_s:.1f} s")


def _look(probe: str, subject: str, ask: Callable[[], ProbeResult]) -> Probe[AnyFound]:
    def late(seconds: float) -> ProbeResult:
        words = f"{subject} did not answer {probe} in {seconds:.1f} s"
        return ProbeResult(probe, subject, probe, ProbeAnswer.SILENT, words, seconds)

    return Probe(ask, late)


def _site(name: str, alias: str, address: str, marker: str | None) -> Callable[[], ProbeResult]:
    return lambda: probe_site(name, alias, address, marker)


def _server(server: str, address: str, dns: Dns, machines: tuple[str, ...]) -> Probe[AnyFound]:
    return Probe(
        lambda: name_server.ask_role(server, address, dns.zone, machines, port=dns.port),
        lambda seconds: name_server.late(server, seconds),
    )


def _own(context: Context) -> OwnAsterisk:
    from failover.probes import fit_to_serve, own_asterisk  # asyncio and AMI: loaded while the peer is waited for

    pbx, lists = own_asterisk.read_pbx_and_lists(context)
    return OwnAsterisk(
        own_asterisk.as_result(context, pbx, 0.0),
        pbx,
        tuple(fit_to_serve.lacks_of_asterisk(context, pbx, lists)),
        tuple(fit_to_serve.unwritable(context)),
    )


def _own_late(context: Context, seconds: float) -> OwnAsterisk:
    from failover.probes import own_asterisk

    pbx = peer_words.AsteriskStatus(
        state="silent", words=f"{context.machine}'s Asterisk did not answer in {seconds:.0f} s"
    )
    return OwnAsterisk(
        own_asterisk.as_result(context, pbx, seconds), pbx, (f"{pbx.words}. There, type: systemctl status asterisk",)
    )

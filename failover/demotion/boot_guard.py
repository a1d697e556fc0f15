"""What a machine that has just started is: standby, in PBX and DNS, unless others prove that it is primary.

`decide` is a pure function of what the others say; `guard` gathers that, makes it so before Asterisk and named
start, and lifts the fence. While it runs, and when it fails, the fence keeps Asterisk from starting.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from failover.bind.named import LocalNamed
from failover.context import Context
from failover.errors import FailoverError
from failover.peer.messages import PeerStatus
from failover.peer.remote import Peer, PeerEvidence
from failover.probes import name_server
from failover.probes.parallel import Probe, run_probes
from failover.state import claim, fenced, local_state, right
from host.errors import HotstandbyError
from localized.generations.generation import Generation
from localized.generations.lock import directory_lock_best_effort
from localized.generations.store import GenerationStore
from localized.prepare import prepare
from localized.role import Role
from pair.public_role import FAR, LARGEST, NAME, RoleAnswer, agreed, later, parse

GATHER_S: Final = 12.0
"""Seconds for the others to answer; the machine waits with its phones down, and the other one serves meanwhile."""


@dataclass(frozen=True, slots=True)
class BootDecision:
    """What this machine is.

    Attributes:
        primary: as a PBX.
        epoch: of the promotion that made it primary; 0 as standby.
        dns_primary: whether it may go on as primary name server, where it was one.
        why: one sentence.
    """

    primary: bool
    epoch: int
    dns_primary: bool
    why: str


def decide(
    machine: str,
    said: Sequence[RoleAnswer],
    peer: PeerStatus | None,
    *,
    promised: int = 0,
    stood_down: int = 0,
    known: int = 0,
    served: int = 0,
    preferred: bool = False,
) -> BootDecision:
    """What a machine that starts is.

    Primary alone when every other name server that answers names it, at least one does, and the peer answers, is
    standby, and completed no later promotion. In DNS it stays what it was only when the peer says that it is not
    primary there itself: two primaries of one zone part ways without anybody seeing it. Where both say that they are,
    the one that completed the later promotion stays: whichever of them is asked first, one of them gives the zone up,
    and never both.

    Args:
        promised: the peer's promotion that this machine gave way to since it started; 0 for none.
        stood_down: the promotion that a person's `failover demote` ended here, where none followed; 0 for none. What a
            person took off duty stays off duty: nobody else serves, and only a person knows why.
        known: the highest promotion that this machine's own files tell.
        served: the last promotion that this machine completed; 0 for none.
        preferred: whether it is the preferred one, which counts where neither completed a later one.
    """
    dns_primary = peer is not None and (
        peer.dns_role == "secondary"
        or (
            peer.dns_role == "primary"
            and peer.role == "standby"
            and not (peer.is_primary or peer.right_held or peer.claim)
            and (served, preferred) > (peer.served, not preferred)
        )
    )

    def standby(why: str) -> BootDecision:
        return BootDecision(False, 0, dns_primary, f"{machine} starts as standby: {why}")

    public = agreed(said, leaving_out=machine)
    if peer is None:
        return standby("its peer does not answer")
    if peer.is_primary or peer.right_held:
        return standby(f"{peer.machine} is primary")
    if peer.registered:
        return standby(f"{peer.machine} holds {', '.join(peer.registered)}")
    if not said:
        return standby(
            "without name servers elsewhere others do not say who is primary ([dns] in pair.toml); to serve again, "
            "after each start of this machine, type: failover promote"
        )
    if public is None:
        return standby("the other name servers do not say, or do not agree on, who is primary")
    if public.machine != machine:
        return standby(f"the other name servers say that {public.machine} is primary")
    if public.epoch > min(LARGEST, max(known, peer.epoch) + FAR):
        return standby(
            f"the other name servers tell promotion {public.epoch}, and neither {machine} nor {peer.machine} knows of "
            "one near it"
        )
    if peer.claim:
        return standby(f"{peer.machine} is being promoted at this moment")
    if peer.served > public.epoch:
        return standby(
            f"{peer.machine} was promoted with {peer.served}, later than the {public.epoch} that the name servers tell"
        )
    if promised >= public.epoch:
        return standby(f"it gave way to {peer.machine}'s promotion {promised} since it started")
    if stood_down >= public.epoch:
        return standby("somebody demoted it by hand since (failover history); to serve, type: failover promote")
    if peer.role != "standby":
        return standby(f"{peer.machine} answers, and does not say that it is standby")
    why = f"{machine} starts as primary: the other name servers and {peer.machine} agree on promotion {public.epoch}"
    return BootDecision(True, public.epoch, dns_primary, why)


class NotGuarded(FailoverError):
    """It could not be made certain that this machine starts as it must; its Asterisk stays fenced."""


def guard(context: Context) -> BootDecision:
    """Makes this machine what it is, before Asterisk and named start.

    Raises:
        NotGuarded: the fence stays.
    """
    try:
        fenced.fence(context.places, "the boot guard has not yet said what this machine is: failover boot-guard")
        decision = settle(context, *gather(context))
        fenced.lift(context.places)
    except OSError as error:
        raise NotGuarded(
            f"{error.filename or 'A file'} cannot be written ({error.strerror}), so it is not certain what Asterisk "
            f"would start as; it stays fenced. Look at the disk with: df -h {context.places.config}"
        ) from None
    return decision


def settle(context: Context, said: Sequence[RoleAnswer], peer: PeerStatus | None) -> BootDecision:
    """Decides by what the others say, and makes the files and the right of this machine so.

    Raises:
        NotGuarded: Asterisk would start as primary.
        OSError
    """
    own = local_state.read_state(context.places, context.machine)
    decision = decide(
        context.machine,
        said,
        peer,
        promised=claim.promised_epoch(context.places),
        stood_down=own.stood_down,
        known=own.epoch,
        served=own.served,
        preferred=context.own.preferred,
    )
    if decision.primary and not _swapped(context, Role.PRIMARY):
        why = f"{context.machine} starts as standby: no primary generation can be made active"
        decision = BootDecision(False, 0, decision.dns_primary, why)
    if decision.primary:
        right.grant(context.places, context.machine, decision.epoch, decision.why)
    else:
        right.revoke(context.places)
        if not _swapped(context, Role.STANDBY) and local_state.role_of(context.places)[0] == "primary":
            raise NotGuarded(
                "No standby generation is on disk and none can be rendered, so Asterisk would start as primary; it "
                "stays fenced. Type: render-localized --role standby --activate --without-asterisk; "
                "then: failover boot-guard"
            )
    if decision.dns_primary:
        return decision
    return replace(decision, why=f"{decision.why}{_settle_dns(context, said, peer, served=own.served)}")


def _settle_dns(context: Context, said: Sequence[RoleAnswer], peer: PeerStatus | None, *, served: int) -> str:
    """Makes this machine's BIND secondary; words to add to the decision where there is something to say."""
    was_primary = _may_be_dns_primary(context)
    if was_primary and not _swapped(context, Role.DNS_SECONDARY):
        return "; its BIND stays primary, because no secondary files can be made active"
    peer_has_it = was_primary and peer is not None and peer.dns_role == "primary"
    if peer_has_it or _zone_here_is_old(context, said, peer, served=served if was_primary else 0):
        return _distrust_own_zone(context)
    return ""


def _may_be_dns_primary(context: Context) -> bool:
    """Before the first promotion what the admin wrote by hand is active, and says primary on one machine."""
    role, dns = local_state.dns_role_of(context.places), context.pair.dns
    return role == "primary" or (role == "unknown" and dns is not None and dns.primary is None)


def zone_is_old(machine: str, said: Sequence[RoleAnswer], served: int) -> bool:
    """Whether another name server tells a later promotion than the one that our zone dates from: then there is a newer
    one to have, also where the peer itself cannot be asked."""
    told = {one.server: one.role for one in said if one.role is not None}
    return later(machine, served, told) is not None


def _zone_here_is_old(context: Context, said: Sequence[RoleAnswer], peer: PeerStatus | None, *, served: int) -> bool:
    """Whether what BIND is to start with as secondary names the primary of an earlier promotion: its own zone of
    before, or the copy of a machine that was demoted by hand and without power when the other one was promoted.

    What tells the present promotion stays: what else changed meanwhile BIND asks for at its own pace.

    Args:
        served: the promotion by which this machine was primary of the zone until now; 0 where it was secondary.
    """
    dns = context.pair.dns
    if dns is None or not Path(dns.named_conf).exists():
        return False
    try:
        copy = LocalNamed.of(dns).copy(dns.zone)
    except HotstandbyError:
        copy = ""  # named does not answer with what it cannot read; what cannot be dated is not trusted
    if copy is None:
        return False
    epoch = max(served, copy_dates_from(copy, dns.zone, context.pair.machines))
    return copy_is_old(context.machine, epoch, said, peer)


def copy_is_old(machine: str, epoch: int, said: Sequence[RoleAnswer], peer: PeerStatus | None) -> bool:
    """Whether there is a newer one to have than the copy of a secondary that tells this promotion."""
    peers_is_later = peer is not None and peer.dns_role == "primary" and peer.served > epoch
    return peers_is_later or zone_is_old(machine, said, epoch)


def copy_dates_from(copy: str, zone: str, machines: Collection[str]) -> int:
    """The promotion that a copy of the zone tells, as named-checkzone prints it; 0 where it tells none, or several."""
    from failover.bind.proofread import canonical  # dnspython: loaded while the others were asked

    _, texts = canonical(copy).get((f"{NAME}.{zone}.".lower(), "TXT"), ("", frozenset()))
    told = [found.epoch for text in texts if (found := parse(text.strip('"'), machines)) is not None]
    return told[0] if len(told) == 1 else 0


def _distrust_own_zone(context: Context) -> str:
    """Has named ask for the zone before it answers; words to add to the verdict where that cannot be arranged.

    What the zone says here dates from an earlier promotion: named must not answer with it.

    Only where the peer has a newer one to give; alone, this machine may have to be promoted with what it has.
    """
    dns = context.pair.dns
    if dns is None:
        return ""
    try:
        LocalNamed.of(dns).expire_copy(dns.zone)
    except (HotstandbyError, OSError) as error:
        return f"; its BIND may answer with the old zone until it has asked for the new one ({error})"
    return ""


def ask_servers(context: Context) -> tuple[RoleAnswer, ...]:
    """What the other name servers say, all asked at once."""
    found = run_probes(_servers(context), total_s=GATHER_S)
    return tuple(one.said for one in found if isinstance(one, name_server.ServerAnswer))


def gather(context: Context) -> tuple[tuple[RoleAnswer, ...], PeerStatus | None]:
    """What the other name servers and the peer say, all asked at once."""
    peer = Peer(context)
    looks = _servers(context)
    looks.append(Probe(peer.probe_status, lambda seconds: peer.late_status(seconds)))
    found = run_probes(looks, total_s=GATHER_S)
    said = tuple(one.said for one in found if isinstance(one, name_server.ServerAnswer))
    status = next((one.status for one in found if isinstance(one, PeerEvidence)), None)
    return said, status


def _servers(context: Context) -> list[Probe[name_server.ServerAnswer | PeerEvidence]]:
    dns = context.pair.dns
    others = {} if dns is None else {name: address for name, address in dns.servers.items() if name != context.machine}
    machines = tuple(context.pair.machines)
    zone, port = (dns.zone, dns.port) if dns is not None else ("", 53)

    def server(name: str, address: str) -> Probe[name_server.ServerAnswer | PeerEvidence]:
        return Probe(
            lambda: name_server.ask_role(name, address, zone, machines, port=port),
            lambda seconds: name_server.late(name, seconds),
        )

    return [server(name, address) for name, address in others.items()]


def _swapped(context: Context, role: Role) -> bool:
    store = GenerationStore(context.places)
    active = store.pointed_to(role.link)
    if active is not None and active.role is role:
        return True
    target = store.newest(role) or _rendered(context, role)
    if target is None:
        return False
    try:
        with directory_lock_best_effort(context.places, f"boot-guard, {role.value}", must=role is Role.PRIMARY):
            store.activate(target)
    except HotstandbyError:
        return False
    return True


def _rendered(context: Context, role: Role) -> Generation | None:
    """Both roles are on disk beforehand, unless somebody removed them."""
    try:
        prepare(context.places, context.pair, context.machine, Role.STANDBY if role.is_dns else role)
    except (HotstandbyError, OSError):
        return None
    return GenerationStore(context.places).newest(role)

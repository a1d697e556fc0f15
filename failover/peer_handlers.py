"""What this machine does when its peer asks: one handler for each of the eight requests.

A demotion is carried to its end even when the connection breaks meanwhile; one whose asker has gone before it began is
not begun, for the asker may have said by then that nothing changed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from failover.context import Context
from failover.demotion import demotion, drain
from failover.demotion.boot_guard import ask_servers
from failover.drill.leg import last_leg
from failover.facts import shared_facts
from failover.peer.messages import (
    DemotionReport,
    PeerAnswer,
    PeerFacts,
    PeerRefusal,
    PeerRequest,
    SetupDigest,
    StepReport,
    SwitchoverReport,
    Verb,
)
from failover.peer.secrets import SecretsQuestion, answered
from failover.peer.service import Asker, Handler, log
from failover.probes.own_status import status
from failover.promotion.promote import promote
from failover.promotion.request import PromotionRequest
from failover.runner.signals import hold_signals
from failover.state import claim, local_state
from failover.steps.dns import bind_role
from host.errors import HotstandbyError
from host.printable import printable
from localized.generations.store import GenerationStore
from localized.role import Role
from pair.public_role import FAR, believed, epochs_told

GIVE_WAY_S: Final = 5.0
"""Seconds for a promotion here to end between two of its steps; the demotion does not wait for it longer."""


def _status(context: Context, _request: PeerRequest, _asker: Asker) -> PeerAnswer:
    return status(context)


def _digest(context: Context, _request: PeerRequest, _asker: Asker) -> PeerAnswer:
    """What tells this machine's set-up from another."""
    store = GenerationStore(context.places)
    newest = {role.value: found.digest for role in Role if (found := store.newest(role)) is not None}
    return SetupDigest(machine=context.machine, pair_digest=context.pair.digest, generations=newest)


def _facts(context: Context, _request: PeerRequest, _asker: Asker) -> PeerAnswer:
    return PeerFacts(machine=context.machine, facts=shared_facts.facts(context), wall=time.time())


def _secrets(context: Context, _request: PeerRequest, asker: Asker) -> PeerAnswer:
    """Says which of the asker's secrets differ from ours. Each question is logged: it is one guess at each of them."""
    log(context.places, f"{asker.address} compares secrets")
    try:
        return answered(context, SecretsQuestion.model_validate_json(asker.read_input()))
    except ValueError:
        return PeerRefusal(reason="What was to be compared is not a question of hotstandby.")


def _drain(context: Context, request: PeerRequest, _asker: Asker) -> PeerAnswer:
    """Its gate refuses calls by address for a moment; the status tells what is left."""
    try:
        drain.override_gate(context, drain.GateOverride.REFUSE, request.seconds)
    except HotstandbyError as error:
        return PeerRefusal(reason=str(error))
    return status(context)


def _switchover(context: Context, _request: PeerRequest, asker: Asker) -> PeerAnswer:
    """Makes this machine primary, as `failover switchover` typed here would; the peer is asked to demote itself."""
    log(context.places, f"{asker.address} asks for: switchover to {context.machine}")
    return _promoted(context, PromotionRequest("switchover"))


def _serve(context: Context, request: PeerRequest, asker: Asker) -> PeerAnswer:
    """Makes this machine primary again, which gave way to a promotion that its peer has taken back.

    The peer says of itself that it serves nothing, over its own key, and has no reason to say so otherwise; a look that
    shows the contrary is believed first. Only the promotion that this machine gave way to last can be taken back so.
    """
    known = local_state.read_state(context.places, context.machine)
    promised = claim.promised_epoch(context.places)
    if known.is_primary:
        return _refused(context, asker, f"{context.machine} is primary already: {known.why}")
    if promised == 0 or promised != request.epoch:
        why = f"{context.machine} did not give way to promotion {request.epoch} last, and serves for nobody's asking"
        return _refused(context, asker, why)
    log(context.places, f"{asker.address} asks for: serve {request.epoch}")
    word = f"{context.peer} says that it took its promotion {request.epoch} back and serves nothing"
    return _promoted(context, PromotionRequest("promote", word=word, handed_back=True))


def _promoted(context: Context, asked: PromotionRequest) -> PeerAnswer:
    try:
        ended = promote(context, asked)
    except HotstandbyError as error:
        log(context.places, f"no {asked.command}: {error}")
        return PeerRefusal(reason=str(error))
    leg = last_leg(context)
    log(context.places, f"{asked.command}: {ended.words}")
    return SwitchoverReport(
        machine=context.machine,
        run=leg.run,
        epoch=leg.epoch,
        exit=int(ended.exit),
        words=printable(ended.words, 600),
        seconds=round(ended.seconds, 3),
        moved_s=leg.moved_s,
        steps=tuple(
            StepReport(step=one.step, progress=one.progress, seconds=one.seconds, words=printable(one.words, 600))
            for one in leg.steps
        ),
    )


def _demote(context: Context, request: PeerRequest, asker: Asker) -> PeerAnswer:
    epoch = request.epoch
    if why := _why_not_demoted(context, epoch):
        return _refused(context, asker, why)
    if asker.has_gone():
        words = f"{asker.address} asked for: demote {epoch}, and has gone; nothing was done"
        log(context.places, words)
        return PeerRefusal(reason=words)
    log(context.places, f"{asker.address} asks for: demote {epoch}")
    with hold_signals(), ThreadPoolExecutor(1) as beside:
        _give_way(context, epoch)
        # Side by side: callers wait until the answer is out.
        dns = beside.submit(_stand_down_in_dns, context)
        done = demotion.demote(context, f"{context.peer} asked for it over ssh, for its promotion {epoch}")
        said = dns.result()
    log(context.places, "; ".join(part for part in (done.words, said) if part))
    return DemotionReport(
        machine=context.machine,
        epoch=epoch,
        proven=done.proven,
        words="; ".join(part for part in (done.words, *done.notes, said) if part),
        seconds=round(done.seconds, 3),
        killed=bool(done.killed),
    )


def _why_not_demoted(context: Context, epoch: int) -> str:
    """Why this machine does not demote itself for the peer's promotion `epoch`; "" where it does."""
    known = local_state.read_state(context.places, context.machine)
    if known.right.held and epoch <= known.right.epoch:
        # A request that was delayed on its way must not take down who was promoted after it.
        return (
            f"{context.machine} holds the right of epoch {known.right.epoch}, and was asked to demote for the earlier "
            f"epoch {epoch}"
        )
    peer_preferred = context.pair.preferred == context.peer
    if known.claim and not claim.gives_way(known.claim, epoch, peer_preferred=peer_preferred):
        return f"{context.machine} is being promoted itself, with epoch {known.claim}"
    return _far(context, epoch, known.epoch)


def _far(context: Context, epoch: int, known: int) -> str:
    """Why a number is not believed; "" where it is near to what is known here, or to what a name server tells.

    Whoever holds the peer's key may ask for any: a number that was believed once stands in the journals for good, and
    each promotion after it must have a higher one.
    """
    if epoch <= known + FAR:
        return ""
    others = {name: tells for name, tells in epochs_told(ask_servers(context)).items() if name != context.peer}
    if context.peer not in believed({**others, context.peer: epoch}, known).left_out:
        return ""
    return (
        f"{context.machine} was asked to demote for promotion {epoch}, knows of none after {known}, and no name server "
        f"tells one near it; nothing was done. To demote it all the same, there, type: failover demote"
    )


def _refused(context: Context, asker: Asker, why: str) -> PeerRefusal:
    log(context.places, f"refused {asker.address}: {why}")
    return PeerRefusal(reason=why)


def _stand_down_in_dns(context: Context) -> str:
    """Gives the zone up before the peer takes it; what goes wrong is told, and changes nothing about the PBX."""
    try:
        return bind_role.give_zone_up(context.places, context.pair.dns)
    except (HotstandbyError, OSError) as error:
        return f"its BIND was not made secondary: {error}"


def _give_way(context: Context, epoch: int) -> None:
    """From here on no right of this epoch is granted here; a promotion that runs gets a moment to see it."""
    try:
        claim.promise_epoch(context.places, epoch)
    except OSError as error:
        log(context.places, f"the promise to give way to {epoch} could not be noted: {error.strerror}")
    until = time.monotonic() + GIVE_WAY_S
    while claim.is_running(context.places) and time.monotonic() < until:
        time.sleep(0.1)


HANDLERS: Final[Mapping[Verb, Handler]] = {
    "status": _status,
    "digest": _digest,
    "facts": _facts,
    "secrets": _secrets,
    "switchover": _switchover,
    "demote": _demote,
    "serve": _serve,
    "drain": _drain,
}
"""Verb -> what it does here; promotion and demotion of this machine are the same as when a person types them."""

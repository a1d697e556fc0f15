"""What the peer may have this machine do: eight requests, answered; anything else refused and logged.

It runs as the forced command of the peer's key, so its input is the environment variable SSH_ORIGINAL_COMMAND and
its output goes back over ssh. A demotion is carried to its end even when the connection breaks meanwhile; one whose
asker has gone before it began is not begun, for the asker may have said by then that nothing changed.

A switchover asks several times, and whoever asks waits: each request loads what it needs itself.
"""

from __future__ import annotations

import os
import select
import sys
import syslog
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from failover.context import Context
from failover.peer.messages import (
    LONGEST,
    DemotionReport,
    NotUnderstood,
    PeerAnswer,
    PeerFacts,
    PeerRefusal,
    PeerRequest,
    SetupDigest,
    StepReport,
    SwitchoverReport,
    parse_request,
)
from failover.probes.own_status import status
from failover.runner.signals import hold_signals
from failover.state import claim, local_state
from host.errors import HotstandbyError
from host.places import Places
from host.printable import printable
from localized.generations.store import GenerationStore
from localized.role import Role
from pair.public_role import FAR, believed

if TYPE_CHECKING:
    from failover import promotion

GIVE_WAY_S: Final = 5.0
"""Seconds for a promotion here to end between two of its steps; the demotion does not wait for it longer."""
GIVEN_S: Final = 3.0
"""Seconds for what comes on standard input."""
LOG_LIMIT: Final = 1024 * 1024
"""Bytes of peer.log before it is moved to peer.log.1."""


def answer(context: Context, environ: Mapping[str, str]) -> tuple[PeerAnswer, bool]:
    """The answer to what is asked, and whether it was done."""
    asked = environ.get("SSH_ORIGINAL_COMMAND", "")
    who = environ.get("SSH_CONNECTION", "somebody").split(" ")[0]
    try:
        wanted = parse_request(asked)
    except NotUnderstood as error:
        log(context.places, f"refused {who}: {error}")
        return PeerRefusal(reason=str(error)), False
    if wanted.verb == "demote":
        return _demote(context, wanted, who)
    if wanted.verb == "switchover":
        log(context.places, f"{who} asks for: switchover to {context.machine}")
        return switched(context)
    if wanted.verb == "serve":
        return _serve(context, wanted, who)
    if wanted.verb == "drain":
        return _drain(context, wanted)
    if wanted.verb == "digest":
        return digest(context), True
    if wanted.verb == "secrets":
        return _secrets(context, who)
    if wanted.verb == "facts":
        from failover.checks.shared_facts import facts

        return PeerFacts(machine=context.machine, facts=facts(context), wall=time.time()), True
    return status(context), True


def _secrets(context: Context, who: str) -> tuple[PeerAnswer, bool]:
    """Says which of the asker's secrets differ from ours. Each question is logged: it is one guess at each of them."""
    from failover.peer.secrets import SecretsQuestion, answered

    log(context.places, f"{who} compares secrets")
    try:
        return answered(context, SecretsQuestion.model_validate_json(_given())), True
    except ValueError:
        return PeerRefusal(reason="What was to be compared is not a question of hotstandby."), False


def _given() -> bytes:
    """What the asker sends besides; bounded in size and in time."""
    found, until = bytearray(), time.monotonic() + GIVEN_S
    descriptor = sys.stdin.fileno()
    while len(found) <= LONGEST:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        part = os.read(descriptor, 65536) if ready else b""
        if not part:
            return bytes(found)
        found += part
    return b""


def digest(context: Context) -> SetupDigest:
    """What tells this machine's set-up from another."""
    store = GenerationStore(context.places)
    newest = {role.value: found.digest for role in Role if (found := store.newest(role)) is not None}
    return SetupDigest(machine=context.machine, pair_digest=context.pair.digest, generations=newest)


def switched(context: Context) -> tuple[PeerAnswer, bool]:
    """Makes this machine primary, as `failover switchover` typed here would; the peer is asked to demote itself."""
    from failover.promotion import PromotionRequest

    return _promoted(context, PromotionRequest("switchover"))


def _serve(context: Context, wanted: PeerRequest, who: str) -> tuple[PeerAnswer, bool]:
    """Makes this machine primary again, which gave way to a promotion that its peer has taken back.

    The peer says of itself that it serves nothing, over its own key, and has no reason to say so otherwise; a look that
    shows the contrary is believed first. Only the promotion that this machine gave way to last can be taken back so.
    """
    from failover.promotion import PromotionRequest

    known = local_state.read_state(context.places, context.machine)
    promised = claim.promised_epoch(context.places)
    words = ""
    if known.is_primary:
        words = f"{context.machine} is primary already: {known.why}"
    elif promised == 0 or promised != wanted.epoch:
        words = f"{context.machine} did not give way to promotion {wanted.epoch} last, and serves for nobody's asking"
    if words:
        log(context.places, f"refused {who}: {words}")
        return PeerRefusal(reason=words), False
    log(context.places, f"{who} asks for: serve {wanted.epoch}")
    word = f"{context.peer} says that it took its promotion {wanted.epoch} back and serves nothing"
    return _promoted(context, PromotionRequest("promote", word=word, handed_back=True))


def _promoted(context: Context, asked: promotion.PromotionRequest) -> tuple[PeerAnswer, bool]:
    from failover import promotion
    from failover.drill.leg import last_leg

    try:
        ended = promotion.promote(context, asked)
    except HotstandbyError as error:
        log(context.places, f"no {asked.command}: {error}")
        return PeerRefusal(reason=str(error)), False
    leg = last_leg(context)
    log(context.places, f"{asked.command}: {ended.words}")
    return (
        SwitchoverReport(
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
        ),
        True,
    )


def _drain(context: Context, wanted: PeerRequest) -> tuple[PeerAnswer, bool]:
    """Its gate refuses calls by address for a moment; the status tells what is left."""
    from failover.demotion import drain

    try:
        drain.override_gate(context, drain.GateOverride.REFUSE, wanted.seconds)
    except HotstandbyError as error:
        return PeerRefusal(reason=str(error)), False
    return status(context), True


def _demote(context: Context, wanted: PeerRequest, who: str) -> tuple[PeerAnswer, bool]:
    from failover.demotion import demotion

    known = local_state.read_state(context.places, context.machine)
    if known.right.held and wanted.epoch <= known.right.epoch:
        # A request that was delayed on its way must not take down who was promoted after it.
        words = (
            f"{context.machine} holds the right of epoch {known.right.epoch}, and was asked to demote for the earlier "
            f"epoch {wanted.epoch}"
        )
        log(context.places, f"refused {who}: {words}")
        return PeerRefusal(reason=words), False
    peer_preferred = context.pair.preferred == context.peer
    if known.claim and not claim.gives_way(known.claim, wanted.epoch, peer_preferred=peer_preferred):
        words = f"{context.machine} is being promoted itself, with epoch {known.claim}"
        log(context.places, f"refused {who}: {words}, against {wanted.epoch}")
        return PeerRefusal(reason=words), False
    if far := _far(context, wanted.epoch, known.epoch):
        log(context.places, f"refused {who}: {far}")
        return PeerRefusal(reason=far), False
    if _nobody_listens():
        words = f"{who} asked for: demote {wanted.epoch}, and has gone; nothing was done"
        log(context.places, words)
        return PeerRefusal(reason=words), False
    log(context.places, f"{who} asks for: demote {wanted.epoch}")
    with hold_signals(), ThreadPoolExecutor(1) as beside:
        _give_way(context, wanted.epoch)
        # Side by side: callers wait until the answer is out.
        dns = beside.submit(_stood_down_in_dns, context)
        done = demotion.demote(context, f"{context.peer} asked for it over ssh, for its promotion {wanted.epoch}")
        said = dns.result()
    log(context.places, "; ".join(part for part in (done.words, said) if part))
    return (
        DemotionReport(
            machine=context.machine,
            epoch=wanted.epoch,
            proven=done.proven,
            words="; ".join(part for part in (done.words, *done.notes, said) if part),
            seconds=round(done.seconds, 3),
            killed=bool(done.killed),
        ),
        done.proven,
    )


def _far(context: Context, epoch: int, known: int) -> str:
    """Why a number is not believed; "" where it is near to what is known here, or to what a name server tells.

    Whoever holds the peer's key may ask for any: a number that was believed once stands in the journals for good, and
    each promotion after it must have a higher one.
    """
    if epoch <= known + FAR:
        return ""
    from failover.demotion.boot_guard import ask_servers
    from pair.public_role import epochs_told

    others = {name: tells for name, tells in epochs_told(ask_servers(context)).items() if name != context.peer}
    if context.peer not in believed({**others, context.peer: epoch}, known).left_out:
        return ""
    return (
        f"{context.machine} was asked to demote for promotion {epoch}, knows of none after {known}, and no name server "
        f"tells one near it; nothing was done. To demote it all the same, there, type: failover demote"
    )


def _nobody_listens() -> bool:
    """Whether the other end of our output is closed: sshd closes it when its connection ends."""
    try:
        waiting = select.poll()
        waiting.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in waiting.poll(0))
    except (OSError, ValueError):
        return False


def _stood_down_in_dns(context: Context) -> str:
    """Gives the zone up before the peer takes it; what goes wrong is told, and changes nothing about the PBX."""
    from failover.steps.dns import bind_role as dns_role

    try:
        return dns_role.give_zone_up(context.places, context.pair.dns)
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


def log(places: Places, words: str) -> None:
    """One line to syslog and to peer.log in the state directory; neither is waited for, and neither may fail us."""
    line = printable(words, 1000)
    syslog.syslog(syslog.LOG_AUTH | syslog.LOG_NOTICE, f"hotstandby peer: {line}")
    path = places.state / "peer.log"
    try:
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            os.write(descriptor, f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n".encode())
        finally:
            os.close(descriptor)
    except OSError:
        return

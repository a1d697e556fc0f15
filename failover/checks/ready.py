"""Could this machine be promoted in the next minute? One item each, good or what is missing. Rules only, no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from failover.checks.overtaken import COMMAND, overtaken
from failover.peer.secrets import SecretsComparison
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes.evidence import Evidence
from failover.steps.proof.external_checks import ProofResult
from host.durations import lasting
from host.exits import Exit
from pair import Pair, Trunk, public_role
from pair.public_role import believed


class Good(Enum):
    """Whether an item stands in the way."""

    YES = "ready"
    LATER = "degraded"
    """A promotion would work, and end degraded, or need a person."""
    UNSEEN = "unknown"
    """Nobody can say: never as good as ready."""
    NO = "missing"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a promotion needs.

    Attributes:
        name: of it, one or two words.
        good: whether it is there.
        words: what was seen.
        age_s: seconds since it was seen to be so; 0 for now.
        mend: what to type where it is not good.
    """

    name: str
    good: Good
    words: str
    age_s: float = 0.0
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What lies ready on this machine's disk.

    Attributes:
        generation: name of the newest primary generation; empty where there is none.
        age_s: seconds since it was rendered.
        of_this_pair: whether it was rendered from the pair.toml that serves.
        stops: what render-localized --check says would stop its activation.
        secrets: what is wrong with secrets.
        warning: why pair.toml does not serve as it is.
        free_bytes: left for the journal.
        fenced, open_run, paused: as in Standing.
        zone: what would keep this machine from changing the zone; empty where nothing does.
        epoch: the highest promotion that this machine's files tell.
        right_epoch: of the right that it holds; 0 for none, and for a person's word.
        proven: trunk -> when its present password registered last from here; see standing.proven.
    """

    generation: str
    age_s: float
    of_this_pair: bool
    stops: tuple[str, ...]
    secrets: tuple[str, ...]
    warning: str
    free_bytes: int
    fenced: str
    open_run: str
    paused: str
    zone: str = ""
    epoch: int = 0
    right_epoch: int = 0
    proven: Mapping[str, float] = field(default_factory=dict)


JOURNAL_BYTES = 4 * 1024 * 1024
"""A run writes some 20 KiB; less room than this is about to be none."""


def items(
    pair: Pair,
    machine: str,
    prepared: Prepared,
    evidence: Evidence,
    registrars: dict[str, ProbeResult],
    *,
    primary: bool,
    domino: Sequence[ProofResult] = (),
    secrets: SecretsComparison | None = None,
) -> tuple[Item, ...]:
    """Every item, in the order in which a promotion would need it.

    Args:
        registrars: trunk -> whether its carrier answers this machine (OPTIONS, POKE), by asking and never by dialling.
        primary: this machine is primary already: then it is asked whether it is whole.
        domino: whether each alias reaches this machine's own site, as the rehearsal and the proof look at it.
        secrets: how the peer's compare with ours; None where it was not asked.
    """
    return (
        *_overtaken(machine, prepared, evidence, primary=primary),
        *_own(prepared),
        _peer(pair, machine, evidence, primary=primary),
        _asterisk(evidence),
        *_generation(prepared),
        *_secrets(pair, machine, evidence, secrets, prepared.proven, primary=primary),
        *_carriers(pair, machine, registrars),
        *_dns(pair, machine, prepared, evidence),
        *(_site(one) for one in domino),
        _clock(evidence),
    )


def exit_code(found: tuple[Item, ...]) -> Exit:
    """0 ready; 5 it would end degraded or need a person, or something is not known; 1 not ready."""
    worst = {item.good for item in found}
    if Good.NO in worst:
        return Exit.FAILED
    return Exit.DEGRADED if worst & {Good.LATER, Good.UNSEEN} else Exit.DONE


def _overtaken(machine: str, prepared: Prepared, evidence: Evidence, *, primary: bool) -> Iterator[Item]:
    found = overtaken(
        machine,
        serves=primary,
        epoch=prepared.right_epoch,
        known=prepared.epoch,
        said=[one.said for one in evidence.servers],
        other=evidence.peer.status,
    )
    if found is not None:
        yield Item("OVERTAKEN", Good.NO, found.words, mend=COMMAND)


def _own(prepared: Prepared) -> Iterator[Item]:
    if prepared.fenced:
        yield Item("fence", Good.NO, f"fenced: {prepared.fenced}", mend="failover boot-guard")
    if prepared.open_run:
        word = prepared.open_run.split(" ")[0]
        yield Item("journal", Good.NO, f"{prepared.open_run} is open", mend=f"failover {word}")
    elif prepared.free_bytes < JOURNAL_BYTES:
        words = f"{prepared.free_bytes // 1024} KiB are left on its disk"
        yield Item("journal", Good.NO, words, mend="df -h /var/lib/hotstandby")
    else:
        yield Item("journal", Good.YES, "no run is open, its disk has room")
    if prepared.paused:
        yield Item("pause", Good.LATER, f"paused: {prepared.paused}", mend="failover unpause")
    if prepared.warning:
        yield Item("pair.toml", Good.LATER, prepared.warning.partition("\n")[0], mend="render-localized --check")


def _peer(pair: Pair, machine: str, evidence: Evidence, *, primary: bool) -> Item:
    peer = pair.peer_of(machine)
    status = evidence.peer.status
    if status is None:
        words = evidence.peer.found.words
        if pair.fence is not None:
            return Item("fence", Good.YES, f"{words}; the program of [fence] would cut it off")
        mend = f"see to {peer}: its power, its network, its ssh (docs/start/peer-ssh.md)"
        return Item("fence", Good.LATER, f"{words}; a person would have to say --peer-is-down", mend=mend)
    if primary:
        return Item("peer", Good.YES, f"{peer} answers: {status.why}")
    return Item("fence", Good.YES, f"{peer} answers and would demote itself: {status.why}")


def _asterisk(evidence: Evidence) -> Item:
    own = evidence.own.pbx
    good = Good.YES if own.listed else Good.NO
    calls = f", {own.calls} calls" if own.calls else ""
    return Item("asterisk", good, f"{own.words}{calls}", mend="" if own.listed else "systemctl status asterisk")


def _generation(prepared: Prepared) -> Iterator[Item]:
    render = "render-localized --role primary"
    if not prepared.generation:
        yield Item("files", Good.LATER, "no primary generation is on disk; a promotion would render one", mend=render)
    elif not prepared.of_this_pair:
        words = f"{prepared.generation} was rendered from an earlier pair.toml"
        yield Item("files", Good.LATER, words, prepared.age_s, mend=render)
    else:
        words = f"{prepared.generation}, rendered {lasting(prepared.age_s)} ago"
        yield Item("files", Good.YES, words, prepared.age_s)
    for text in prepared.stops:
        yield Item("files", Good.NO, text, mend="render-localized --check")
    for text in prepared.secrets:
        yield Item("secrets", Good.NO, text, mend="failover check")
    if not prepared.secrets:
        yield Item("secrets", Good.YES, "all there, and closed to others")


def _secrets(
    pair: Pair,
    machine: str,
    evidence: Evidence,
    secrets: SecretsComparison | None,
    proven: Mapping[str, float],
    *,
    primary: bool,
) -> Iterator[Item]:
    """The same on both machines, and taken by the carriers: else a drill finds it out, with a number off the air."""
    if secrets is None:
        return
    peer = pair.peer_of(machine)
    needed = {f"trunks.{name}.secret_file" for name in pair.trunks if _stops(pair.trunk_on(name, machine))}
    for path in secrets.grave:
        words = f"{path} is another one than {peer}'s: one of the two is wrong"
        good = Good.NO if path in needed else Good.LATER
        yield Item("secrets", good, words, mend=f"write the right one on both; the value of {path} names its file")
    if secrets.unknown:
        words = f"whether {peer} has the same secrets is not known: {secrets.unknown}"
        yield Item("secrets", Good.UNSEEN, words, mend=f"see to {peer}'s ssh (docs/start/peer-ssh.md)")
    status = evidence.peer.status
    held = {one.trunk for one in evidence.own.pbx.registrations if one.registered} if primary else set()
    if status is not None:
        same = {path.split(".")[1] for path in secrets.same if path.startswith("trunks.")}
        held |= same & {one.trunk for one in status.asterisk.registrations if one.registered}
    for name in pair.trunks:
        trunk = pair.trunk_on(name, machine)
        if trunk.register_ and trunk.account == "shared" and name not in held and name not in proven:
            words = f"no carrier was seen to take {name}'s password, from here or, the same one, from {peer}"
            yield Item("secrets", Good.UNSEEN, words, mend="failover drill")


def _stops(trunk: Trunk) -> bool:
    return trunk.emergency or trunk.required


def _carriers(pair: Pair, machine: str, registrars: dict[str, ProbeResult]) -> Iterator[Item]:
    for name, found in registrars.items():
        trunk = pair.trunk_on(name, machine)
        kind = f"{name}, emergency" if trunk.emergency else name
        good = Good.YES
        if found.answer is not ProbeAnswer.YES:
            # Nobody should be promoted blind where emergency calls, or what pair.toml requires, have no way out.
            good = Good.NO if _stops(trunk) else Good.LATER
        words = f"{found.words} in {found.seconds * 1000:.0f} ms" if good is Good.YES else found.words
        yield Item(kind, good, words, mend="" if good is Good.YES else f"look at the network to {trunk.host}")


def _dns(pair: Pair, machine: str, prepared: Prepared, evidence: Evidence) -> Iterator[Item]:
    if pair.dns is None:
        return
    if prepared.zone:
        yield Item("dns zone", Good.LATER, prepared.zone, mend="failover check")
    said = [one.said for one in evidence.servers]
    told = public_role.epochs_told(said)
    if evidence.peer.status is not None:
        told[pair.peer_of(machine)] = evidence.peer.status.epoch
    left_out = believed(told, prepared.epoch).left_out
    newest = public_role.newest(said, leaving_out=left_out)
    answered = [one.said for one in evidence.servers if one.said.answered]
    if answered and not any(one.role for one in answered):
        words = "no name server has a record of who is primary: after a reboot nobody would serve"
        yield Item("dns record", Good.LATER, words, mend="failover promote, on the machine that serves")
    for one in evidence.servers:
        look = f"dig @{pair.dns.servers.get(one.said.server, '')} {public_role.NAME}.{pair.dns.zone} TXT"
        if one.said.role is not None and one.said.role != newest:
            words = f"{one.found.words}; others say {newest}" if newest else one.found.words
            if one.said.server in left_out:
                words += f"; {prepared.epoch} is known here, so it is not believed"
            yield Item(f"dns {one.said.server}", Good.LATER, words, mend=look)
            continue
        good = one.found.answer is ProbeAnswer.YES
        needed = one.said.server == machine
        level = Good.YES if good else Good.NO if needed else Good.LATER
        mend = "" if good else f"failover check, on {one.said.server}" if needed else look
        yield Item(f"dns {one.said.server}", level, one.found.words, mend=mend)


def _clock(evidence: Evidence) -> Item:
    good = {ProbeAnswer.YES: Good.YES, ProbeAnswer.ODD: Good.LATER}.get(evidence.clock.answer, Good.UNSEEN)
    return Item("clock", good, evidence.clock.words, mend="timedatectl, on both" if good is not Good.YES else "")


def _site(one: ProofResult) -> Item:
    if one.good:
        return Item("domino", Good.YES, one.words)
    return Item("domino", Good.LATER if one.good is False else Good.UNSEEN, one.words, mend="systemctl status domino")

"""What keeps the peer from giving way, or makes the two machines differ in what must be the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from failover.checks.check import Finding, FindingLevel, Lifted, Refusal
from failover.facts.facts import Facts
from failover.overview.overtaken import COMMAND, overtaken
from failover.probe_result import ProbeAnswer
from failover.steps.fence.refusal import refusal_text
from host.durations import lasting
from pair import Trunk

TSIG_S: Final = 300.0
"""Seconds that clocks may differ before name servers refuse our signature (RFC 8945 §10)."""
NO_CLOCK_YEAR: Final = 2025
"""A clock that says an earlier year was never set since this machine was built."""
OLD_SYNC_S: Final = 86400.0
"""A day: what was changed on the dead machine since then is not here."""


def was_overtaken(facts: Facts) -> Iterator[Finding]:
    """The other machine was promoted later, and this one still serves."""
    found = overtaken(
        facts.machine,
        serves=facts.is_primary,
        epoch=facts.right_epoch,
        known=facts.epoch,
        said=facts.answers,
        other=facts.peer_status,
    )
    if found is not None:
        yield Finding(FindingLevel.BLOCKER, found.words, COMMAND)


def gives_way(facts: Facts) -> Iterator[Finding]:
    """The peer can be asked to demote itself, or be cut off; without either, only a person can know."""
    peer, status, asked = facts.peer, facts.peer_status, facts.evidence.peer.found
    see_to = f"see to {peer}: its power, its network, its ssh (docs/start/peer-ssh.md)"
    if status is not None:
        item = "peer" if facts.is_primary else "fence"
        words = "answers" if facts.is_primary else "answers and would demote itself"
        yield Finding(FindingLevel.GOOD, f"{peer} {words}: {status.why}", item=item)
        return
    if facts.command == "switchover" and not facts.serves:
        words = f"{asked.words}; a switchover needs {peer} to demote itself."
        refused = Refusal("peer-not-reached", Lifted.BY_NOTHING, f"{words} Type: failover promote")
        yield Finding(FindingLevel.BLOCKER, words, see_to, item="fence", refusal=refused)
    elif facts.pair.fence is not None:
        yield Finding(FindingLevel.GOOD, f"{asked.words}; the program of [fence] would cut it off", item="fence")
    elif facts.serves or not facts.word:
        refused = Refusal(
            "peer-may-live", Lifted.BY_WORD, refusal_text(facts.pair, peer, facts.evidence.of_peer, facts.now)
        )
        words = f"{asked.words}; a person would have to say --peer-is-down"
        yield Finding(FindingLevel.ERROR, words, see_to, item="fence", refusal=None if facts.serves else refused)
    else:
        # That it answers ping contradicts nobody; an Asterisk that answers at this moment does, short of --force.
        answers = [one.words for one in facts.evidence.of_peer if one.probe == "sip" and one.answer is ProbeAnswer.YES]
        if answers:
            words = f"{'; '.join(answers)} at this moment: its Asterisk runs, and may hold every account."
            mend = "Take its power or its network away until it is silent, then type the same again"
            refused = Refusal("asterisk-answers", Lifted.BY_FORCE)
            yield Finding(FindingLevel.BLOCKER, words, mend, item="fence", refusal=refused)


def ssh(facts: Facts) -> Iterator[Finding]:
    """The peer's ssh works, where something else would cut it off; and a peer that is primary has an Asterisk."""
    status = facts.peer_status
    if status is None and facts.pair.fence is not None:
        yield Finding(
            FindingLevel.ERROR,
            f"{facts.evidence.peer.found.words}. It could not be asked to demote itself, and would be cut off.",
            "Set ssh up as docs/start/peer-ssh.md says, on both machines; try it with: failover status",
        )
    elif status is not None and status.is_primary and status.asterisk.state != "answers":
        yield Finding(FindingLevel.ERROR, f"{status.asterisk.words}, and it is primary.", "Look with: failover status")


def same_pair_toml(facts: Facts) -> Iterator[Finding]:
    """pair.toml is valid here, and the same there."""
    if facts.warning:
        yield Finding(FindingLevel.ERROR, facts.warning, "Mend it; then: render-localized --check")
    status = facts.peer_status
    if status is None or status.pair_digest == facts.pair.digest:
        return
    words = (
        f"pair.toml differs between {facts.machine} and {facts.peer}: what one takes for the other's account may be "
        "its own."
    )
    mend = "Bring the same file to both, and look with: failover compare"
    if facts.serves:
        yield Finding(FindingLevel.ERROR, words, mend)
    else:
        yield Finding(FindingLevel.BLOCKER, words, mend, refusal=Refusal("pair-differs", Lifted.BY_FORCE))


def same_secrets(facts: Facts) -> Iterator[Finding]:
    """Both machines have the same secrets, and the carriers take them: else a drill finds it out, with a number off
    the air."""
    compared, peer = facts.compared, facts.peer
    needed = {f"trunks.{name}.secret_file" for name, trunk in facts.trunks.items() if stops(trunk)}
    for path in compared.grave:
        yield Finding(
            FindingLevel.BLOCKER if path in needed else FindingLevel.ERROR,
            f"{path} names another secret here than on {peer}: one of the two is wrong, and a promotion to the machine "
            "that has it takes what it is for off the air.",
            f"Write the right one on both; the value of {path} names its file",
        )
    if compared.unknown:
        yield Finding(
            FindingLevel.UNSEEN,
            f"Whether {peer} has the same secrets is not known: {compared.unknown}",
            f"See to {peer}'s ssh (docs/start/peer-ssh.md), and have the same hotstandby on both",
        )
    held = {one.trunk for one in facts.evidence.own.pbx.registrations if one.registered and facts.is_primary}
    if facts.peer_status is not None:
        same = {path.split(".")[1] for path in compared.same if path.startswith("trunks.")}
        held |= same & {one.trunk for one in facts.peer_status.asterisk.registrations if one.registered}
    for name, trunk in facts.trunks.items():
        if trunk.register_ and trunk.account == "shared" and name not in held and name not in facts.proven:
            words = f"No carrier was seen to take {name}'s password, from here or, the same one, from {peer}"
            yield Finding(FindingLevel.UNSEEN, words, "failover drill")


def stops(trunk: Trunk) -> bool:
    """Nobody should be promoted blind where emergency calls, or what pair.toml requires, have no way out."""
    return trunk.emergency or trunk.required


def clocks(facts: Facts) -> Iterator[Finding]:
    """This machine's clock is set, and the peer's says the same."""
    seen, mend = facts.evidence.clock, "timedatectl, on both; then: systemctl enable --now systemd-timesyncd"
    refused = Refusal("clock", Lifted.BY_FORCE)
    if facts.now.year < NO_CLOCK_YEAR:
        words = f"The clock of {facts.machine} says {facts.now.year}."
        yield Finding(FindingLevel.BLOCKER, words, "Set it, look with: timedatectl", refusal=refused)
    elif seen.answer is ProbeAnswer.ODD and abs(facts.evidence.peer.clock_s) > TSIG_S:
        words = f"{seen.words}; name servers refuse signatures that are more than {TSIG_S:.0f} s old or early"
        yield Finding(FindingLevel.BLOCKER, words, mend, refusal=refused)
    else:
        known = {ProbeAnswer.YES: FindingLevel.GOOD, ProbeAnswer.ODD: FindingLevel.ERROR}
        level = known.get(seen.answer, FindingLevel.UNSEEN)
        yield Finding(level, seen.words, mend if level is not FindingLevel.GOOD else "")


def synced_lately(facts: Facts) -> Iterator[Finding]:
    """What was changed on the other machine lies here too."""
    if facts.sync_age_s is not None and facts.sync_age_s > OLD_SYNC_S:
        words = (
            f"The last sync with {facts.peer} ended {lasting(facts.sync_age_s)} ago: what was changed there since is "
            f"not on {facts.machine}."
        )
        refused = Refusal("sync-old", Lifted.BY_FORCE)
        yield Finding(FindingLevel.BLOCKER, words, "Sync again, where both can be reached.", refusal=refused)

"""What would make this machine unready, or a second primary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from failover.checks.facts import Facts
from failover.checks.finding import Finding, Level, Rule
from failover.probes.evidence import CLOCK_S


def pair_toml(facts: Facts) -> Iterator[Finding]:
    """pair.toml is valid here, and the same there."""
    if facts.warning:
        yield Finding("pair.toml", Level.ERROR, facts.warning, "Mend it; then: render-localized --check")
    if facts.peer is not None and facts.peer.pair_digest != facts.pair.digest:
        yield Finding(
            "pair.toml",
            Level.ERROR,
            f"pair.toml differs between {facts.machine} and {facts.peer.machine}.",
            "Copy the right one to the other machine; what differs besides: failover compare",
        )


def secrets(facts: Facts) -> Iterator[Finding]:
    """Every secret is there, and closed to others."""
    for text in facts.secrets:
        yield Finding("secret", Level.ERROR, text, "Then look again with: failover check")


def writable(facts: Facts) -> Iterator[Finding]:
    """Nobody but root can change what root runs or believes."""
    for text in facts.writable:
        yield Finding("writable", Level.ERROR, f"{text}.", "Then look again with: failover check")


def same_secrets(facts: Facts) -> Iterator[Finding]:
    """Both machines have the same secrets."""
    peer = facts.pair.peer_of(facts.machine)
    for path in facts.compared.grave:
        yield Finding(
            "secret",
            Level.ERROR,
            f"{path} names another secret here than on {peer}: one of the two is wrong, and a promotion to the machine "
            "that has it takes what it is for off the air.",
            "Write the right one on both; then look again with: failover check",
        )
    if facts.compared.unknown and facts.peer is not None:
        yield Finding(
            "secret",
            Level.UNSEEN,
            f"Whether {peer} has the same secrets cannot be seen: {facts.compared.unknown}",
            "Have the same hotstandby on both; then: failover compare",
        )


def not_in_files(facts: Facts) -> Iterator[Finding]:
    """What lives on one machine, and in no file that is synced."""
    yield Finding(
        "live-state",
        Level.UNSEEN,
        "Queue members who logged in by phone, call forwards and do-not-disturb live in the database of the machine "
        "that serves: after a promotion they are as they were here.",
        "What differs at this moment shows: failover compare",
    )
    yield Finding(
        "firewall",
        Level.UNSEEN,
        f"Whether the firewall of {facts.machine}, and what bans attackers there, lets in the offices, phones and "
        f"carriers that reach {facts.pair.peer_of(facts.machine)} cannot be seen from here.",
        "Compare the rules of both machines, and try a phone in a drill: failover drill --stay 300",
    )


def synced(facts: Facts) -> Iterator[Finding]:
    """What differs between the machines is never copied between them."""
    root = PurePosixPath(facts.pair.sync.root)
    localized = PurePosixPath(facts.localized)
    for name, path in sorted(facts.pair.sync.paths.items()):
        copied = root / path.path
        if localized == copied or localized.is_relative_to(copied):
            yield Finding(
                "synced",
                Level.ERROR,
                f"sync.paths.{name} copies {copied}, and the localized directory {localized} lies inside: one machine "
                "would get the other's registrations.",
                "Leave it out: name the directories beside it, not the one above it.",
            )


def peer(facts: Facts) -> Iterator[Finding]:
    """The peer can be asked to demote."""
    if facts.peer is None:
        yield Finding(
            "peer",
            Level.ERROR,
            f"{facts.peer_words}. It could not be asked to demote itself, and a person would have to give their word.",
            "Set ssh up as docs/start/peer-ssh.md says, on both machines; try it with: failover status",
        )
        return
    if facts.clock_s > CLOCK_S:
        yield Finding(
            "clock",
            Level.ERROR,
            f"The clocks of the machines differ by {facts.clock_s:.0f} s; signed updates fail from 300 s on.",
            "Look on both with: timedatectl; then: systemctl enable --now systemd-timesyncd",
        )
    if facts.peer.is_primary and facts.peer.machine != facts.machine and facts.peer.asterisk.state != "answers":
        yield Finding(
            "peer", Level.ERROR, f"{facts.peer.asterisk.words}, and it is primary.", "Look with: failover status"
        )


def guards(facts: Facts) -> Iterator[Finding]:
    """A machine that starts, starts as standby; a fenced one does not start its Asterisk."""
    if facts.pair.dns is None:
        yield Finding(
            "boot-without-dns",
            Level.WARNING,
            "pair.toml has no [dns], so no name server tells who is primary: the machine that serves starts as standby "
            "after an ordinary reboot too, and nobody serves until somebody types it.",
            "After each start of the machine that shall serve, type: failover promote; or add [dns]",
        )
    if not facts.guards.systemd:
        yield Finding(
            "boot-guard",
            Level.UNSEEN,
            "systemd does not run this machine, so it cannot be seen what starts Asterisk and named.",
            "Have it run 'failover boot-guard' before both, and neither when that fails.",
        )
        return
    if not facts.guards.guard_enabled:
        yield Finding(
            "boot-guard",
            Level.ERROR,
            f"hotstandby-boot-guard.service is not enabled: {facts.machine} would start as what it was when it died, "
            "beside the other.",
            "Type: systemctl enable hotstandby-boot-guard.service",
        )
    if not facts.guards.drop_in:
        yield Finding(
            "boot-guard",
            Level.ERROR,
            "asterisk.service does not ask for the fence: an Asterisk that was killed would be started again.",
            "Copy deploy/asterisk.service.d/hotstandby.conf to /etc/systemd/system/asterisk.service.d/, then: "
            "systemctl daemon-reload",
        )
    if facts.guards.safe_asterisk:
        yield Finding(
            "boot-guard",
            Level.WARNING,
            "Asterisk is kept by safe_asterisk, which starts it again at once and knows no fence.",
            "Start Asterisk from its unit, with Restart=on-failure, in place of safe_asterisk.",
        )


def left_over(facts: Facts) -> Iterator[Finding]:
    """Nothing is half done, held or fenced."""
    if facts.open_run.endswith("damaged"):
        yield Finding(
            "open-run",
            Level.ERROR,
            f"The journal of {facts.open_run}: what was done can no longer be told, and a promotion is refused.",
            "Type: failover history, which names the line and says how to put the file aside",
        )
    elif facts.open_run:
        word = facts.open_run.split(" ")[0]
        yield Finding(
            "open-run",
            Level.ERROR,
            f"{facts.open_run} is not complete.",
            f"Type: failover {word}, to go on; or: failover {word} --abort",
        )
    if facts.fenced:
        yield Finding(
            "fenced",
            Level.ERROR,
            f"{facts.machine} is fenced, its Asterisk does not start: {facts.fenced}",
            "Type: failover demote, which lifts it as soon as its standby files are active",
        )
    if facts.paused:
        yield Finding("paused", Level.WARNING, f"Paused: {facts.paused}", "End it with: failover unpause")


MACHINE_RULES: Final[tuple[Rule, ...]] = (
    pair_toml,
    secrets,
    same_secrets,
    not_in_files,
    writable,
    synced,
    peer,
    guards,
    left_over,
)

"""What would make this machine unready, or a second primary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from failover.checks.check import Finding, FindingLevel, Lifted, Refusal
from failover.facts.facts import Facts

JOURNAL_BYTES: Final = 4 * 1024 * 1024
"""A run writes some 20 KiB; less room than this is about to be none."""


def secrets(facts: Facts) -> Iterator[Finding]:
    """Every secret is there, and closed to others."""
    for text in facts.secrets:
        yield Finding(FindingLevel.BLOCKER, text, "Then look again with: failover check")
    if not facts.secrets:
        yield Finding(FindingLevel.GOOD, "All there, and closed to others")


def writable(facts: Facts) -> Iterator[Finding]:
    """Nobody but root can change what root runs or believes."""
    for text in facts.writable:
        yield Finding(FindingLevel.ERROR, f"{text}.", "Then look again with: failover check")


def live_state(_facts: Facts) -> Iterator[Finding]:
    """What lives on one machine, and in no file that is synced."""
    yield Finding(
        FindingLevel.UNSEEN,
        "Queue members who logged in by phone, call forwards and do-not-disturb live in the database of the machine "
        "that serves: after a promotion they are as they were here.",
        "What differs at this moment shows: failover compare",
    )


def firewall(facts: Facts) -> Iterator[Finding]:
    """Who is let in is the same on both machines."""
    yield Finding(
        FindingLevel.UNSEEN,
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
                FindingLevel.ERROR,
                f"sync.paths.{name} copies {copied}, and the localized directory {localized} lies inside: one machine "
                "would get the other's registrations.",
                "Leave it out: name the directories beside it, not the one above it.",
            )


def boot_without_dns(facts: Facts) -> Iterator[Finding]:
    """Somebody tells a machine that starts who is primary."""
    if facts.pair.dns is None:
        yield Finding(
            FindingLevel.WARNING,
            "pair.toml has no [dns], so no name server tells who is primary: the machine that serves starts as standby "
            "after an ordinary reboot too, and nobody serves until somebody types it.",
            "After each start of the machine that shall serve, type: failover promote; or add [dns]",
        )


def guards(facts: Facts) -> Iterator[Finding]:
    """A machine that starts, starts as standby; a fenced one does not start its Asterisk."""
    if not facts.guards.systemd:
        yield Finding(
            FindingLevel.UNSEEN,
            "systemd does not run this machine, so it cannot be seen what starts Asterisk and named.",
            "Have it run 'failover boot-guard' before both, and neither when that fails.",
        )
        return
    if not facts.guards.guard_enabled:
        yield Finding(
            FindingLevel.ERROR,
            f"hotstandby-boot-guard.service is not enabled: {facts.machine} would start as what it was when it died, "
            "beside the other.",
            "Type: systemctl enable hotstandby-boot-guard.service",
        )
    if not facts.guards.drop_in:
        yield Finding(
            FindingLevel.ERROR,
            "asterisk.service does not ask for the fence: an Asterisk that was killed would be started again.",
            "Copy deploy/asterisk.service.d/hotstandby.conf to /etc/systemd/system/asterisk.service.d/, then: "
            "systemctl daemon-reload",
        )
    if facts.guards.safe_asterisk:
        yield Finding(
            FindingLevel.WARNING,
            "Asterisk is kept by safe_asterisk, which starts it again at once and knows no fence.",
            "Start Asterisk from its unit, with Restart=on-failure, in place of safe_asterisk.",
        )


def open_run(facts: Facts) -> Iterator[Finding]:
    """No run is half done."""
    run = facts.open_run
    if run is None:
        return
    if run.damaged:
        yield Finding(
            FindingLevel.BLOCKER,
            f"The journal of {run.command} {run.number} is damaged: what was done can no longer be told, and a "
            "promotion is refused.",
            "Type: failover history, which names the line and says how to put the file aside",
            refusal=Refusal("run-open", Lifted.BY_NOTHING),
        )
        return
    look = f"Run {run.number} ({run.command}) is open. Look at it with: failover history {run.number}"
    yield Finding(
        FindingLevel.BLOCKER,
        f"{run.command} {run.number} is not complete.",
        f"Type: failover {run.command}, to go on; or: failover {run.command} --abort",
        refusal=Refusal("run-open", Lifted.BY_NOTHING, look) if run.touched else None,
    )


def journal_disk(facts: Facts) -> Iterator[Finding]:
    """The journal's disk has room."""
    if facts.free_bytes < JOURNAL_BYTES:
        words = f"{facts.free_bytes // 1024} KiB are left on the disk of the journal"
        yield Finding(FindingLevel.BLOCKER, words, "df -h /var/lib/hotstandby")
    elif facts.open_run is None:
        yield Finding(FindingLevel.GOOD, "No run is open, its disk has room")


def fenced(facts: Facts) -> Iterator[Finding]:
    """This machine's Asterisk may start."""
    if facts.fenced:
        yield Finding(
            FindingLevel.BLOCKER,
            f"{facts.machine} is fenced, its Asterisk does not start: {facts.fenced}",
            "Type: failover demote, which lifts it as soon as its standby files are active",
        )


def paused(facts: Facts) -> Iterator[Finding]:
    """Nobody paused the pair."""
    if facts.paused:
        yield Finding(FindingLevel.WARNING, f"Paused: {facts.paused}", "End it with: failover unpause")


def domino(facts: Facts) -> Iterator[Finding]:
    """Each alias reaches this machine's own site."""
    for one in facts.domino:
        level = FindingLevel.GOOD if one.good else FindingLevel.UNSEEN if one.good is None else FindingLevel.WARNING
        yield Finding(level, one.words, "" if one.good else "systemctl status domino")

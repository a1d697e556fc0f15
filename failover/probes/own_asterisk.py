"""What this machine's own Asterisk is doing: whether it answers, its calls, and what it registers, by its lists."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ami_watcher.ami.errors import AmiError
from ami_watcher.registrations.expected import (
    ExpectedRegistration,
    expected_registrations,
    hosts_to_resolve,
    resolve_hosts,
)
from ami_watcher.registrations.lists import RegistrationLists, read_registrations
from failover.context import Context
from failover.peer.messages import AsteriskStatus, PeerRegistration
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.probes import dialplan_gate
from failover.probes.asterisk_process import find_asterisk
from host.command import CommandLate, CommandMissing, run
from host.printable import printable
from localized.activation.comparison import compare
from pair import SecretUnusable, read_secret

CONSOLE_S: Final = 2.0
"""Seconds for one `asterisk -rx`; a frozen Asterisk never answers."""
LISTS_S: Final = 2.0
"""Seconds for the AMI login and for each list."""


def read_pbx(context: Context) -> AsteriskStatus:
    """The state of this machine's Asterisk, in about 2 s, at most 6. Never raises for what it finds."""
    return read_pbx_and_lists(context)[0]


def read_pbx_and_lists(context: Context) -> tuple[AsteriskStatus, RegistrationLists | None]:
    """The same, and the lists as they were read; None where they could not be."""
    # Beside each other: each waits for a hanging Asterisk until its own deadline.
    with ThreadPoolExecutor(3) as pool:
        asked_calls, asked_lists = pool.submit(_calls, context), pool.submit(read_lists, context)
        asked_gate = pool.submit(dialplan_gate.read_gate, context, deadline_s=CONSOLE_S)
        calls, silent = asked_calls.result()
        lists, unread = asked_lists.result()
        shut = asked_gate.result()
    gated = None
    if shut is not None and not shut.unseen:
        gated = tuple(name for name in dialplan_gate.refusing(context) if shut.refuses(name))
    if lists is None and calls is None:
        running = find_asterisk(context.asterisk)
        if not running:
            return AsteriskStatus(state="down", words=f"{context.machine}'s Asterisk is not running"), None
        words = silent or f"it runs and does not answer: {unread}"
        return AsteriskStatus(
            state="silent", words=f"{context.machine}'s Asterisk (process {running[0].pid}) {words}"
        ), None
    if lists is None:
        words = f"{context.machine}'s Asterisk answers, and its lists cannot be read: {unread}"
        return AsteriskStatus(state="answers", words=words, calls=calls), None
    told = registrations_of_trunks(context, lists)
    held = [one.trunk for one in told if one.registered]
    words = f"{context.machine}'s Asterisk answers and holds {', '.join(held) or 'no registration'}"
    pbx = AsteriskStatus(
        state="answers",
        words=words,
        version=lists.version,
        calls=calls,
        registrations=told,
        listed=True,
        gate=shut.role if shut is not None else "",
        gated=gated,
    )
    return pbx, lists


def count_calls(context: Context) -> int | None:
    """Live calls; None where Asterisk does not say."""
    return _calls(context)[0]


def as_result(context: Context, pbx: AsteriskStatus, seconds: float) -> ProbeResult:
    """The same as evidence."""
    answer = {
        "answers": ProbeAnswer.YES if pbx.listed else ProbeAnswer.ODD,
        "silent": ProbeAnswer.SILENT,
        "down": ProbeAnswer.REFUSED,
    }
    return ProbeResult("asterisk", context.machine, "its own lists", answer[pbx.state], pbx.words, seconds)


def read_lists(context: Context, *, deadline_s: float = LISTS_S) -> tuple[RegistrationLists | None, str]:
    """The lists of outbound registrations; or None, and why they cannot be read."""
    try:
        secret = read_secret(context.places, context.asterisk.ami.secret_file)
        return asyncio.run(
            read_registrations(context.asterisk.ami, secret, deadline_s=deadline_s, places=context.places)
        ), ""
    except (AmiError, SecretUnusable) as error:
        return None, str(error)


def registrations_of_trunks(context: Context, lists: RegistrationLists) -> tuple[PeerRegistration, ...]:
    """Every registration in the lists that belongs to a trunk of pair.toml."""
    trunks = expected_registrations(context.pair, context.machine, "primary")
    told = []
    for row in compare(trunks, lists, _addresses(trunks)).rows:
        for one in row.found:
            asked_s = context.pair.trunk_on(row.wanted.trunk, context.machine).expiry_s
            told.append(
                PeerRegistration(
                    trunk=row.wanted.trunk,
                    shared=row.wanted.shared,
                    state=printable(one.state, 60),
                    registered=one.registered,
                    expiry_s=max(asked_s, one.refresh_s or 0),
                )
            )
    return tuple(told)


def _addresses(trunks: tuple[ExpectedRegistration, ...]) -> Mapping[str, frozenset[str]]:
    return asyncio.run(resolve_hosts(hosts_to_resolve(trunks), deadline_s=1.0))


def _calls(context: Context) -> tuple[int | None, str]:
    """Live calls; or None, and why where it hung. The exit code says only whether there was a connection."""
    started = time.monotonic()
    try:
        done = run([context.asterisk.command, "-rx", "core show channels count"], deadline_s=CONSOLE_S)
    except CommandLate:
        return None, f"has been silent for {time.monotonic() - started:.0f} s: it hangs, or is stopped"
    except CommandMissing:
        return None, ""
    said = re.search(r"^(\d{1,7}) active calls?\b", done.stdout, re.MULTILINE)
    return (int(said[1]) if said else None), ""

"""Whether this machine could serve: what a promotion needs of it, tried before the peer is asked to give way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ami_watcher.registrations.expected import expected_registrations
from ami_watcher.registrations.lists import RegistrationLists
from failover.context import Context
from failover.journal import journal
from failover.peer.messages import AsteriskStatus
from failover.probes import own_asterisk
from host.atomic import replace_file, swap_symlink

JOURNAL_BYTES: Final = 64 * 1024
"""A run writes some 20 KiB: a disk that takes the first line alone would stop it when the peer has given way."""


def obstacles(context: Context) -> tuple[str, ...]:
    """Why this machine could not serve, one sentence each; empty where everything that was tried worked."""
    pbx, lists = own_asterisk.read_pbx_and_lists(context)
    return (*lacks_of_asterisk(context, pbx, lists), *unwritable(context))


def lacks_of_asterisk(context: Context, pbx: AsteriskStatus, lists: RegistrationLists | None) -> Iterator[str]:
    """What an Asterisk lacks that has just been looked at."""
    if pbx.state != "answers":
        yield f"{pbx.words}. There, type: systemctl {'start' if pbx.state == 'down' else 'status'} asterisk"
        return
    if lists is None:
        yield pbx.words
        return
    if pbx.calls is None:
        yield f"{context.machine}'s Asterisk does not answer asterisk -rx, by which it is reloaded"
    needed = {trunk.channel for trunk in expected_registrations(context.pair, context.machine, "primary") if trunk.here}
    if absent := sorted(needed - lists.modules):
        yield f"{context.machine}'s Asterisk has not loaded what registers {', '.join(absent)}"


def unwritable(context: Context) -> Iterator[str]:
    """One write of each kind that a promotion does: a line of the journal, the right, a swap."""
    places = context.places
    trial = f".trial-{os.getpid()}"

    def journalled(path: Path) -> None:
        replace_file(path, b"\0" * JOURNAL_BYTES, mode=0o600)

    def granted(path: Path) -> None:
        replace_file(path, b"\0" * 1024, mode=0o600)

    def swapped(path: Path) -> None:
        swap_symlink(path, "generations")

    for directory, write in (
        (journal.directory(places), journalled),
        (places.run, granted),
        (places.localized, swapped),
    ):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            write(directory / trial)
        except OSError as error:
            yield f"{context.machine} cannot write to {directory}: {error.strerror}"
        finally:
            with contextlib.suppress(OSError):
                (directory / trial).unlink(missing_ok=True)

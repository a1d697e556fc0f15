"""The admin's own programs that cut the peer off, and say whether it is ([fence] in pair.toml)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from failover.context import Context
from host.command import CommandLate, CommandMissing, Finished, run
from host.ownership import open_to_others
from host.printable import printable


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What the admin's `verify` said.

    Attributes:
        proven: it ended with 0.
        words: for people.
    """

    proven: bool
    words: str


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How the admin's `command` went; what it achieved is `verify`'s to say.

    Attributes:
        ran: it came to its end.
        failure: why it did not, or ended with an error, one sentence; empty when it went well.
    """

    ran: bool
    failure: str = ""


def run_verify(context: Context, epoch: int) -> VerifyResult | None:
    """Runs the admin's `verify`; None where pair.toml has no [fence]."""
    section = context.pair.fence
    if section is None:
        return None
    against = untrusted(section.verify)
    if against:
        return VerifyResult(False, f"fence verify '{section.verify[0]}' was not run: {against}")
    try:
        done = run(section.verify, deadline_s=section.verify_deadline_s, env=_environment(context, epoch))
    except (CommandLate, CommandMissing) as error:
        return VerifyResult(False, f"fence verify: {error}")
    return VerifyResult(done.returncode == 0, f"fence verify {_end_of(section.verify, done, error_first=False)}")


def run_command(context: Context, epoch: int) -> CommandResult:
    """Runs the admin's `command`, which cuts the peer off; pair.toml has a [fence]."""
    section = context.pair.fence
    assert section is not None
    argv = section.command
    against = untrusted(argv)
    if against:
        return CommandResult(False, f"The fence command '{argv[0]}' was not run: {against}.")
    try:
        done = run(argv, deadline_s=section.command_deadline_s, env=_environment(context, epoch))
    except (CommandLate, CommandMissing) as error:
        return CommandResult(False, f"The fence command: {error}")
    if done.returncode == 0:
        return CommandResult(True)
    return CommandResult(True, f"The fence command {_end_of(argv, done, error_first=True)}.")


def untrusted(argv: Sequence[str]) -> str:
    """Why the program of a command, or a file among its arguments, is not run as root: others may write it; empty where
    none may. An interpreter's script is an argument."""
    program = shutil.which(argv[0])
    files = [Path(program)] if program else []
    files += [Path(one) for one in argv[1:] if one.startswith("/") and Path(one).is_file()]
    return next((against for path in files if (against := open_to_others(path))), "")


def _end_of(argv: Sequence[str], done: Finished, *, error_first: bool) -> str:
    """The exit code, and the last line that it printed."""
    streams = (done.stderr, done.stdout) if error_first else (done.stdout, done.stderr)
    said = printable((streams[0].strip() or streams[1].strip()).rpartition("\n")[2], 160)
    return f"'{argv[0]}' ended with {done.returncode}{f': {said}' if said else ''}"


def _environment(context: Context, epoch: int) -> dict[str, str]:
    return {
        **os.environ,
        "HOTSTANDBY_MACHINE": context.machine,
        "HOTSTANDBY_PEER": context.peer,
        "HOTSTANDBY_PEER_ADDRESS": context.other.public_address,
        "HOTSTANDBY_EPOCH": str(epoch),
    }

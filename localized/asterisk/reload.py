"""`asterisk -rx`, by a deadline: reloads, and what it takes to know that one was even accepted.

The exit code says only whether a connection was made (main/asterisk.c, remoteconsole), and a frozen Asterisk never
answers. Whether a reload had its effect is seen in the lists, not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from host.command import CommandLate, CommandMissing, run
from host.printable import printable
from localized.errors import AsteriskUnreachable
from pair import Asterisk

COMMANDS: Final[Mapping[str, str]] = {"chan_sip.so": "sip reload", "chan_iax2.so": "iax2 reload"}
"""Reloads that need no alias and print nothing; every other module is reloaded by name."""

_TERMINAL: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_REFUSALS: Final = (
    "No such command",
    "No such module",
    "You don't have permissions",
    "cannot be run during shutdown",
    "does not support reloads",
    "cannot reload a module yet",
    "already in progress",
    "reported a reload failure",
    "was not properly initialized",
)


def rx(asterisk: Asterisk, command: str) -> str:
    """What `asterisk -rx COMMAND` prints, without terminal codes.

    Raises:
        AsteriskUnreachable: not running, not answering by `asterisk.reload_deadline_s`, or not allowed.
    """
    try:
        done = run([asterisk.command, "-rx", command], deadline_s=asterisk.reload_deadline_s)
    except CommandMissing as missing:
        raise AsteriskUnreachable(f"{missing} pair.toml names it with asterisk.command.") from None
    except CommandLate:
        raise AsteriskUnreachable(
            f"Asterisk did not answer '{command}' within {asterisk.reload_deadline_s:g} s: it hangs or is stopped. "
            "Look at it with: systemctl status asterisk"
        ) from None
    text = _TERMINAL.sub("", done.stdout)
    if done.returncode != 0:
        said = printable((text + done.stderr).strip().partition("\n")[0])
        raise AsteriskUnreachable(f"Asterisk is not running ({said}). Start it with: systemctl start asterisk")
    return text


def wait_until_booted(asterisk: Asterisk) -> None:
    """Returns when Asterisk answers and has read its modules; before that, it knows no `sip reload`."""
    said = rx(asterisk, "core waitfullybooted")
    if "fully booted" not in said.lower():
        raise AsteriskUnreachable(
            f"Asterisk answers, but not as expected: '{printable(said.strip(), 80)}'. "
            "Look at it with: asterisk -rx 'core show uptime'"
        )


def reload_module(asterisk: Asterisk, module: str) -> None:
    """Asks for the reload of one module.

    Raises:
        AsteriskUnreachable: Asterisk did not take the command.
    """
    command = COMMANDS.get(module, f"module reload {module}")
    said = rx(asterisk, command)
    for refusal in _REFUSALS:
        if refusal in said:
            raise AsteriskUnreachable(
                f"Asterisk refused '{command}': {printable(said.strip(), 160)} "
                f"Is the module loaded? Look with: asterisk -rx 'module show like {module.removesuffix('.so')}'"
            )


def dialplan_role(asterisk: Asterisk) -> str | None:
    """The value of the global HOTSTANDBY_ROLE; None where the dialplan has none."""
    found = re.search(r"^[ \t]*HOTSTANDBY_ROLE=(\S+)", rx(asterisk, "dialplan show globals"), re.MULTILINE)
    return found[1] if found else None

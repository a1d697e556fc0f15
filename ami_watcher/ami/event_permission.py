"""Whether the user that we logged in as is shown events."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from ami_watcher.ami.session import AmiSession
from host.printable import printable

BOOT_EVENT_S: Final = 1.0
"""FullyBooted follows a login at once where Asterisk runs and the user may read system events."""


async def missing_event_permission(session: AmiSession, username: str, *, answer_s: float, poll_s: float) -> str:
    """A sentence when this user is shown no events, "" when all is well or Asterisk is still booting.

    Raises:
        PrivilegeMissing: it may not read lists either.
    """
    if session.booted.is_set():
        return ""
    status = await session.action("CoreStatus", deadline_s=answer_s)
    # Before it is fully booted, Asterisk's start is 1970 (in its own time zone, so perhaps 1969).
    if status.get("CoreStartupDate", "").startswith(("1969", "1970")):
        return ""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BOOT_EVENT_S):
            await session.booted.wait()
        return ""
    user = printable(username)
    return (
        f"the AMI user '{user}' is shown no events, so changes are seen only every {poll_s:g} s: "
        f"in manager.conf, section [{user}], write: read = system (then: asterisk -rx 'manager reload')"
    )

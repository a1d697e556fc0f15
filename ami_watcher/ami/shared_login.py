"""One AMI login for all of our programs, where manager.conf allows no second one (allowmultiplelogin = no).

The watcher holds it. Whoever is refused for that reason asks for it by a file, whose time says for how long; the
watcher lets go of its own within a moment, and comes back after that time, or when the login is free again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from typing import Final

from ami_watcher.ami.errors import LoginInUse
from ami_watcher.ami.session import AmiSession
from host.errors import HotstandbyError
from host.places import Places

WANTED_S: Final = 10.0
"""Seconds for which the watcher stays away; whoever has logged in by then keeps the login as long as it likes."""
PAUSE_S: Final = 0.2
"""Seconds between two looks at the file, and between two attempts to log in."""
_FILE: Final = "ami-login-wanted"


def login_requested(places: Places) -> bool:
    """Whether another program of ours asks for the login. The file's time is that at which nobody does any more."""
    try:
        until = (places.run / _FILE).stat().st_mtime
    except OSError:
        return False
    return 0 < until - time.time() <= WANTED_S


async def open_session(make: Callable[[], AmiSession], places: Places, *, deadline_s: float) -> AmiSession:
    """A session that is logged in, with the watcher's login where no second one is allowed.

    Args:
        make: gives a session that is not open yet.
        deadline_s: seconds for a login, and once more for the watcher's to become free.

    Raises:
        AmiError: see AmiSession.open.
    """
    session = make()
    try:
        await session.open(deadline_s=deadline_s)
        return session
    except LoginInUse:
        if not _ask(places):
            raise
    # Asterisk takes a second for each refusal (main/manager.c), so there are few attempts.
    until = time.monotonic() + deadline_s + WANTED_S / 2
    while True:
        await asyncio.sleep(PAUSE_S)
        session = make()
        try:
            await session.open(deadline_s=deadline_s)
            return session
        except LoginInUse:
            if time.monotonic() >= until:
                raise


def _ask(places: Places) -> bool:
    """Whether it could be asked for; not by whom may not write where our programs keep their state."""
    path = places.run / _FILE
    with contextlib.suppress(OSError, HotstandbyError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        os.close(descriptor)
        until = time.time() + WANTED_S
        os.utime(path, (until, until), follow_symlinks=False)
        return True
    return False

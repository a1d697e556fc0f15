"""Puts launchers into Asterisk's agi-bin."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.atomic import replace_file
from host.errors import UsageError
from host.places import Places

AGI_BIN: Final = (Path("/usr/share/asterisk/agi-bin"), Path("/var/lib/asterisk/agi-bin"))
"""Debian's astagidir, and the one of a build from source."""

_MARK: Final = '"""An AGI script of Asterisk\'s: hands its call to the running agi-server'


@dataclass(frozen=True, slots=True)
class InstalledLauncher:
    """One launcher.

    Attributes:
        path: where it lies.
        changed: whether it was written now; False: it was there already, byte for byte.
    """

    path: Path
    changed: bool


def directory() -> Path:
    """Asterisk's agi-bin on this machine.

    Raises:
        UsageError: none of the usual ones exists.
    """
    for path in AGI_BIN:
        if path.is_dir():
            return path
    raise UsageError(
        f"Asterisk's agi-bin was not found ({' and '.join(map(str, AGI_BIN))} are missing). "
        "Name it: agi-server install --agi-bin DIR (astagidir in asterisk.conf)"
    )


def launcher(places: Places, *, python: str = sys.executable, interpreter: str = "/usr/bin/python3") -> bytes:
    """The launcher's text for this machine.

    Args:
        python: the interpreter that has hotstandby, for calls without a server.
        interpreter: the one that runs the launcher; any Python from 3.9, the faster it starts the better.
    """
    text = Path(__file__).with_name("launcher.py").read_text(encoding="utf-8")
    alone = [python, "-I", "-m", "agi", "--config", str(places.config)]
    text = text.replace("#!/usr/bin/python3 -IS", f"#!{interpreter} -IS", 1)
    text = re.sub(r"^SOCKET = .*$", lambda _: f"SOCKET = {str(places.agi_socket)!r}", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^ALONE = .*$", lambda _: f"ALONE = {alone!r}", text, count=1, flags=re.MULTILINE)
    return text.encode()


def install(places: Places, names: Sequence[str], agi_bin: Path, *, interpreter: str) -> list[InstalledLauncher]:
    """One launcher for each script; a file of somebody else's is never overwritten.

    Raises:
        UsageError: such a file is in the way, or the directory cannot be written.
    """
    data = launcher(places, interpreter=interpreter)
    done = []
    for name in names:
        path = agi_bin / f"{name}.py"
        try:
            before = path.read_bytes() if path.exists() else None
            if before is not None and before != data and _MARK.encode() not in before:
                raise UsageError(f"{path} is not a launcher of ours. Move it away, then type the same again.")
            if before != data or not os.access(path, os.X_OK):
                replace_file(path, data, mode=0o755)
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error.strerror}). Type the same as root.") from None
        done.append(InstalledLauncher(path, before != data))
    return done

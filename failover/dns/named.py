"""Our own BIND: what its configuration says, and the few commands that change what it serves."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from failover.errors import FailoverError
from host.atomic import replace_file
from host.command import CommandLate, CommandMissing, Finished, run
from host.printable import printable

_DEADLINE_S: Final = 10.0
"""Seconds; named-checkconf -z loads every zone."""
_RAW: Final = b"\0\0\0\2"
"""How a raw master file begins: its format as 32 bits (BIND, dns_masterrawheader_t)."""


class NamedRefuses(FailoverError):
    """named, or one of its checkers, said no; the configuration that it runs on is untouched."""


class NamedSilent(FailoverError):
    """named does not answer on its control channel."""


@dataclass(frozen=True, slots=True)
class ZoneBlock:
    """A zone statement of named.conf.

    Attributes:
        kind: primary, secondary, or another of BIND's words.
        file: where the zone is kept; None for none.
        raw: whether named expects that file in raw format: BIND's default for secondaries.
    """

    kind: str
    file: Path | None
    raw: bool


class Named:
    """The BIND of this machine."""

    def __init__(self, conf: Path, rndc: Sequence[str]) -> None:
        """
        Args:
            conf: its named.conf.
            rndc: the command that reaches it, with options.
        """
        self._conf = conf
        self._rndc = list(rndc)

    def role(self, zone: str) -> str:
        """What the running named is for the zone: primary, secondary, or empty when it does not serve it.

        Raises:
            NamedSilent
        """
        said = self._control("zonestatus", zone)
        found = re.search(r"^type: (\w+)", said.stdout, re.MULTILINE)
        word = found[1] if found and said.returncode == 0 else ""
        return {"master": "primary", "slave": "secondary"}.get(word, word)

    def block(self, zone: str) -> ZoneBlock | None:
        """What named.conf on disk, with its includes, says of the zone.

        Raises:
            NamedRefuses: it cannot be read.
        """
        said = self._tool("named-checkconf", "-px", str(self._conf))
        if said.returncode != 0:
            raise NamedRefuses(f"{self._conf} cannot be read by named-checkconf: {_reason(said)}")
        opening = rf'(?msi)^([ \t]*)zone "{re.escape(zone)}\.?"[^\n]*\{{\n(.*?)^\1\}};'
        found = re.search(opening, said.stdout)
        if not found:
            return None
        body = found[2]
        kind = {"master": "primary", "slave": "secondary"}.get(_option(body, "type"), _option(body, "type"))
        written = _option(body, "masterfile-format") or ("raw" if kind == "secondary" else "text")
        file = _option(body, "file")
        return ZoneBlock(kind, self._directory(said.stdout) / file if file else None, written == "raw")

    def directory(self) -> Path:
        """What relative paths in zone files start from.

        Raises:
            NamedRefuses
        """
        said = self._tool("named-checkconf", "-px", str(self._conf))
        if said.returncode != 0:
            raise NamedRefuses(f"{self._conf} cannot be read by named-checkconf: {_reason(said)}")
        return self._directory(said.stdout)

    def check(self) -> None:
        """Whether this configuration would load, zones included: without -z a zone in the wrong format passes.

        Raises:
            NamedRefuses
        """
        said = self._tool("named-checkconf", "-z", str(self._conf))
        if said.returncode != 0:
            raise NamedRefuses(f"named would not load {self._conf}: {_reason(said)}")

    def check_zone(self, zone: str, file: Path) -> None:
        """Whether this zone file would load.

        Raises:
            NamedRefuses
        """
        said = self._tool("named-checkzone", "-i", "none", "-w", str(self.directory()), zone, str(file))
        if said.returncode != 0:
            raise NamedRefuses(f"named would not load {file}: {_reason(said)}")

    def reconfig(self) -> None:
        """Reads named.conf again: new and changed zone statements, without touching the other zones.

        Raises:
            NamedRefuses, NamedSilent
        """
        said = self._control("reconfig")
        if said.returncode != 0:
            raise NamedRefuses(f"rndc reconfig failed: {_reason(said)}. See: journalctl -u named")

    def reload(self, zone: str) -> None:
        """Loads the zone's file again.

        Raises:
            NamedRefuses, NamedSilent
        """
        said = self._control("reload", zone)
        if said.returncode != 0:
            raise NamedRefuses(f"rndc reload {zone} failed: {_reason(said)}. See: journalctl -u named")

    def fit_format(self, zone: str, block: ZoneBlock) -> bool:
        """Rewrites the zone's file in the format that its statement expects, journal included; True when it had to.

        The journal stays: its last serial is then the file's, and named finds nothing to roll forward.

        Raises:
            NamedRefuses: it cannot be converted; the file is untouched.
        """
        if block.file is None or not block.file.exists():
            return False
        with block.file.open("rb") as file:
            is_raw = file.read(len(_RAW)) == _RAW
        if is_raw == block.raw:
            return False
        source, target = ("raw", "text") if is_raw else ("text", "raw")
        with tempfile.TemporaryDirectory(prefix=".hotstandby-", dir=block.file.parent) as scratch:
            made = Path(scratch) / "zone"
            lenient = ["-i", "none", "-k", "ignore", "-n", "ignore"]
            argv = [
                "-j",
                *lenient,
                "-w",
                str(self.directory()),
                "-f",
                source,
                "-F",
                target,
                "-o",
                str(made),
                zone,
                str(block.file),
            ]
            said = self._tool("named-compilezone", *argv)
            if said.returncode != 0:
                raise NamedRefuses(f"{block.file} cannot be converted from {source} to {target}: {_reason(said)}")
            rewrite(block.file, made.read_bytes())
        return True

    def expire_copy(self, zone: str) -> None:
        """Has a named that is not running yet take its copy of a secondary zone for expired, so that it asks for the
        zone before it answers; else it answers with the old one until its retry time, 500 s at least (min-retry-time).

        BIND reckons the age of a copy by its file, by the journal's where there is one (zone.c, zone_postload).

        Raises:
            NamedRefuses, OSError
        """
        block = self.block(zone)
        if block is None or block.kind != "secondary" or block.file is None:
            return
        for file in (block.file, block.file.with_name(f"{block.file.name}.jnl")):
            if file.exists():
                os.utime(file, (1, 1))

    def _directory(self, printed: str) -> Path:
        found = re.search(r'^\s*directory "([^"\n]+)";', printed, re.MULTILINE)
        return Path(found[1]) if found else self._conf.parent

    def _control(self, *words: str) -> Finished:
        try:
            said = run([*self._rndc, *words], deadline_s=_DEADLINE_S)
        except (CommandLate, CommandMissing) as error:
            raise NamedSilent(f"named was not reached: {error}") from None
        if said.returncode != 0 and re.search("connect failed|connection to remote|no key definition", said.stderr):
            raise NamedSilent(
                f"named was not reached with '{' '.join(self._rndc)}': {_reason(said)}. "
                "Start it with: systemctl start named"
            )
        return said

    def _tool(self, *argv: str) -> Finished:
        try:
            return run(list(argv), deadline_s=_DEADLINE_S)
        except (CommandLate, CommandMissing) as error:
            raise NamedRefuses(f"{error} It comes with bind9-utils (Debian).") from None


def rewrite(path: Path, data: bytes) -> None:
    """Replaces a file's bytes, for the same owner with the same mode."""
    before = path.stat()
    owner = (before.st_uid, before.st_gid) if os.geteuid() == 0 else None
    replace_file(path, data, mode=before.st_mode & 0o7777, owner=owner)


def _option(body: str, name: str) -> str:
    found = re.search(rf'^\s*{name} "?([^";\n]*)"?;', body, re.MULTILINE)
    return found[1].strip() if found else ""


def _reason(said: Finished) -> str:
    """The lines that name an error, or the last one said."""
    lines = [line.strip() for line in (said.stdout + "\n" + said.stderr).splitlines() if line.strip()]
    blamed = [line for line in lines if re.search("(?i)error|fail|not loaded|unknown|out of zone|no such", line)]
    return printable("; ".join((blamed or lines[-1:])[:4]), 500) or f"exit {said.returncode}"

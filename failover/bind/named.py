"""Our own BIND: what its configuration says, and the few commands that change what it serves."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from failover.bind import named_conf
from failover.bind.named_conf import Configuration, ZoneStatement
from failover.bind.zone_status import RndcFailure, ZoneStatus, read_zone_status, reason_of
from failover.errors import FailoverError
from host.atomic import replace_file
from host.command import CommandLate, CommandMissing, Finished, run
from pair.named_grammar import NotNamedConf
from pair.sections.dns import Dns

_DEADLINE_S: Final = 10.0
"""Seconds; named-checkconf -z loads every zone."""
_LENIENT: Final = ("-i", "none", "-k", "ignore", "-n", "ignore")
"""What named itself does not insist on, of named-checkzone."""
_RAW: Final = b"\0\0\0\2"
"""How a raw master file begins: its format as 32 bits (BIND, dns_masterrawheader_t)."""


class NamedRefuses(FailoverError):
    """named, or one of its checkers, said no; the configuration that it runs on is untouched."""


class NamedSilent(FailoverError):
    """named does not answer on its control channel."""


class ZoneInSeveralViews(NamedRefuses):
    """The zone stands in more than one view, and nothing says which is meant."""


class LocalNamed:
    """The BIND of this machine."""

    def __init__(self, conf: Path, rndc: Sequence[str], *, view: str = "", zone_file: str = "") -> None:
        """
        Args:
            conf: its named.conf.
            rndc: the command that reaches it, with options.
            view: the view that is meant, where the zone stands in several.
            zone_file: of the zone; tells the view where nothing else does.
        """
        self._conf = conf
        self._rndc = list(rndc)
        self._view = view
        self._zone_file = zone_file
        self.in_views = bool(view)
        """Whether the zone is known to stand in several views; known once it was asked for."""

    @classmethod
    def of(cls, dns: Dns) -> LocalNamed:
        """The one that [dns] tells of."""
        return cls(Path(dns.named_conf), dns.rndc, view=dns.view or "", zone_file=dns.zone_file or "")

    def role(self, zone: str) -> str:
        """What the running named is for the zone: primary, secondary, or empty when it does not serve it.

        Raises:
            NamedSilent, NamedRefuses, ZoneInSeveralViews
        """
        return self.status(zone).kind

    def status(self, zone: str) -> ZoneStatus:
        """What the running named says of the zone.

        Raises:
            NamedSilent, NamedRefuses, ZoneInSeveralViews
        """
        said = self._of_zone("zonestatus", zone)
        status = read_zone_status(said.stdout) if said.returncode == 0 else None
        if status is not None:
            return status
        failure = RndcFailure.of(said)
        if failure is RndcFailure.NO_SUCH_ZONE:
            return ZoneStatus("", reason_of(said))
        if failure is RndcFailure.NOT_LOADED:
            # A large zone takes named a while after each (re)start: whoever waits for it looks again.
            block = self.block(zone)
            secondary = block is not None and block.kind == "secondary"
            return ZoneStatus("secondary" if secondary else "", reason_of(said), loaded=not secondary)
        raise NamedRefuses(f"rndc zonestatus {zone} failed: {reason_of(said)}")

    def block(self, zone: str) -> ZoneStatement | None:
        """What named.conf on disk, with its includes, says of the zone; in the view that is meant.

        Raises:
            NamedRefuses: it cannot be read.
            ZoneInSeveralViews
        """
        found = self.configuration().of(zone)
        if self._view:
            views = ", ".join(one.view or "none" for one in found)
            found = tuple(one for one in found if one.view == self._view)
            if views and not found:
                raise ZoneInSeveralViews(
                    f"{zone} does not stand in the view '{self._view}' of dns.view; its views: {views}."
                )
        if len(found) > 1 and self._zone_file:
            found = tuple(one for one in found if one.file == Path(self._zone_file)) or found
        if len(found) > 1:
            raise ZoneInSeveralViews(
                f"{zone} stands in several views of named.conf ({', '.join(one.view for one in found)}), and nothing "
                f'says which one follows the primary. In pair.toml, write under [dns]: view = "{found[-1].view}"'
            )
        return found[0] if found else None

    def configuration(self) -> Configuration:
        """What named.conf on disk says, as named-checkconf reads it: its includes too, and secrets struck out.

        Raises:
            NamedRefuses
        """
        said = self._tool("named-checkconf", "-px", str(self._conf))
        if said.returncode != 0:
            raise NamedRefuses(f"{self._conf} cannot be read by named-checkconf: {reason_of(said)}")
        try:
            return named_conf.read(said.stdout, self._conf.parent)
        except NotNamedConf as error:
            raise NamedRefuses(f"What named-checkconf prints of {self._conf} cannot be read: {error}.") from None

    def directory(self) -> Path:
        """What relative paths in zone files start from.

        Raises:
            NamedRefuses
        """
        return self.configuration().directory

    def check(self) -> None:
        """Whether this configuration would load, zones included: without -z a zone in the wrong format passes.

        Raises:
            NamedRefuses
        """
        said = self._tool("named-checkconf", "-z", str(self._conf))
        if said.returncode != 0:
            raise NamedRefuses(f"named would not load {self._conf}: {reason_of(said)}")

    def canonical(self, zone: str, file: Path) -> str:
        """A zone file as BIND reads it: one record a line, everything spelled out; nothing is loaded.

        Raises:
            NamedRefuses: named would not load it.
        """
        return self._printed(zone, file)

    def copy(self, zone: str) -> str | None:
        """What a named that is not running yet, or takes its copy for expired, has of a zone as its secondary: file and
        journal, printed as by `canonical`; None where it is no secondary, or has no copy.

        Raises:
            NamedRefuses, ZoneInSeveralViews: it cannot be read.
        """
        block = self.block(zone)
        if block is None or block.kind != "secondary" or block.file is None or not block.file.exists():
            return None
        try:
            format_ = "raw" if _is_raw(block.file) else "text"
        except OSError as error:
            raise NamedRefuses(f"{block.file} cannot be read: {error.strerror}.") from None
        return self._printed(zone, block.file, "-j", "-f", format_)

    def _printed(self, zone: str, file: Path, *options: str) -> str:
        argv = [*options, "-D", "-o", "-", "-s", "full", *_LENIENT, "-w", str(self.directory()), zone, str(file)]
        said = self._tool("named-checkzone", *argv)
        if said.returncode != 0:
            raise NamedRefuses(f"named would not load {file}: {reason_of(said)}")
        return said.stdout

    def reconfig(self) -> None:
        """Reads named.conf again: new and changed zone statements, without touching the other zones.

        Raises:
            NamedRefuses, NamedSilent
        """
        said = self._control("reconfig")
        if said.returncode != 0:
            raise NamedRefuses(f"rndc reconfig failed: {reason_of(said)}. See: journalctl -u named")

    def reload(self, zone: str) -> None:
        """Loads the zone's file again.

        Raises:
            NamedRefuses, NamedSilent
        """
        said = self._of_zone("reload", zone)
        if said.returncode != 0:
            raise NamedRefuses(f"rndc reload {zone} failed: {reason_of(said)}. See: journalctl -u named")

    def fit_format(self, zone: str, block: ZoneStatement) -> bool:
        """Rewrites the zone's file in the format that its statement expects, journal included; True when it had to.

        The journal stays: its last serial is then the file's, and named finds nothing to roll forward.

        Raises:
            NamedRefuses: it cannot be converted; the file is untouched.
        """
        if block.file is None or not block.file.exists():
            return False
        is_raw = _is_raw(block.file)
        if is_raw == block.raw:
            return False
        source, target = ("raw", "text") if is_raw else ("text", "raw")
        with tempfile.TemporaryDirectory(prefix=".hotstandby-", dir=block.file.parent) as scratch:
            made = Path(scratch) / "zone"
            formats = ["-f", source, "-F", target, "-o", str(made)]
            argv = ["-j", *_LENIENT, "-w", str(self.directory()), *formats, zone, str(block.file)]
            said = self._tool("named-compilezone", *argv)
            if said.returncode != 0:
                raise NamedRefuses(f"{block.file} cannot be converted from {source} to {target}: {reason_of(said)}")
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

    def _of_zone(self, word: str, zone: str) -> Finished:
        said = self._control(word, zone, *(["IN", self._view] if self._view else []))
        if said.returncode != 0 and RndcFailure.of(said) is RndcFailure.SEVERAL_VIEWS:
            self.in_views = True
            block = self.block(zone)
            if block is not None and block.view:
                return self._control(word, zone, "IN", block.view)
        return said

    def _control(self, *words: str) -> Finished:
        try:
            said = run([*self._rndc, *words], deadline_s=_DEADLINE_S)
        except (CommandLate, CommandMissing) as error:
            raise NamedSilent(f"named was not reached: {error}") from None
        if said.returncode != 0 and RndcFailure.of(said) is RndcFailure.UNREACHABLE:
            raise NamedSilent(
                f"named was not reached with '{' '.join(self._rndc)}': {reason_of(said)}. "
                "Start it with: systemctl start named"
            )
        return said

    def _tool(self, *argv: str) -> Finished:
        try:
            return run(list(argv), deadline_s=_DEADLINE_S)
        except (CommandLate, CommandMissing) as error:
            raise NamedRefuses(f"{error} It comes with bind9-utils (Debian).") from None


def _is_raw(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_RAW)) == _RAW


def rewrite(path: Path, data: bytes) -> None:
    """Replaces a file's bytes, for the same owner with the same mode; where a link leads to it, the file itself."""
    path = path.resolve()
    before = path.stat()
    owner = (before.st_uid, before.st_gid) if os.geteuid() == 0 else None
    replace_file(path, data, mode=before.st_mode & 0o7777, owner=owner)

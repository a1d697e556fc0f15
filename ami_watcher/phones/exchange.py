"""The directory in which the two machines tell each other who is registered.

Each writes its own file and reads the other's. The directory is synced both ways by whatever syncs the rest; because a
file has one writer, the sync meets no conflict.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

from ami_watcher.phones.inventory import ContactExport, ExportInvalid, decode_export, encode_export
from host.atomic import make_directory, replace_file
from host.errors import HotstandbyError
from host.file_reading import read_file

LONGEST: Final = 64 * 2**20
"""Bytes; 100,000 phones make about 20 MiB."""


class ExportFailed(HotstandbyError):
    """Our own list could not be written."""


class ContactExchange:
    """One machine's side of it. Calls block on the disk, briefly."""

    def __init__(self, directory: Path, *, machine: str, other: str) -> None:
        """
        Args:
            directory: the synced one; made where it is missing.
            machine: ours.
            other: the other machine.
        """
        self.directory = directory
        self.own_file = directory / f"{machine}.json"
        self.other_file = directory / f"{other}.json"
        self._other = other
        self._seen: tuple[int, int, int] | None = None
        self._read: tuple[ContactExport | None, str] = (None, "")

    def publish(self, export: ContactExport) -> None:
        """Writes our list, by one rename.

        Raises:
            ExportFailed
        """
        try:
            # Whatever the sync brings gets the directory's group, so that the watcher may read it.
            make_directory(self.directory, 0o2750)
            # Names and addresses of phones: for root and the group of the directory alone.
            replace_file(self.own_file, encode_export(export), mode=0o640)
        except OSError as error:
            raise ExportFailed(
                f"The list of phones for {self._other} cannot be written to {self.own_file} "
                f"({error.strerror or error}); after a failover nobody can say who has not come back. "
                f"See: ls -ld {self.directory}; df -h {self.directory}"
            ) from error

    def other(self) -> tuple[ContactExport | None, str]:
        """The other machine's list, or None and a sentence that says why there is none. A file is read once."""
        try:
            found = self.other_file.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._seen:
                # Root looks here as well (`failover clients`), and the directory is not root's: no FIFO is waited for.
                self._read = self._parsed(read_file(self.other_file, LONGEST))
                self._seen = stamp
        except FileNotFoundError:
            self._seen = None
            return None, (
                f"{self._other} has left no list of its phones here yet. "
                f"Its ami-watcher writes one, and the sync of {self.directory} brings it."
            )
        except OSError as error:
            self._seen = None
            if error.errno == errno.EFBIG:
                return None, f"{self.other_file} is longer than {LONGEST // 2**20} MiB: surely not a list of phones."
            return None, f"{self.other_file} cannot be read ({error.strerror or error})."
        return self._read

    def _parsed(self, data: bytes) -> tuple[ContactExport | None, str]:
        try:
            return decode_export(data, machine=self._other), ""
        except ExportInvalid as error:
            return None, str(error)

"""File systems with a real Asterisk in them, built once by debootstrap and kept outside of the repository.

Debian 12 and 13 ship no Asterisk: bullseye has 16 (chan_sip, chan_iax2, PJSIP), unstable has 22 (chan_iax2, PJSIP).
A root is built beside its final name and renamed when it is complete, under a lock, so that what is there is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TextIO, get_args

from lab.errors import LabUnavailable

Release = Literal["16", "22"]
"""Asterisk's major version, as one names it in the lab."""

RELEASES: Final[tuple[Release, ...]] = get_args(Release)

_BUILD_DEADLINE_S: Final = 1800.0
_KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True, slots=True)
class Root:
    """One Debian root with one Asterisk.

    Attributes:
        release: Asterisk's major version.
        suite: of Debian.
        path: where it is, or will be.
    """

    release: Release
    suite: str
    path: Path

    @property
    def complete(self) -> bool:
        """Whether it is there. It gets its name only when it is whole."""
        return (self.path / "usr/sbin/asterisk").exists()

    @property
    def modules(self) -> str:
        """astmoddir inside the root: Debian moved it to the architecture's directory after bullseye."""
        by_architecture = sorted((self.path / "usr/lib").glob("*/asterisk/modules"))
        found = [*by_architecture, self.path / "usr/lib/asterisk/modules"]
        return "/" + str(next(path for path in found if path.is_dir()).relative_to(self.path))

    def ids(self) -> tuple[int, int]:
        """User and group id of `asterisk` in there."""
        for line in (self.path / "etc/passwd").read_text().splitlines():
            name, _, uid, gid, *_ = line.split(":")
            if name == "asterisk":
                return int(uid), int(gid)
        raise LabUnavailable(f"{self.path} has no user asterisk. Remove it and type: python -m lab roots")


_SUITES: Final[Mapping[Release, str]] = {"16": "bullseye", "22": "sid"}


def directory() -> Path:
    """Where roots are kept: HOTSTANDBY_ROOTS, else hotstandby/roots in XDG_CACHE_HOME or ~/.cache."""
    if given := os.environ.get("HOTSTANDBY_ROOTS"):
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "hotstandby" / "roots"


def root(release: Release) -> Root:
    """The root of a release, built or not."""
    suite = _SUITES[release]
    return Root(release, suite, directory() / suite)


def mirror(etc_apt: Path = Path("/etc/apt")) -> str | None:
    """The archive from which this machine installs Debian packages, read from apt's own configuration.

    Both of apt's formats are read (sources.list(5)): deb822 *.sources, then one-line *.list and sources.list.
    Security and third-party archives do not carry whole suites, so only an archive whose suite has no slash, is not
    a security suite and has the component main counts.
    """
    return next(_archives(etc_apt), None)


def _archives(etc_apt: Path) -> Iterator[str]:
    parts = etc_apt / "sources.list.d"
    for path in sorted(parts.glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text(errors="replace")):
            fields = _stanza(stanza)
            if fields.get("enabled", ["yes"])[0].lower() in {"no", "false", "0"} or "deb" not in fields.get(
                "types", []
            ):
                continue
            if _carries_suites(fields.get("suites", []), fields.get("components", [])):
                yield from fields.get("uris", [])[:1]
    for path in (etc_apt / "sources.list", *sorted(parts.glob("*.list"))):
        if not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            words = re.sub(r"\[[^]]*\]", " ", line.partition("#")[0]).split()
            if words[:1] == ["deb"] and len(words) >= 4 and _carries_suites(words[2:3], words[3:]):
                yield words[1]


def _stanza(text: str) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            fields.setdefault(name, []).extend(line.split())
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.split()
    return fields


def _carries_suites(suites: list[str], components: list[str]) -> bool:
    debian = {"bullseye", "bookworm", "trixie", "forky", "sid", "unstable", "testing", "stable", "oldstable"}
    return "main" in components and any(suite in debian for suite in suites)


def build(release: Release, say: Callable[[str], None]) -> Root:
    """Builds a root unless it is there, waiting for another builder of the same one.

    Args:
        say: gets a line of progress now and then.

    Raises:
        LabUnavailable: why it cannot be built, in one line.
    """
    wanted = root(release)
    if wanted.complete:
        return wanted
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    with _only_builder(wanted, say):
        if not wanted.complete:
            _debootstrap(wanted, say)
    return wanted


@contextlib.contextmanager
def _only_builder(wanted: Root, say: Callable[[str], None]) -> Iterator[None]:
    with (wanted.path.parent / f".{wanted.suite}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Asterisk {wanted.release}: another process builds it; waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _debootstrap(wanted: Root, say: Callable[[str], None]) -> None:
    title = f"Asterisk {wanted.release} ({wanted.suite})"
    if os.geteuid() != 0:
        raise LabUnavailable(f"{title} is not built, and building it needs root: sudo python -m lab roots")
    if not shutil.which("debootstrap"):
        raise LabUnavailable(f"{title} is not built, and debootstrap is missing: apt-get install debootstrap")
    archive = mirror()
    if archive is None:
        raise LabUnavailable(f"{title} is not built: no Debian archive in /etc/apt/sources.list or sources.list.d")
    beside = wanted.path.with_name(f".{wanted.suite}.building")
    log_path = wanted.path.with_name(f"{wanted.suite}.log")
    shutil.rmtree(beside, ignore_errors=True)
    keyring = [f"--keyring={_KEYRING}"] if _KEYRING.exists() else []
    argv = ["debootstrap", "--variant=minbase", "--include=asterisk", *keyring, wanted.suite, str(beside), archive]
    say(f"{title}: building it once, about a minute and 500 MB in {wanted.path}")
    started = time.monotonic()
    with log_path.open("w") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            _follow(process, log_path, title, say)
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait()
    if process.returncode != 0 or not (beside / "usr/sbin/asterisk").exists():
        lines = log_path.read_text(errors="replace").strip().splitlines() or ["nothing was said"]
        said = next((line for line in reversed(lines) if line.startswith("E:")), lines[-1])
        shutil.rmtree(beside, ignore_errors=True)
        raise LabUnavailable(f"{title} cannot be built: {_without_addresses(said)} (all of it: {log_path})")
    # The package cache doubles the size and is never read again.
    for archive_file in (beside / "var/cache/apt/archives").glob("*.deb"):
        archive_file.unlink()
    beside.rename(wanted.path)
    say(f"{title}: built in {time.monotonic() - started:.0f} s")


def _follow(process: subprocess.Popen[bytes], log: Path, title: str, say: Callable[[str], None]) -> None:
    deadline = time.monotonic() + _BUILD_DEADLINE_S
    said = time.monotonic()
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise LabUnavailable(f"{title} was not built within {_BUILD_DEADLINE_S / 60:.0f} minutes; see {log}")
        if time.monotonic() - said > 10:
            said = time.monotonic()
            lines = log.read_text(errors="replace").splitlines() or [""]
            say(f"{title}: {_without_addresses(lines[-1].removeprefix('I: '))[:80]}")
        time.sleep(0.2)


def _without_addresses(line: str) -> str:
    """A line of debootstrap without where apt of this machine gets its packages, which is nobody else's business."""
    return re.sub(r"\w+://\S+", "the archive", line)


def to(stream: TextIO = sys.stderr) -> Callable[[str], None]:
    """A `say` that writes lines to a stream."""

    def say(line: str) -> None:
        stream.write(f"lab: {line}\n")
        stream.flush()

    return say

"""This machine's BIND for the lint: what it would read, what the one that runs has read, and what it may read."""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query

from failover.dns.facts import rdtype
from failover.here import Here
from failover.lint.facts import Named
from host.command import CommandLate, CommandMissing, run
from host.printable import printable

DEADLINE_S: Final = 4.0
QUERY_S: Final = 1.0
_PROFILES: Final = (Path("/etc/apparmor.d/usr.sbin.named"), Path("/etc/apparmor.d/local/usr.sbin.named"))


def look(here: Here) -> Named | None:
    """The facts about named; None where pair.toml has no [dns]."""
    section = here.pair.dns
    if section is None:
        return None
    configuration, unread = _said(["named-checkconf", "-p", section.named_conf])
    status, words = _said([*section.rndc, "zonestatus", section.zone])
    kind = re.search(r"^type: (\S+)", status, re.MULTILINE)
    files = re.search(r"^files: (.+)", status, re.MULTILINE)
    pid = _pid()
    paths = tuple(_ours(here))
    profile = _profile(pid)
    return Named(
        configuration=configuration,
        unread=unread,
        running_type={"master": "primary", "slave": "secondary"}.get(kind[1], kind[1]) if kind else "",
        running_words=words,
        running_files=tuple(files[1].split(", ")) if files else (),
        user=_user(pid),
        unreadable=tuple(str(path) for path in paths if pid and not _readable(path, pid)),
        apparmor=profile,
        apparmor_allows=not profile or all(allows(_profile_text(), str(path)) for path in paths),
    )


def served_ttls(here: Here) -> dict[str, int]:
    """The longest TTL with which any server gives each followed name."""
    section = here.pair.dns
    found: dict[str, int] = {}
    for server, address in section.servers.items() if section is not None else ():
        assert section is not None
        for name, by_machine in section.follow.items():
            for kind in {rdtype(where) for where in by_machine.values()}:
                where = section.own_address(server) if server == here.machine else address
                seconds = _ttl(where, section.port, name, section.zone, kind)
                if seconds is None:
                    break
                found[name] = max(seconds, found.get(name, 0))
    return found


def allows(profile: str, path: str) -> bool:
    """Whether a profile of AppArmor has a rule that lets `path` be read (apparmor.d(5), file rules).

    `**` crosses directories, `*` and `?` do not; variables such as @{HOME} are not resolved and allow nothing.
    """
    for line in profile.splitlines():
        rule = re.match(r"\s*(?:owner\s+)?\"?(/[^\s\",]*)\"?\s+([a-zA-Z]+)\s*,", line)
        if rule is None or "r" not in rule[2]:
            continue
        pattern = re.escape(rule[1])
        for word, means in ((r"\*\*", ".*"), (r"\*", "[^/]*"), (r"\?", "[^/]")):
            pattern = pattern.replace(word, means)
        if re.fullmatch(pattern, path):
            return True
    return False


def _ours(here: Here) -> Iterator[Path]:
    directory = here.places.localized / "current-dns" / "named"
    for name in ("zones.conf", "key.conf"):
        path = directory / name
        if path.exists():
            yield path.resolve()


def _pid() -> int:
    """The named of this network namespace; 0 where none runs."""
    ours = Path("/proc/self/ns/net").readlink()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "exe").readlink().name == "named" and (entry / "ns/net").readlink() == ours:
                return int(entry.name)
        except OSError:
            continue
    return 0


def _status(pid: int) -> dict[str, list[int]]:
    found = {}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        name, _, values = line.partition(":")
        if name in {"Uid", "Gid", "Groups"}:
            found[name] = [int(word) for word in values.split()]
    return found


def _user(pid: int) -> str:
    try:
        uid = _status(pid)["Uid"][1]
        return pwd.getpwuid(uid).pw_name
    except (OSError, KeyError, IndexError):
        return ""


def _readable(path: Path, pid: int) -> bool:
    """By permission bits, for the user that named runs as now; root reads everything (capabilities aside)."""
    try:
        status = _status(pid)
        uid, groups = status["Uid"][1], {status["Gid"][1], *status["Groups"]}
    except (OSError, KeyError, IndexError):
        return True
    return uid == 0 or (
        all(_permits(parent, uid, groups, stat.S_IXOTH) for parent in path.parents)
        and _permits(path, uid, groups, stat.S_IROTH)
    )


def _permits(path: Path, uid: int, groups: set[int], bit: int) -> bool:
    try:
        state = os.stat(path)  # noqa: PTH116 - the file that is meant, links followed
    except OSError:
        return False
    shift = 6 if state.st_uid == uid else 3 if state.st_gid in groups else 0
    return bool(state.st_mode & (bit << shift))


def _profile(pid: int) -> str:
    try:
        said = Path(f"/proc/{pid}/attr/current").read_text(encoding="utf-8", errors="replace").strip("\0\n")
    except OSError:
        return ""
    found = re.search(r"\((enforce|complain)\)$", said)
    return found[1] if found else ""


def _profile_text() -> str:
    texts = []
    for path in _PROFILES:
        try:
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    return "\n".join(texts)


def _ttl(address: str, port: int, name: str, zone: str, kind: str) -> int | None:
    origin = dns.name.from_text(zone)
    owner = origin if name == "@" else dns.name.from_text(name, origin)
    query = dns.message.make_query(owner, kind)
    query.flags &= ~dns.flags.RD
    try:
        answer = dns.query.udp(query, address, timeout=QUERY_S, port=port)
    except (dns.exception.DNSException, OSError, ValueError):
        return None
    return max((rrset.ttl for rrset in answer.answer), default=0)


def _said(argv: list[str]) -> tuple[str, str]:
    """What a program prints; or nothing, and why."""
    try:
        done = run(argv, deadline_s=DEADLINE_S)
    except (CommandLate, CommandMissing) as error:
        return "", str(error)
    if done.returncode != 0:
        return "", printable((done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2], 160)
    return done.stdout, ""

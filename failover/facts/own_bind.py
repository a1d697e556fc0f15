"""This machine's BIND for the checks: what it would read, what the one that runs has read, and what it may read."""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from failover.bind.named import LocalNamed, NamedRefuses, NamedSilent, ZoneInSeveralViews
from failover.bind.zone_status import ZoneStatus
from failover.context import Context
from failover.facts.facts import NamedFacts
from failover.name_servers.agreement import NameServer, rdtype
from failover.name_servers.query import query_servers
from failover.name_servers.transport import DnsTransport
from failover.steps.dns.obstacle import zone_obstacle_here

_PROFILES: Final = (Path("/etc/apparmor.d/usr.sbin.named"), Path("/etc/apparmor.d/local/usr.sbin.named"))


def read_named(context: Context) -> NamedFacts | None:
    """The facts about named; None where pair.toml has no [dns]."""
    section = context.pair.dns
    if section is None:
        return None
    ours = LocalNamed.of(section)
    block, unread, views, running, words = None, "", "", ZoneStatus(""), ""
    try:
        block = ours.block(section.zone)
    except ZoneInSeveralViews as error:
        views = str(error)
    except NamedRefuses as error:
        unread = str(error)
    try:
        running = ours.status(section.zone)
        words = running.reason
    except (NamedRefuses, NamedSilent) as error:
        words = str(error)
    pid = _pid()
    paths = tuple(_ours(context))
    profile = _profile(pid)
    return NamedFacts(
        block=block,
        unread=unread,
        views=views,
        running_type=running.kind,
        running_words=words,
        user=_user(pid),
        unreadable=tuple(str(path) for path in paths if pid and not _readable(path, pid)),
        apparmor=profile,
        apparmor_allows=not profile or all(allows(_profile_text(), str(path)) for path in paths),
    )


def read_zone_obstacle(context: Context) -> str:
    """What would keep this machine from changing the zone; empty where nothing does, or pair.toml has no [dns]."""
    if context.pair.dns is None:
        return ""
    try:
        return zone_obstacle_here(context.pair.dns, context.machine)
    except (NamedRefuses, NamedSilent) as error:
        return str(error)


def served_ttls(context: Context) -> dict[str, int]:
    """The longest TTL with which any server gives each followed name."""
    section = context.pair.dns
    found: dict[str, int] = {}
    if section is None:
        return found
    keys = sorted({(name, rdtype(where)) for name, by in section.follow.items() for where in by.values()})
    servers = [NameServer(name, address) for name, address in section.servers_seen_from(context.machine).items()]
    for seen in query_servers(servers, section.zone, keys, DnsTransport(port=section.port)):
        for (name, _), seconds in seen.ttls.items():
            found[name] = max(seconds, found.get(name, 0))
    return found


_MOST_STARS: Final = 8
"""In one rule; each one more may multiply the time of a match by the length of the path."""


def allows(profile: str, path: str) -> bool:
    """Whether a profile of AppArmor has a rule that lets `path` be read (apparmor.d(5), file rules).

    `**` crosses directories, `*` and `?` do not; variables such as @{HOME} are not resolved and allow nothing.
    """
    for line in profile.splitlines():
        rule = re.match(r"\s*(?:owner\s+)?\"?(/[^\s\",]*)\"?\s+([a-zA-Z]+)\s*,", line)
        if rule is None or "r" not in rule[2]:
            continue
        if rule[1].count("*") > _MOST_STARS:
            continue
        pattern = re.escape(rule[1])
        for word, means in ((r"\*\*", ".*"), (r"\*", "[^/]*"), (r"\?", "[^/]")):
            pattern = pattern.replace(word, means)
        if re.fullmatch(pattern, path):
            return True
    return False


def _ours(context: Context) -> Iterator[Path]:
    directory = context.places.localized / "current-dns" / "named"
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

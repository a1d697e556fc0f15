"""What should be the same on both machines, as this one has it. `failover compare` lays two of these side by side.

Each fact is gathered by itself: one that cannot be had is told as such and hides no other.
"""

from __future__ import annotations

import hashlib
import platform
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from failover.context import Context
from host.command import CommandLate, CommandMissing, run
from host.printable import printable
from localized.asterisk.reload import rx
from localized.errors import AsteriskUnreachable

UNKNOWN: Final = "unknown: "
"""What a fact that could not be had begins with."""

_SOUNDS: Final = Path("/usr/share/asterisk/sounds")
_MOST_FILES: Final = 50_000


def facts(context: Context, *, etc: Path = Path("/etc")) -> dict[str, str]:
    """Every fact by name; a name that holds a colon belongs to a group, such as "module: chan_sip.so"."""
    asterisk = context.asterisk.model_copy(update={"reload_deadline_s": 3.0})
    found = {"pair.toml": context.pair.digest[:12]}
    single: Mapping[str, Callable[[], str]] = {
        "time zone": lambda: time_zone(etc),
        "asterisk version": lambda: rx(asterisk, "core show version").strip().partition(" built ")[0],
        "dialplan": lambda: dialplan_digest(rx(asterisk, "dialplan show")),
        "sounds": lambda: tree_digest(_SOUNDS),
        "hotstandby version": lambda: version("hotstandby"),
        "python": lambda: platform.python_version(),
        "named version": lambda: _first(["named", "-v"]),
        "unison version": lambda: _first(["unison", "-version"]),
    }
    for name, gather in single.items():
        found[name] = _told(gather)
    grouped: Mapping[str, Callable[[], dict[str, str]]] = {
        "module": lambda: modules(rx(asterisk, "module show")),
        "codec": lambda: codecs(rx(asterisk, "core show codecs")),
        "endpoint": lambda: endpoints(rx(asterisk, "pjsip show endpoints"), rx(asterisk, "sip show peers")),
        "queue": lambda: queues(rx(asterisk, "queue show"))[0],
        "queue member": lambda: queues(rx(asterisk, "queue show"))[1],
        "mailbox": lambda: mailboxes(rx(asterisk, "voicemail show users")),
        "call forward": lambda: forwards(rx(asterisk, "database show")),
        "certificate": lambda: certificates(Path(context.asterisk.config_dir) / "keys"),
    }
    for group, gather_all in grouped.items():
        try:
            found |= {f"{group}: {name}": value for name, value in gather_all().items()}
        except (AsteriskUnreachable, CommandLate, CommandMissing, OSError) as error:
            found[group] = f"{UNKNOWN}{error}"
    return found


def time_zone(etc: Path) -> str:
    """Name of the zone, as Debian says it; and what it amounts to now."""
    offset = datetime.now(UTC).astimezone().strftime("%Z %z")
    try:
        return f"{(etc / 'timezone').read_text(encoding='utf-8').strip()} ({offset})"
    except OSError:
        link = etc / "localtime"
        name = str(link.readlink()).partition("zoneinfo/")[2] if link.is_symlink() else ""
        return f"{name or 'not set'} ({offset})"


def modules(text: str) -> dict[str, str]:
    """Name -> Running or not, from `module show`."""
    lines = re.findall(r"^(\S+\.so)\s.*?\s(Running|Not Running)\b", text, re.MULTILINE)
    return dict(lines)


def codecs(text: str) -> dict[str, str]:
    """Name -> kind, from `core show codecs`."""
    lines = re.findall(r"^[ \t]*[0-9]+[ \t]+(audio|video|image|text)[ \t]+(\S+)", text, re.MULTILINE)
    return {name: kind for kind, name in lines}


def endpoints(pjsip: str, sip: str) -> dict[str, str]:
    """Name -> its channel, from `pjsip show endpoints` and `sip show peers`; states come and go, and are left out."""
    found = dict.fromkeys(re.findall(r"^ Endpoint:\s+([^\s/<]+)", pjsip, re.MULTILINE), "pjsip")
    _, listed, rows = sip.partition("Name/username")
    for line in rows.splitlines()[1:] if listed else ():
        word = line.split(" ")[0].partition("/")[0]
        if word and not re.match(r"\d+ sip peers", line):
            found[word] = "sip"
    return found


def queues(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Queue -> its strategy; and "queue member" -> nothing, from `queue show`. Members that are logged in by a phone
    live in that machine's own database."""
    found: dict[str, str] = {}
    members: dict[str, str] = {}
    queue, inside = "", False
    for line in text.splitlines():
        if head := re.match(r"(\S+) has \d+ calls.* in '(\w+)' strategy", line):
            queue, inside = head[1], False
            found[queue] = head[2]
        elif line.strip() in ("Members:", "Members: "):
            inside = True
        elif line.strip().startswith(("Callers:", "No Callers", "No Members")) or not line.strip():
            inside = False
        elif inside and queue:
            members[f"{queue} {line.strip().partition(' (')[0].partition(' with penalty')[0]}"] = "there"
    return found, members


def mailboxes(text: str) -> dict[str, str]:
    """Mailbox@context -> nothing, from `voicemail show users`."""
    return {f"{box}@{section}": "there" for section, box in re.findall(r"^(\S+)\s+(\d\S*)\s", text, re.MULTILINE)}


def forwards(text: str) -> dict[str, str]:
    """Extension's call forward or do-not-disturb in Asterisk's own database -> where to, from `database show`."""
    lines = re.findall(r"^/((?:CF\w*|DND)/\S+)\s*: (.*?)\s*$", text, re.MULTILINE)
    return {printable(name, 80): printable(value, 80) for name, value in lines[:2000]}


def dialplan_digest(text: str) -> str:
    """A digest of the loaded dialplan, and its size. Contexts of ours, which differ by role, are left out whole, and so
    are the file and the line that each comes from."""
    kept, ours = [], False
    for line in text.splitlines():
        if head := re.match(r"\[ Context '([^']*)' created by", line):
            ours = head[1].startswith("hotstandby-")
        if not ours and line.strip() and not line.startswith("-= "):
            kept.append(re.sub(r"\s*\[[^\]\[]*\]\s*$", "", line) if not head else line)
    return f"{len(kept)} lines, {hashlib.sha256(chr(10).join(kept).encode()).hexdigest()[:12]}"


def tree_digest(top: Path) -> str:
    """Names and sizes of every file below `top`; contents are Unison's to compare."""
    if not top.is_dir():
        return "none"
    summed, count = hashlib.sha256(), 0
    for path in sorted(top.rglob("*")):
        if path.is_file():
            count += 1
            if count > _MOST_FILES:
                return f"more than {_MOST_FILES} files"
            summed.update(f"{path.relative_to(top)}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape"))
    return f"{count} files, {summed.hexdigest()[:12]}"


def certificates(directory: Path) -> dict[str, str]:
    """File name -> when it expires, of every certificate that openssl reads there."""
    found = {}
    for path in sorted([*directory.glob("*.pem"), *directory.glob("*.crt")])[:100]:
        done = run(["openssl", "x509", "-in", str(path), "-noout", "-enddate", "-fingerprint"], deadline_s=2.0)
        if done.returncode == 0:
            said = dict(line.partition("=")[::2] for line in done.stdout.splitlines() if "=" in line)
            found[path.name] = f"expires {said.get('notAfter', 'at an unknown time')}"
    return found


def expiry_of(value: str) -> float | None:
    """Unix seconds of the end in a fact that `certificates` wrote; None where it does not say."""
    try:
        moment = time.strptime(value.removeprefix("expires "), "%b %d %H:%M:%S %Y %Z")
        # strptime takes the leap seconds 60 and 61, which a datetime does not have.
        return datetime(*moment[:5], min(moment.tm_sec, 59), tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _first(argv: list[str]) -> str:
    done = run(argv, deadline_s=2.0)
    return (done.stdout + done.stderr).strip().partition("\n")[0]


def _told(gather: Callable[[], str]) -> str:
    try:
        return gather()
    except PackageNotFoundError:
        return f"{UNKNOWN}it is not installed as a package"
    except (AsteriskUnreachable, CommandLate, CommandMissing, OSError) as error:
        return f"{UNKNOWN}{error}"

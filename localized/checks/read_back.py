"""What was rendered, read back before it may become active: Asterisk's files by our reader, BIND's by its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from host.command import CommandLate, CommandMissing, run
from host.printable import printable
from localized.asterisk.configuration import read_text
from localized.checks.own_configuration import REQUIRED_INCLUDES
from localized.render.rendered import FREEPBX_NAMES, Rendered

_SECTION_OF = {FREEPBX_NAMES.get(required.file, required.file): required.section for required in REQUIRED_INCLUDES} | {
    required.file: required.section for required in REQUIRED_INCLUDES
}
_OPEN_WHERE_INCLUDED = "the section that it is included in"


def asterisk_problems(files: Sequence[Rendered]) -> Iterator[str]:
    """Everything that Asterisk would swallow or refuse in rendered files; an include is read where it stands."""
    for file in files:
        if not (file.path.startswith("asterisk/") and file.path.endswith(".conf")):
            continue
        section = _SECTION_OF.get(file.path) or _OPEN_WHERE_INCLUDED
        conf = read_text(file.data, file=file.path, section=section)
        if conf.refused is not None:
            yield f"{conf.refused}; Asterisk would read the file up to there, and say nothing to whoever reloads."
        yield from (f"{finding}." for finding in conf.findings)


def named_problems(directory: Path, *, deadline_s: float = 20.0) -> Iterator[str]:
    """What named-checkconf says of a DNS generation; nothing where BIND is not installed.

    `-z` loads the zones as well: a secondary's raw zone file under `type primary` is only found so.
    """
    zones = directory / "named" / "zones.conf"
    if not zones.exists():
        return
    key = directory / "named" / "key.conf"
    included = "".join(f'include "{path}";\n' for path in (key, zones) if path.exists())
    # Given on standard input: a file for it would stay behind in /tmp when this process is killed.
    conf = f'options {{ directory "{directory}"; }};\n{included}'
    try:
        done = run(["named-checkconf", "-z", "/dev/stdin"], deadline_s=deadline_s, input=conf.encode())
    except CommandMissing:
        return
    except CommandLate as late:
        yield str(late)
        return
    if done.returncode != 0:
        said = [line.rstrip(".") for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        yield f"named-checkconf -z: {printable('; '.join(said[:4]), 400)}"

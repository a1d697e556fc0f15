"""From pair.toml, machine, role and secrets to bytes. Pure: the same input gives the same files.

A template is a file `PATH.j2`; its result is the file PATH of the generation. Ours lie in the package
`templates`; a file of the same name in /etc/hotstandby/templates takes the place of ours, and any other there is
rendered as well. A first line `{# hotstandby: reload=MODULE secret #}` says which Asterisk module reads the
result and whether it holds secrets. An undefined name is an error, and so is a value from outside that is printed
without a filter of localized.render.syntax.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, Final

import jinja2
from jinja2.bccache import Bucket

import templates
from host.ownership import open_to_others
from host.printable import printable
from localized.errors import NotRenderable
from localized.render import syntax
from localized.render.facts import MASK, TemplateFacts
from localized.render.rendered import FREEPBX_NAMES, FileOwner, Rendered
from localized.render.untrusted import Untrusted
from localized.role import Role
from pair import Pair

_SUFFIX: Final = ".j2"
_HEADER: Final = re.compile(r"\A\{#-?\s*hotstandby:([^#]*?)-?#\}")


def render(
    pair: Pair, machine: str, role: Role, secrets: Mapping[str, str], *, admin_templates: Path | None = None
) -> tuple[Rendered, ...]:
    """Every file of one generation, by path.

    Args:
        pair: the pair.
        machine: the machine to render for.
        role: its role, as a PBX or in DNS.
        secrets: content of secrets by file name; those of `TemplateFacts.secret_names` at least.
        admin_templates: directory that overrides and adds templates.

    Raises:
        NotRenderable: names the template and its line, or the trunk and the character.
    """
    facts = TemplateFacts(pair, machine, role, secrets)
    if not role.is_dns:
        _all_writable(facts)
    return _render(facts, template_names(admin_templates), admin_templates)


def masked(
    pair: Pair, machine: str, role: Role, secrets: Iterable[str], *, admin_templates: Path | None = None
) -> tuple[Rendered, ...]:
    """The files that hold secrets, with MASK for each: for people's eyes, and to be kept beside a generation."""
    facts = TemplateFacts(pair, machine, role, dict.fromkeys(secrets, MASK))
    names = {name: path for name, path in template_names(admin_templates).items() if _header(_source(path)).secret}
    return _render(facts, names, admin_templates)


def _render(facts: TemplateFacts, names: Mapping[str, Path], admin_templates: Path | None) -> tuple[Rendered, ...]:
    if admin_templates is not None:
        _trusted(admin_templates)
    environment = _environment(admin_templates)
    context = facts.context()
    found = [
        _rendered(name, environment, context, facts)
        for name in sorted(names)
        if name.startswith("named/") == facts.role.is_dns
    ]
    return tuple(sorted(found, key=lambda file: file.path))


def template_names(admin_templates: Path | None) -> dict[str, Path]:
    """Template name without its suffix -> file, the admin's before ours."""
    return {**_ours(), **(_templates_in(admin_templates) if admin_templates is not None else {})}


@cache
def _ours() -> Mapping[str, Path]:
    """Those of the package, which change with the program alone."""
    return _templates_in(Path(templates.__file__).parent)


def _templates_in(directory: Path) -> dict[str, Path]:
    found = {}
    for path in sorted(directory.rglob(f"*{_SUFFIX}")) if directory.is_dir() else ():
        name = path.relative_to(directory).as_posix().removesuffix(_SUFFIX)
        if not name.startswith("carriers/") and not any(part.startswith(".") for part in name.split("/")):
            found[name] = path
    return found


class _CompiledTemplates(jinja2.BytecodeCache):
    """Compiled templates by name and file, each kept with the checksum of the source that it was compiled from.

    Environments come and go with the admin's directory, and a daemon outlives an edit: jinja asks for a template's
    code with the checksum of what the file holds now, so a change, or a file that takes another's place, is seen.
    """

    def __init__(self) -> None:
        """Nothing is compiled yet."""
        self._codes: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Gives what was compiled from this very source."""
        checksum, code = self._codes.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps it, in place of what was compiled from an earlier source."""
        if bucket.code is not None:
            self._codes[bucket.key] = (bucket.checksum, bucket.code)


_COMPILED: Final = _CompiledTemplates()
"""This process's; environments may share it, because all of ours compile alike."""


def _environment(admin_templates: Path | None) -> jinja2.Environment:
    ours = jinja2.FileSystemLoader(Path(templates.__file__).parent)
    loaders: list[jinja2.BaseLoader] = [ours]
    if admin_templates is not None:
        loaders.insert(0, jinja2.FileSystemLoader(admin_templates))
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        undefined=jinja2.StrictUndefined,
        # Configuration files are not HTML; `finalize` refuses what no filter has escaped for its target.
        autoescape=False,  # noqa: S701
        finalize=_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        bytecode_cache=_COMPILED,
    )
    environment.filters |= {
        function.__name__: function
        for function in (
            syntax.asterisk_value,
            syntax.sip_user,
            syntax.sip_host,
            syntax.named_string,
            syntax.hosts_name,
            syntax.unison_value,
            syntax.markdown,
        )
    }
    return environment


def _escaped(value: Any) -> Any:
    if isinstance(value, Untrusted):
        raise NotRenderable(
            f"{value.label} is printed without a filter, so it could change the meaning of the file. "
            "Write {{ … | asterisk_value }}, or the filter of the file that it goes into (docs/reference/localized.md)."
        )
    return value


def _rendered(name: str, environment: jinja2.Environment, context: dict[str, Any], facts: TemplateFacts) -> Rendered:
    file = name + _SUFFIX
    try:
        template = environment.get_template(file)
        source = Path(template.filename or "").read_text(encoding="utf-8")
        text = template.render(context)
        data = text.encode("utf-8")
    except jinja2.TemplateSyntaxError as error:
        raise NotRenderable(
            f"Template {error.filename or file}, line {error.lineno}: {error.message}. Mend it."
        ) from None
    except jinja2.UndefinedError as error:
        raise NotRenderable(
            f"Template {_where(error, file)}: {printable(str(error.message))}. "
            "Names that a template may use are in docs/reference/localized.md."
        ) from None
    except syntax.Unwritable:
        # It names the value, which stands in pair.toml or under secrets/; the template is not at fault.
        raise
    except NotRenderable as error:
        raise NotRenderable(f"Template {_where(error, file)}: {error}") from None
    except (UnicodeError, OSError) as error:
        raise NotRenderable(f"Template {file} cannot be read or written as UTF-8: {printable(str(error))}.") from None
    except Exception as error:  # an admin's template may fail in any way that Python knows
        raise NotRenderable(
            f"Template {_where(error, file)}: {type(error).__name__}: {printable(str(error))}. Mend it."
        ) from error
    return _with_rights(name, data, source, facts)


def _trusted(admin_templates: Path) -> None:
    """A template is a program: what it includes and imports from that directory as well.

    Raises:
        NotRenderable
    """
    for path in sorted(admin_templates.rglob("*")) if admin_templates.is_dir() else ():
        against = open_to_others(path)
        if against:
            raise NotRenderable(
                f"The template {printable(str(path), 400)} is not used, because it is a program: {against}"
            )


def _all_writable(facts: TemplateFacts) -> None:
    """Every value that cannot be written, not the first alone.

    Raises:
        Unwritable
    """
    refused = []
    for trunk in facts.trunks:
        try:
            trunk.written()
        except syntax.Unwritable as error:
            refused.append(str(error))
    if refused:
        raise syntax.Unwritable("\n".join(refused))


def _with_rights(name: str, data: bytes, source: str, facts: TemplateFacts) -> Rendered:
    header = _header(source)
    path = FREEPBX_NAMES.get(name, name) if facts.asterisk.freepbx else name
    owner = (
        FileOwner.ASTERISK
        if name.startswith("asterisk/")
        else FileOwner.NAMED
        if name.startswith("named/")
        else FileOwner.ROOT
    )
    return Rendered(path, data, 0o640 if header.secret else 0o644, owner, header.secret, header.reload)


@dataclass(frozen=True, slots=True)
class _Header:
    """What a template's first line says of its result.

    Attributes:
        secret: it holds secrets.
        reload: the Asterisk module that reads it; None where none does.
    """

    secret: bool
    reload: str | None


def _header(source: str) -> _Header:
    found = _HEADER.match(source)
    words = dict(word.partition("=")[::2] for word in (found[1] if found else "").split())
    return _Header("secret" in words, words.get("reload"))


def _source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise NotRenderable(f"Template {path} cannot be read as UTF-8: {printable(str(error))}.") from None


def _where(error: BaseException, file: str) -> str:
    """The template's file and line that an error came from."""
    trace, found = error.__traceback__, file
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename.endswith(_SUFFIX):
            found = f"{code.co_filename}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found

"""Scripts: one file, one plain function `run(call, services)`.

Ours lie in this package; an admin's lie in the configuration directory under agi/, any number of them. One that
cannot be loaded is out of service alone, and says why.

A module may say two more things: RESTARTABLE = True (see agi.protocol.call.Call.before_waiting) and DEADLINE_S,
seconds that one session of it may take in place of the server's own setting, for a script that plays menus.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from agi.protocol.errors import ScriptBroken
from host.ownership import open_to_others
from host.places import Places
from host.printable import printable
from pair.model import Pair

if TYPE_CHECKING:
    from agi.lookups.resolver import LookupResolver
    from agi.protocol.call import Call

OURS: Final = {"lookup": "agi.lookup"}
"""Scripts of this package by name, with their modules."""

_FILE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")


class Services:
    """What a script may use beside its call; one for each process, safe to use from several threads."""

    def __init__(self, places: Places, pair: Pair) -> None:
        self.places = places
        self.pair = pair

    @cached_property
    def lookups(self) -> LookupResolver:
        """The lookups of pair.toml, with their cache."""
        from agi.lookups.resolver import LookupResolver

        return LookupResolver(self.places, self.pair)

    def stay(self) -> None:
        """This process lives on: what costs time once is done now."""
        self.lookups.stay()

    def close(self) -> None:
        """Writes what is kept between processes; a second at most."""
        if "lookups" in self.__dict__:
            self.lookups.close()


Run = Callable[["Call", Services], None]


@dataclass(frozen=True, slots=True)
class Script:
    """A script that can be run.

    Attributes:
        name: as the dialplan calls it.
        origin: where its code lies.
        run: the function.
        restartable: whether it may be started where nothing may wait, and again elsewhere.
        deadline_s: seconds for one session, None for the server's own setting.
    """

    name: str
    origin: str
    run: Run
    restartable: bool = False
    deadline_s: float | None = None


class Scripts:
    """All scripts by name, as they were when this was made.

    Attributes:
        broken: name to reason, of those that could not be loaded.
    """

    def __init__(self, directory: Path) -> None:
        """
        Args:
            directory: of the admin's own scripts, *.py; it may be missing.
        """
        self.broken: dict[str, str] = {}
        self._found: dict[str, Script] = {}
        for name, module in OURS.items():
            self._load(name, module, partial(importlib.import_module, module))
        for path in sorted(directory.glob("*.py")):
            if path.stem in OURS:
                self.broken[str(path)] = f"{path.stem} is the name of a script of hotstandby. Give yours another one."
            elif not _FILE.fullmatch(path.stem):
                self.broken[str(path)] = (
                    "a script's name is made of letters, digits, '-' and '_', 63 at most, no digit first."
                )
            elif against := open_to_others(path):
                self.broken[path.stem] = f"it would run as this server's user, and {against}."
            else:
                self._load(path.stem, str(path), partial(_from_file, path))

    def __iter__(self) -> Iterator[Script]:
        return iter(self._found.values())

    def get(self, name: str) -> Script | None:
        """The script of that name, with or without `.py`; None when there is none."""
        return self._found.get(name) or self._found.get(name.removesuffix(".py"))

    def __getitem__(self, name: str) -> Script:
        """The script of that name.

        Raises:
            ScriptBroken: there is none, or it could not be loaded.
        """
        found = self.get(name)
        if found is None:
            reason = self.broken.get(name.removesuffix(".py"))
            known = ", ".join(self._found) or "none"
            raise ScriptBroken(
                f"The script '{printable(name)}' cannot be loaded: {reason} Mend it, then type: agi-server check"
                if reason
                else f"There is no script '{printable(name)}' (there are: {known}). Type: agi-server check"
            )
        return found

    def keep_off_the_loop(self, name: str) -> None:
        """Takes back what the script has said of itself: it is not one that may run where nothing waits."""
        self._found[name] = replace(self._found[name], restartable=False)

    def _load(self, name: str, origin: str, load: Callable[[], ModuleType]) -> None:
        try:
            module = load()
            self._found[name] = _script(name, origin, module)
        except ScriptBroken as error:
            self.broken[name] = str(error)
        except (Exception, SystemExit) as error:
            # Whatever an admin's file does while it is loaded, the other scripts go on.
            line = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            self.broken[name] = f"{type(error).__name__}{line}: {printable(str(error))}"


def _script(name: str, origin: str, module: ModuleType) -> Script:
    run = getattr(module, "run", None)
    if not callable(run):
        raise ScriptBroken(f"{origin} has no function run(call, services).")
    deadline_s = getattr(module, "DEADLINE_S", None)
    if deadline_s is not None and not (isinstance(deadline_s, int | float) and 0 < deadline_s <= 86400):
        raise ScriptBroken(f"{origin} says DEADLINE_S = {deadline_s!r}; seconds above 0, 86400 at most, are allowed.")
    return Script(name, origin, run, getattr(module, "RESTARTABLE", False) is True, deadline_s)


def _from_file(path: Path) -> ModuleType:
    # A name that no package has: an admin's json.py must not become everybody's json.
    name = f"agi_script_{path.stem.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ScriptBroken(f"{path} cannot be loaded.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

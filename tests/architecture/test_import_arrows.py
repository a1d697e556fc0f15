"""Which room may import which: arrows point down only, inside the packages as well.

Read from the sources by ast, so that an import inside a function or for types alone counts like any other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
NEVER_SHIPPED: Final = frozenset({"bench", "lab", "tests"})

PACKAGES: Final[Mapping[str, frozenset[str]]] = {
    "host": frozenset(),
    "pair": frozenset({"host"}),
    "ami_watcher": frozenset({"host", "pair"}),
    "agi": frozenset({"host", "pair"}),
    "localized": frozenset({"host", "pair", "ami_watcher", "templates"}),
    "failover": frozenset({"host", "pair", "ami_watcher", "agi", "localized", "templates"}),
    "templates": frozenset(),
}
"""What each package may import; nothing imports failover."""

ROOMS: Final[Mapping[str, tuple[str, ...]]] = {
    "host": (
        "atomic clock collector durations exits file_reading places printable service_manager",
        "errors ownership terminal",
        "command console_command http lock",
        "hook",
    ),
    "pair": (
        "fields machine_name named_grammar problem public_role readiness telephone",
        "sections",
        "model",
        "cross_checks reference right secret",
        "reading tsig_key",
    ),
    "agi": (
        "protocol install launcher fake_asterisk",
        "domino",
        "lookups",
        "script",
        "lookup server",
        "trial",
        "command __main__",
    ),
    "ami_watcher": (
        "ami event level",
        "registrations phones",
        "follow history notify other_machine",
        "web",
        "ask",
        "daemon check tables",
        "command",
    ),
    "localized": (
        "errors role asterisk",
        "render",
        "generations",
        "checks",
        "prepare",
        "activation",
        "check report",
        "command __main__",
    ),
    "failover": (
        "errors probe_result context journal state",
        "peer name_servers bind",
        "runner",
        "probes",
        "demotion",
        "steps",
        "facts",
        "overview",
        "checks",
        "plan",
        "promotion",
        "drill",
        "peer_handlers",
        "commands",
        "command __main__",
    ),
}
"""The inner rooms of a package, the lowest floor first. A room imports lower floors and, without a circle, its own."""


class Arrow(NamedTuple):
    """One import: from a module, to a module, and the line; for types alone where it stands below TYPE_CHECKING."""

    importer: str
    imported: str
    line: int
    for_types: bool = False


@cache
def modules() -> Mapping[str, Path]:
    """Every Python file of the checkout by the name of its module."""
    found = {}
    for top in (*PACKAGES, *NEVER_SHIPPED):
        for path in sorted((ROOT / top).rglob("*.py")):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def arrows_of(module: str, source: str, known: Mapping[str, object]) -> Iterator[Arrow]:
    """What a source imports of the modules that are known, wherever the import stands."""
    tree = ast.parse(source)
    typed = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for one in node.body
        for inner in ast.walk(one)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield Arrow(module, full if full in known else str(node.module), node.lineno, node in typed)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield Arrow(module, alias.name, node.lineno, node in typed)


@cache
def shipped_arrows() -> tuple[Arrow, ...]:
    return tuple(
        arrow
        for module, path in modules().items()
        if top_of(module) in PACKAGES
        for arrow in arrows_of(module, path.read_text(encoding="utf-8"), modules())
        if top_of(arrow.imported) in PACKAGES or top_of(arrow.imported) in NEVER_SHIPPED
    )


def top_of(module: str) -> str:
    return module.partition(".")[0]


def room_of(module: str) -> str:
    """Package and inner room; the package alone for its `__init__`."""
    return ".".join(module.split(".")[:2])


def floor_of(room: str) -> int | None:
    package, _, name = room.partition(".")
    return next((floor for floor, names in enumerate(ROOMS[package]) if name in names.split()), None)


def told(arrows: list[Arrow]) -> str:
    return "\n".join(f"{arrow.importer}:{arrow.line} imports {arrow.imported}" for arrow in arrows)


def leaves_its_package_wrongly(arrow: Arrow) -> bool:
    """Whether it goes to a package that does not lie below, or to what is not shipped."""
    importer, imported = top_of(arrow.importer), top_of(arrow.imported)
    return importer != imported and imported not in PACKAGES[importer]


def points_up(arrow: Arrow) -> bool:
    """Whether it goes to a higher floor of the same package; a package's `__init__` stands on no floor."""
    importer, imported = room_of(arrow.importer), room_of(arrow.imported)
    if top_of(importer) != top_of(imported):
        return False
    low, high = floor_of(importer), floor_of(imported)
    return low is not None and high is not None and low < high


def test_packages_import_only_what_lies_below_them() -> None:
    wrong = [arrow for arrow in shipped_arrows() if leaves_its_package_wrongly(arrow)]
    assert not wrong, told(wrong)


def test_every_inner_room_has_a_floor() -> None:
    rooms = {room_of(module) for module in modules() if top_of(module) in ROOMS and "." in module}
    drawn = {f"{package}.{name}" for package, floors in ROOMS.items() for names in floors for name in names.split()}
    assert rooms - drawn == set(), "draw them in ROOMS"
    assert drawn - rooms - {"agi.__main__"} == set(), "they are gone: take them out of ROOMS"


def test_no_arrow_between_inner_rooms_points_up() -> None:
    wrong = [arrow for arrow in shipped_arrows() if points_up(arrow)]
    assert not wrong, told(wrong)


def graph_of(arrows: Iterable[tuple[str, str]]) -> TopologicalSorter[str]:
    graph: dict[str, set[str]] = {}
    for importer, imported in arrows:
        if importer != imported:
            graph.setdefault(importer, set()).add(imported)
    return TopologicalSorter(graph)


def test_no_modules_import_each_other_in_a_circle() -> None:
    # CycleError names the circle. Who is handed its owner may name the owner's type, in the room that both share.
    graph_of(
        (arrow.importer, arrow.imported)
        for arrow in shipped_arrows()
        if not arrow.for_types or room_of(arrow.importer) != room_of(arrow.imported)
    ).prepare()


def test_no_rooms_import_each_other_in_a_circle() -> None:
    between = {(room_of(arrow.importer), room_of(arrow.imported)) for arrow in shipped_arrows()}
    graph_of((one, other) for one, other in between if "." in one and "." in other).prepare()


@pytest.mark.parametrize(
    ("importer", "imported", "wrong"),
    [
        ("host.clock", "pair.model", True),
        ("agi.script", "ami_watcher.ami.wire", True),
        ("localized.command", "failover.errors", True),
        ("failover.command", "lab.world", True),
        ("failover.command", "localized.report", False),
        ("localized.report", "ami_watcher.tables", False),
    ],
)
def test_a_package_that_lies_above_is_refused(importer: str, imported: str, wrong: bool) -> None:
    assert leaves_its_package_wrongly(Arrow(importer, imported, 1)) is wrong


@pytest.mark.parametrize(
    ("importer", "imported", "wrong"),
    [
        ("failover.probes.ping", "failover.steps.dns.step", True),
        ("failover.steps.dns.step", "failover.probes.ping", False),
        ("failover.steps.dns.step", "failover.steps.proof.step", False),
        ("agi.protocol.call", "agi.command", True),
        ("agi.command", "agi", False),
    ],
)
def test_a_higher_floor_is_refused(importer: str, imported: str, wrong: bool) -> None:
    assert points_up(Arrow(importer, imported, 1)) is wrong


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import failover.plan", "failover.plan"),
        ("from failover import plan", "failover.plan"),
        ("from failover.plan import Plan", "failover.plan"),
        ("def later():\n    from failover.plan import Plan", "failover.plan"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import failover.plan", "failover.plan"),
    ],
)
def test_an_import_is_found_wherever_it_stands(source: str, imported: str) -> None:
    (arrow,) = (one for one in arrows_of("host.clock", source, {"failover.plan": 1}) if one.imported == imported)
    assert arrow.for_types is ("TYPE_CHECKING" in source)

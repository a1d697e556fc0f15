"""What is wrong while a machine is promoted, as context managers, and a row: how the command ends, what it must say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from tests.world.failover.cutover import failover
from tests.world.failover.promotion.failing import Scene, changed, full_disk
from tests.world.failover.promotion.mortal import role_on_disk

Fault = Callable[[Scene], AbstractContextManager[None]]
SECRETS = "/etc/hotstandby/secrets"
MANAGER = "/etc/asterisk/manager.conf"


def secret(name: str, text: str | None = None) -> Fault:
    """A secret that is gone, or another one."""

    @contextmanager
    def fault(scene: Scene) -> Iterator[None]:
        path = scene.dallas.path(f"{SECRETS}/{name}")
        kept, mode = path.read_text(), path.stat().st_mode & 0o777
        path.unlink()
        if text is not None:
            scene.dallas.write(f"{SECRETS}/{name}", text, mode=mode)
        try:
            yield
        finally:
            scene.dallas.write(f"{SECRETS}/{name}", kept, mode=mode)

    return fault


def manager(old: str, new: str) -> Fault:
    """Asterisk's manager.conf gives our user something else."""

    @contextmanager
    def fault(scene: Scene) -> Iterator[None]:
        path = scene.dallas.path(MANAGER)
        kept = path.read_text()
        assert old in kept
        path.write_text(kept.replace(old, new))
        scene.dallas.asterisk("manager reload")
        try:
            yield
        finally:
            path.write_text(kept)
            scene.dallas.asterisk("manager reload")

    return fault


@contextmanager
def frozen(scene: Scene) -> Iterator[None]:
    scene.dallas.freeze()
    try:
        yield
    finally:
        scene.dallas.thaw()


@contextmanager
def down(scene: Scene) -> Iterator[None]:
    scene.dallas.stop_asterisk()
    try:
        yield
    finally:
        scene.dallas.start_asterisk()


@contextmanager
def no_named(scene: Scene) -> Iterator[None]:
    scene.dallas.stop_named()
    try:
        yield
    finally:
        scene.dallas.start_named()


@contextmanager
def no_third_server(scene: Scene) -> Iterator[None]:
    scene.world.ns3.stop_named()
    try:
        yield
    finally:
        scene.world.ns3.start_named()


@contextmanager
def no_carrier(scene: Scene) -> Iterator[None]:
    scene.carrier(serves=False)
    try:
        yield
    finally:
        scene.carrier()


@contextmanager
def no_room(scene: Scene) -> Iterator[None]:
    with full_disk(scene.dallas, "/var/lib/hotstandby"):
        yield


@contextmanager
def broken_pair(scene: Scene) -> Iterator[None]:
    with changed(scene.dallas, "/etc/hotstandby/pair.toml", "[pair\n", 0o644):
        yield


@dataclass(frozen=True)
class Row:
    """What goes wrong in one promotion, each thing in another step, and what comes of it.

    Attributes:
        faults: what is wrong meanwhile -> words that name it or say what to do.
        code: how the command ends.
        role: of dallas afterwards.
    """

    faults: dict[Fault, str]
    code: int
    role: str

    def holds(self, scene: Scene) -> None:
        """Promotes with all of it wrong, and then, with all of it mended, completes what was begun."""
        assert failover(scene.dallas, "demote").returncode in (0, 5)
        with ExitStack() as wrong:
            for make in self.faults:
                wrong.enter_context(make(scene))
            done = scene.promote()
            told = done.stdout + done.stderr
            assert done.returncode == self.code, told
            for words in self.faults.values():
                assert words in told, told
            assert "Traceback" not in told
            assert "a defect in hotstandby" not in told
            assert role_on_disk(scene.dallas) == self.role
            assert (failover(scene.dallas, "is-primary").returncode == 0) is (self.role == "primary")
        scene.is_whole()

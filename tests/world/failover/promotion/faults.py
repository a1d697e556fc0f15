"""What a row of the promotions that go wrong is: what is wrong meanwhile, how the command ends, what it must say."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from tests.world.failover.promotion.failing import Scene
from tests.world.failover.promotion.mortal import role_on_disk
from tests.world.failover.promotion.test_promote import failover

Fault = Callable[[Scene], AbstractContextManager[None]]


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

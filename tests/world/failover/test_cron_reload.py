"""The line for cron, where no ami-watcher runs (docs/understand/promotion.md): chan_sip comes back after a 403."""

from __future__ import annotations

import re
import shlex
import time
from itertools import pairwise
from pathlib import Path

import pytest

from host import clock
from lab import World
from tests.world.conftest import Worlds
from tests.world.failover.cutover import failover, set_up

pytestmark = pytest.mark.world

EXPIRY_S = 60
"""Of the binding that refuses a second one: a busy machine promotes, and types once more, well before it ends."""
REFRESH_S = 0.8 * (EXPIRY_S - 1)
"""When chan_sip asks anew for what the carrier granted, which is a second less."""
DOCUMENT = Path(__file__).parents[3] / "docs/understand/promotion.md"


def cron_line() -> list[str]:
    """The command as it stands in the document, without the part that keeps cron from writing mail."""
    (line,) = re.findall(r"^    \* \* \* \* \* root (failover run-if-primary .*)", DOCUMENT.read_text(), re.MULTILINE)
    return shlex.split(line.removesuffix(" > /dev/null 2>&1"))


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> World:
    made = worlds("16", "16", sshd=True, named=True, expiry_s=EXPIRY_S, trunks=["acme", "strict"])
    set_up(made)
    return made


def refusals(world: World) -> int:
    answers = world.carrier.answers()
    return sum(one.account == "5554000" and one.status == 403 and one.machine == "dallas" for one in answers)


def test_the_line_for_cron_registers_what_was_refused_and_only_on_the_primary(world: World) -> None:
    silent = world.dallas.run(cron_line())
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")  # cron sends no mail from the standby

    world.carrier.await_holder("strict", ["boston"])
    world.boston.power_off()
    bound_at = max(one.at for one in world.carrier.registers("strict"))
    done = failover(world.dallas, "promote", "--peer-is-down", "its power is gone")
    assert done.returncode == 5, done.stdout + done.stderr
    assert refusals(world) > 0
    world.carrier.await_holder("acme", ["dallas"])

    early = world.dallas.run(cron_line())
    if clock.boottime() < bound_at + EXPIRY_S - 2:
        assert early.returncode == 5, early.stdout + early.stderr
        assert "strict" in early.stdout
    # Left alone it asks for nothing any more, long after the dead machine's binding has ended.
    time.sleep(2)
    before = refusals(world)
    while clock.boottime() < bound_at + EXPIRY_S + 5:
        time.sleep(0.2)
    assert refusals(world) == before
    assert world.carrier.holder("strict") == []
    assert "strict" in failover(world.dallas, "status").stdout

    held = clock.boottime()
    late = world.dallas.run(cron_line())
    assert late.returncode == 0, late.stdout + late.stderr
    world.carrier.await_holder("strict", ["dallas"])
    again = world.dallas.run(cron_line())
    assert again.returncode == 0, again.stdout + again.stderr
    # What was held was asked for anew by the one reload of chan_sip at most, and else refreshed at its own pace.
    for trunk in ("acme", "strict"):
        asked = [one.at for one in world.carrier.registers(trunk) if one.machine == "dallas"]
        pauses = [later - at for at, later in pairwise(asked) if later > held]
        assert sum(pause < REFRESH_S - 4 for pause in pauses) <= 1, (trunk, pauses)

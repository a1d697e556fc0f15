"""A peer whose ssh is late, loses what is asked, or falls silent, for tests of what a switchover makes of that."""

from __future__ import annotations

from host.command import Finished
from lab import World
from lab.computer.disk import HOME
from lab.until import HANG_S, until
from tests.world.conftest import Worlds
from tests.world.failover.cutover import failover, served, set_up

TRUNKS = ("acme", "nova")
HURRIED = """
import sys
from failover.steps.fence import step
step.SETTLED_S, step.ONCE_MORE_S = 7.0, 4.0
from failover.command import main
sys.argv = ["failover", *{arguments!r}]
main()
"""
"""The real command, which waits less long for a demotion to have come to its end."""
TROUBLED = """\
#!/bin/sh
# What sshd runs for the peer's key. Its session stopped, nothing comes back, and the connection stays open.
session=$PPID
until grep -q sshd /proc/$session/comm; do session=$(cut -d' ' -f4 /proc/$session/stat); done
case "$SSH_ORIGINAL_COMMAND, $(cat /run/trouble 2>/dev/null)" in
demote*answer-hangs) failover peer > /run/answer; kill -STOP $session ;;
"demote "*", then-deaf") failover peer; echo deaf > /run/trouble ;;
demote*hangs-then-deaf) failover peer > /run/answer; echo deaf > /run/trouble; kill -STOP $session ;;
demote*question-lost) kill -KILL $session ;;
demote*question-late) kill -STOP $session; sleep 10; kill -CONT $session; sleep 1; failover peer ;;
"status, deaf") kill -STOP $session ;;
*) exec failover peer ;;
esac
"""


def opened(worlds: Worlds) -> World:
    """A pair of which boston is primary, and boston's ssh gets into the trouble that /run/trouble names."""
    made = worlds("16", "22", sshd=True, named=True, expiry_s=20, trunks=TRUNKS)
    set_up(made)
    made.boston.write("/etc/troubled-peer", TROUBLED, mode=0o755)
    allowed = made.boston.path(f"{HOME}/.ssh/authorized_keys")
    text = allowed.read_text()
    assert 'command="failover peer"' in text
    allowed.write_text(text.replace('command="failover peer"', 'command="/etc/troubled-peer"'))
    return made


def boston_serves(world: World) -> None:
    trouble(world, "")
    if failover(world.boston, "is-primary").returncode:
        served(world.boston, "promote")


def trouble(world: World, what: str) -> None:
    world.boston.write("/run/trouble", what)


def switchover(world: World, *more: str) -> Finished:
    """Once the peer answered the first question: a busy machine lets it hang, and nothing is touched until then."""
    program = HURRIED.format(arguments=["switchover", *more])

    def done() -> Finished | None:
        ended = world.dallas.run(["python3", "-c", program])
        return None if ended.returncode == 3 and "ssh hung" in ended.stderr else ended

    return until(done, "an answer of the peer", deadline_s=5 * HANG_S)


def is_primary(world: World, name: str) -> None:
    """One machine serves, by its own word and the carrier's, and the other does not say that it does."""
    for machine in (world.boston, world.dallas):
        assert (failover(machine, "is-primary").returncode == 0) is (machine.name == name)
    for trunk in TRUNKS:
        world.carrier.await_holder(trunk, [name])

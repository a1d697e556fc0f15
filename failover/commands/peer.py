"""`failover peer`: the forced command of the other machine's key."""

from __future__ import annotations

import os
import sys

import click

from failover.context import Context, with_context
from failover.peer.messages import encode_answer
from failover.peer.service import answer, asker_from
from failover.peer_handlers import HANDLERS
from host.exits import Exit


@click.command(
    "peer",
    epilog="Example, to see what the peer sees: SSH_ORIGINAL_COMMAND=status failover peer",
)
@with_context
def command(context: Context) -> None:
    """Answer the other machine; run by sshd, as the one thing that its key may do (docs/start/peer-ssh.md).

    Understands what stands in SSH_ORIGINAL_COMMAND: status, digest, facts, secrets, switchover, demote EPOCH,
    drain SECONDS. Anything else is refused and logged.
    """
    said = answer(context, os.environ.get("SSH_ORIGINAL_COMMAND", ""), asker_from(os.environ), HANDLERS)
    try:
        print(encode_answer(said), flush=True)
    except OSError:
        # Whoever asked is gone; what was asked for is done all the same.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - so that the end of the process does not fail on it
    sys.exit(int(Exit.DONE if said.done else Exit.REFUSED))

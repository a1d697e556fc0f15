"""What the running Asterisk has of what the call of [proof] needs: contexts, the line that leads to them, modules."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from failover.context import Context
from failover.facts.facts import ProofParts
from failover.steps.proof.call import CONTEXT, MODULES
from localized.asterisk.reload import rx
from localized.errors import AsteriskUnreachable

DEADLINE_S: Final = 4.0
_CALLS: Final = re.compile(rf"\bGosub(If)?\(.*\b{CONTEXT},")


def read_proof_parts(context: Context) -> ProofParts | None:
    """The parts as Asterisk has them loaded, whatever language they are written in; None without [proof]."""
    if context.pair.proof is None:
        return None
    asterisk = context.asterisk.model_copy(
        update={"reload_deadline_s": min(DEADLINE_S, context.asterisk.reload_deadline_s)}
    )
    try:
        dialplan = rx(asterisk, "dialplan show")
        loaded = {module: rx(asterisk, f"module show like {module}.so") for module in MODULES}
    except AsteriskUnreachable as error:
        return ProofParts(unseen=str(error))
    return ProofParts(
        context=f"Context '{CONTEXT}'" in dialplan,
        called=calls_proof(dialplan.splitlines()),
        missing=tuple(module for module, said in loaded.items() if f"{module}.so" not in said),
    )


def calls_proof(dialplan: Iterable[str]) -> bool:
    """Whether a line of `dialplan show` leads an inbound call to the proof."""
    return any(_CALLS.search(line) for line in dialplan)

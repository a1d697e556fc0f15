"""Asterisk made to follow a swap: what changed is reloaded, the slowest first, while its lists are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ami_watcher.ami.errors import AmiError
from localized.activation.comparison import Comparison
from localized.activation.outcome import ActivationOutcome
from localized.activation.registration_wait import Progress, RegistrationWait
from localized.activation.reload_state import CHANNEL_OF, in_order
from localized.asterisk import reload
from localized.errors import ActivationIncomplete, AsteriskUnreachable
from localized.generations.generation import Generation
from localized.generations.store import GenerationStore


def follow(
    wait: RegistrationWait,
    store: GenerationStore,
    generation: Generation,
    modules: Iterable[str],
    outcome: ActivationOutcome,
    progress: Progress,
) -> Comparison:
    """Reloads modules, and returns what Asterisk's lists came to.

    Raises:
        ActivationIncomplete: they could not be reloaded, or could not be read.
    """
    started = tuple(modules)
    first, beside = in_order(started, wait.channels)

    def reload_each(some: Iterable[str]) -> None:
        for module in some:
            _reload(wait, module, outcome, progress)

    def reload_the_rest() -> str | None:
        reload_each(beside)
        return reload.dialplan_role(wait.asterisk)

    async def settle() -> tuple[Comparison, str | None]:
        # A registration takes PJSIP a second: what registers nothing is reloaded and looked at meanwhile.
        rest = asyncio.create_task(asyncio.to_thread(reload_the_rest))
        try:
            settled = await wait.until_settled(store, generation, progress, reloaded=started)
        finally:
            await asyncio.gather(rest, return_exceptions=True)
        return settled, rest.result()

    try:
        reload_each(first)
        found, role = asyncio.run(settle())
        outcome.asked_again += wait.asked_again
        if role is not None and role != generation.role.value:
            outcome.dialplan_role = role
    except (AsteriskUnreachable, AmiError) as error:
        raise ActivationIncomplete(
            f"{generation.name} is active on disk, and Asterisk did not follow: {error}\n"
            f"Then type again: render-localized --role {generation.role.value} --activate"
        ) from error
    except KeyboardInterrupt:
        raise ActivationIncomplete(
            f"Interrupted: {generation.name} is active on disk, and it is not proven that Asterisk follows.\n"
            f"To complete it, type again: render-localized --role {generation.role.value} --activate"
        ) from None
    return found


def _reload(wait: RegistrationWait, module: str, outcome: ActivationOutcome, progress: Progress) -> None:
    if module in CHANNEL_OF and CHANNEL_OF[module] not in wait.loaded_modules():
        # Nothing of it can register; where something should, read_before has said so.
        return
    progress(f"reloading {module}")
    try:
        wait.reload(module)
    except AsteriskUnreachable as error:
        if module in CHANNEL_OF:
            raise
        # The dialplan's role, or an admin's own file: no reason to stop between swap and proof.
        outcome.not_reloaded.append(str(error))
    else:
        outcome.reloaded.append(module)

"""Waiting for what must come, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], *, deadline_s: float = 60.0) -> None:
    """Returns when `condition` is true.

    Raises:
        TimeoutError: it is not by the deadline.
    """
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)

"""Waiting for the first of several things, and for the end of a task."""

from __future__ import annotations

import asyncio
from typing import Any


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancels `task` and waits for its end; what it raised is for others to see."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def first_of(*waited: asyncio.Event | asyncio.Future[Any], timeout_s: float | None) -> None:
    """Returns when any of them is set or done, or after `timeout_s`."""
    tasks: list[asyncio.Future[Any]] = []
    own: list[asyncio.Task[Any]] = []
    for one in waited:
        if isinstance(one, asyncio.Event):
            task = asyncio.create_task(one.wait())
            own.append(task)
            tasks.append(task)
        else:
            tasks.append(one)
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in own:
            task.cancel()
        await asyncio.gather(*own, return_exceptions=True)

"""Waiting for a link, and no longer than a cycle can afford."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

Answer = TypeVar("Answer")


async def within(seconds: float, work: Awaitable[Answer]) -> Answer:
    """What `work` comes to; `TimeoutError` where it takes longer, and then it is given up.

    Not by `asyncio.timeout`: a library may end a cancelled call with an exception of its own, which that lets
    through as if the whole run had been cancelled.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if not done:
        raise TimeoutError
    return task.result()

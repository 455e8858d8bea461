"""Waiting for what must come; how soon it comes is up to the machine."""

import asyncio
from collections.abc import Callable

PATIENCE_S = 120.0
"""What has not come by then does not come, however busy the machine is."""


async def until(happens: Callable[[], object]) -> None:
    """Wait until `happens()`."""
    async with asyncio.timeout(PATIENCE_S):
        while not happens():
            await asyncio.sleep(0.02)

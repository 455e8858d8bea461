"""One thread for the small matrix products of a training and of a plan."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """torch and BLAS on one thread while entered; afterwards on as many as the caller had.

    More make small products slower, and spin while they wait for each other on a busy machine.
    """
    threads, libraries = torch.get_num_threads(), _libraries()
    # Setting a limit takes time, which is saved where there is one already.
    if threads == 1 and all(library.num_threads == 1 for library in libraries.lib_controllers):
        yield
        return
    torch.set_num_threads(1)
    try:
        with libraries.limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


@cache
def _libraries() -> ThreadpoolController:
    """Those loaded when it is first asked for, since looking for them takes longer than many a plan."""
    return ThreadpoolController()

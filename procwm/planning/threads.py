"""One thread for a plan's matrix products."""

from contextlib import AbstractContextManager, nullcontext

from threadpoolctl import ThreadpoolController

_BLAS = ThreadpoolController()
"""More threads than one make small matrix products slower, and wait for each other on a busy machine."""


def one_thread() -> AbstractContextManager[object]:
    """BLAS on one thread while entered."""
    # Setting a limit takes time, which is saved where there is one already.
    if all(library.num_threads == 1 for library in _BLAS.lib_controllers):
        return nullcontext()
    limited: AbstractContextManager[object] = _BLAS.limit(limits=1)
    return limited

"""Memory that libraries keep longer than we need it."""

from __future__ import annotations

import ctypes
import os
from functools import cache


@cache
def _library() -> ctypes.CDLL | None:
    """The C library, if it can trim its heap (glibc); else None."""
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "malloc_trim") else None
    except (OSError, TypeError):  # not on this system
        return None


def give_back() -> None:
    """Give freed memory back to the system.

    Tensors of ever-changing sizes fragment glibc's heap: without this, memory use of a long run of small batches grows
    by half. Does nothing with other C libraries.
    """
    library = _library()
    if library is not None:
        library.malloc_trim(0)


def keep_few_kernels(most: int = 128) -> None:
    """Bound oneDNN's cache for 16-bit products on a CPU: one compiled kernel per shape, 1,024 by default.

    Must be called before the first product; a value set by the user is kept.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(most))

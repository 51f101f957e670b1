"""Memory of the process: what libraries keep of it longer than we need."""

from __future__ import annotations

import ctypes
import os
from functools import cache


@cache
def _library() -> ctypes.CDLL | None:
    """The C library, where it can trim (glibc)."""
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "malloc_trim") else None
    except (OSError, TypeError):  # not on this system
        return None


def give_back() -> None:
    """Give freed memory back to the system.

    Tensors of ever other sizes leave holes in glibc's heap: without this a long run of small batches grows by half.
    Elsewhere nothing is done.
    """
    library = _library()
    if library is not None:
        library.malloc_trim(0)


def keep_few_kernels(most: int = 128) -> None:
    """Bound what oneDNN keeps in 16-bit products on a CPU: a compiled kernel for each shape, 1,024 by default.

    To be called before the first product; a number that the user set stays.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(most))

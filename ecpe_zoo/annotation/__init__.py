"""A trained method applied to text of one's own.

    >>> from ecpe_zoo.annotation import annotate_texts

From the bottom up: `inputs` (files to entries), `answers` (predictions to rows), `annotator` (entries to rows),
`outputs` (rows to files, resumable), `run` (all of it, streaming).

Public names are imported on first use: pages of rows that were written earlier need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecpe_zoo.annotation.annotator import Annotator, Options, annotate_texts

__all__ = ["Annotator", "Options", "annotate_texts"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("ecpe_zoo.annotation.annotator"), name)

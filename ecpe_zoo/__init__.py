"""Train, score and compare methods that detect emotions in text and extract their causes.

Public names are imported on first use: importing the package alone does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecpe_zoo.annotation.annotator import annotate_texts as annotate
    from ecpe_zoo.corpora.registry import load_corpus
    from ecpe_zoo.methods.loading import load_method
    from ecpe_zoo.metrics.pairs import score_pairs
    from ecpe_zoo.training.fitting import fit

__version__ = "0.1.0"
__all__ = ["annotate", "fit", "load_corpus", "load_method", "score_pairs"]

_PLACES = {
    "annotate": ("annotation.annotator", "annotate_texts"),
    "fit": ("training.fitting", "fit"),
    "load_corpus": ("corpora.registry", "load_corpus"),
    "load_method": ("methods.loading", "load_method"),
    "score_pairs": ("metrics.pairs", "score_pairs"),
}
"""Public name -> its module and its name in that module."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _PLACES[name]
    return getattr(import_module(f"{__name__}.{module}"), there)

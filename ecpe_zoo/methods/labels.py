"""The emotions that a method learns to tell apart."""

from __future__ import annotations

from collections.abc import Sequence

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.errors import ZooError


def labels_of(documents: Sequence[Document], strengths: bool = False) -> list[str]:
    """The emotion labels of documents, sorted.

    Args:
        documents: Documents with gold.
        strengths: Whether to include labels with an intensity above 0 that is too low for a label.

    Raises:
        ZooError: There are no labels: the corpus is not annotated for this task.
    """
    segments = [segment for document in documents for segment in document.segments]
    found = {label for segment in segments for label in segment.emotions}
    if strengths:
        found |= {label for s in segments for label, value in (s.intensities or {}).items() if value > 0}
    if not found:
        raise ZooError(
            "Expected documents with emotion labels, but got none. Choose a corpus that `ecpe-zoo data list` shows "
            "with the method's task."
        )
    return sorted(found)

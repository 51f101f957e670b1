"""Pictures as plain arrays: what a method shows of itself, and what a task shows of its scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy.typing as npt
from numpy import floating, integer

Array = npt.NDArray[floating]


class Heatmap(NamedTuple):
    """A matrix with named rows and columns.

    Args:
        name: of the file, without suffix.
        title: above the picture.
        matrix: (C, C).
        labels: C names.
        low: value of the lowest colour.
        high: value of the highest colour.
    """

    name: str
    title: str
    matrix: Array
    labels: tuple[str, ...]
    low: float
    high: float


class Points(NamedTuple):
    """Vectors with labels, drawn in two dimensions, and anchors that moved among them.

    Args:
        name: of the file, without suffix.
        title: above the picture.
        vectors: (n, D).
        gold: the label of each vector.
        before: (C, D) anchors before they were adapted.
        after: (C, D) anchors at the end; equal to `before` where nothing was adapted.
        labels: C names.
    """

    name: str
    title: str
    vectors: Array
    gold: tuple[str, ...]
    before: Array
    after: Array
    labels: tuple[str, ...]


class Confusion(NamedTuple):
    """A confusion matrix.

    Args:
        name: of the file, without suffix.
        matrix: (C, C) counts, gold labels in rows, predicted ones in columns.
        labels: C names.
    """

    name: str
    matrix: npt.NDArray[integer]
    labels: tuple[str, ...]


View = Heatmap | Points | Confusion

"""Pictures as plain arrays: what a method shows of itself, and what a task shows of its scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy import floating, integer

Array = npt.NDArray[floating]


class Heatmap(NamedTuple):
    """A matrix with named rows and columns.

    Args:
        name: file name without suffix.
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
        name: file name without suffix.
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
        name: file name without suffix.
        matrix: (C, C) counts, gold labels in rows, predicted ones in columns.
        labels: C names.
    """

    name: str
    matrix: npt.NDArray[integer]
    labels: tuple[str, ...]


View = Heatmap | Points | Confusion


def project(vectors: npt.ArrayLike, *anchors: npt.ArrayLike) -> tuple[Array, ...]:
    """Project vectors onto the two principal components of the normalised vectors.

    The components are those of the vectors alone, so that anchors do not change the view; the same projection is
    applied to all.

    Args:
        vectors: (M, H) with at least one row.
        anchors: any number of (C, H).

    Returns:
        (M, 2), and (C, 2) for each of the anchors.

    Raises:
        ValueError: no vector, or another H.

    >>> points, anchors = project([[1, 0, 0], [0, 1, 0]], [[2, 0, 0]])
    >>> bool(np.allclose(points[0], anchors[0]))
    True
    """
    rows = [_normalised(some) for some in (vectors, *anchors)]
    widths = {some.shape[1] for some in rows}
    if not len(rows[0]) or len(widths) > 1:
        raise ValueError(
            f"Expected at least one vector, and all of one length, but got shapes {[some.shape for some in rows]}."
        )
    centre = rows[0].mean(axis=0)
    _, _, components = np.linalg.svd(_for_components(rows[0] - centre), full_matrices=False)  # (K, H)
    turn = np.zeros((2, rows[0].shape[1]))
    turn[: min(2, len(components))] = components[:2]
    # The sign of a component is arbitrary: its largest entry is made positive, so that pictures repeat.
    largest = turn[np.arange(2), np.abs(turn).argmax(axis=1)]
    turn *= np.where(largest < 0, -1.0, 1.0)[:, None]
    return tuple((some - centre) @ turn.T for some in rows)


def _for_components(centred: Array) -> Array:
    """A matrix (K, H) with the principal components of (M, H), small if M is far above H."""
    return centred if len(centred) <= centred.shape[1] else np.asarray(np.linalg.qr(centred, mode="r"))


def _normalised(vectors: npt.ArrayLike) -> Array:
    """Rows of length 1; a row of zeros stays."""
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))

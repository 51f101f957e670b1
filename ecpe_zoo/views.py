"""Pictures as plain arrays, of a method's inner workings and of a task's scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy import floating, integer

Array = npt.NDArray[floating]


class Heatmap(NamedTuple):
    """A matrix with named rows and columns.

    Args:
        name: File name without suffix.
        title: Title above the picture.
        matrix: Values (C, C).
        labels: The C row and column names.
        low: Value of the lowest colour.
        high: Value of the highest colour.
    """

    name: str
    title: str
    matrix: Array
    labels: tuple[str, ...]
    low: float
    high: float


class Points(NamedTuple):
    """Labelled vectors drawn in two dimensions, with anchors before and after they were adapted.

    Args:
        name: File name without suffix.
        title: Title above the picture.
        vectors: Vectors (n, D).
        gold: Label of each vector.
        before: Anchors (C, D) before adaptation.
        after: Anchors (C, D) at the end; equal to `before` if nothing was adapted.
        labels: The C names of the anchors.
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
        name: File name without suffix.
        matrix: Counts (C, C), gold labels in rows, predicted ones in columns.
        labels: The C names of the labels.
    """

    name: str
    matrix: npt.NDArray[integer]
    labels: tuple[str, ...]


View = Heatmap | Points | Confusion


def project(vectors: npt.ArrayLike, *anchors: npt.ArrayLike) -> tuple[Array, ...]:
    """Project vectors onto the two principal components of the normalised vectors.

    The components are computed from the vectors alone, so that anchors do not change the view; all inputs get the same
    projection.

    Args:
        vectors: Array (M, H) with at least one row.
        anchors: Any number of arrays (C, H).

    Returns:
        Projected vectors (M, 2), then projected anchors (C, 2) for each of the anchors.

    Raises:
        ValueError: No vectors, or different sizes H.

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
    # The sign of a component is arbitrary: make its largest entry positive, so that pictures are reproducible.
    largest = turn[np.arange(2), np.abs(turn).argmax(axis=1)]
    turn *= np.where(largest < 0, -1.0, 1.0)[:, None]
    return tuple((some - centre) @ turn.T for some in rows)


def _for_components(centred: Array) -> Array:
    """Reduce (M, H) to a small (K, H) with the same principal components if M is far above H."""
    return centred if len(centred) <= centred.shape[1] else np.asarray(np.linalg.qr(centred, mode="r"))


def _normalised(vectors: npt.ArrayLike) -> Array:
    """Scale rows to length 1, leaving rows of zeros unchanged."""
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))

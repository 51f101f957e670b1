"""Pictures are written whole, with their numbers beside them, at every number of labels."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from ecpe_zoo.training.pictures import draw_confusion, draw_heatmap, draw_points
from ecpe_zoo.views import project

NAMES = tuple(f"emotion{index}" for index in range(28))


def numbers(path: Path) -> list[list[str]]:
    with path.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("size", [2, 7, 28])
def test_a_confusion_matrix(tmp_path: Path, size: int) -> None:
    matrix = np.random.default_rng(0).integers(0, 2000, (size, size))
    matrix[0] = 0  # a label without gold
    path = tmp_path / "new" / "confusion.png"
    draw_confusion(path, matrix, NAMES[:size])
    height, width = imread(path).shape[:2]
    assert 500 < height < 2500
    assert 0.7 < height / width < 1.2
    head, *rows = numbers(path)
    assert head == ["gold / predicted", *NAMES[:size]]
    assert [row[0] for row in rows] == list(NAMES[:size])
    np.testing.assert_array_equal([[int(cell) for cell in row[1:]] for row in rows], matrix)
    assert sorted(file.name for file in path.parent.iterdir()) == ["confusion.csv", "confusion.png"]


def test_colours_are_shares_of_a_row(tmp_path: Path) -> None:
    """Two rows of other sizes and the same shares look alike; a larger share is darker."""
    draw_confusion(tmp_path / "a.png", [[8, 2], [2, 8]], ["a", "b"])
    draw_confusion(tmp_path / "b.png", [[800, 200], [2, 8]], ["a", "b"])
    one, other = (imread(tmp_path / name)[:, :, :3] for name in ("a.png", "b.png"))
    assert one.shape == other.shape
    assert np.abs(one - other).max(axis=2).astype(bool).mean() < 0.02  # the counts' digits and the title


def test_a_heatmap_with_holes(tmp_path: Path) -> None:
    values = np.asarray(np.corrcoef(np.random.default_rng(0).normal(size=(4, 9))))
    values[1] = values[:, 1] = np.nan
    draw_heatmap(tmp_path / "heat.png", values, NAMES[:4], "Correlation", -0.5, 1.0)
    rows = [[float(cell) for cell in row[1:]] for row in numbers(tmp_path / "heat.png")[1:]]
    np.testing.assert_allclose(rows, values, rtol=1e-5)
    draw_confusion(tmp_path / "one.png", [[3]], NAMES[:1])
    draw_heatmap(tmp_path / "all.png", np.full((2, 2), np.nan), NAMES[:2], "Nothing", 0, 1)


@pytest.mark.parametrize("size", [4, 7, 28])
def test_representations_with_anchors(tmp_path: Path, size: int) -> None:
    random = np.random.default_rng(0)
    vectors, before, after = (random.normal(size=(count, 16)) for count in (90, size, size))
    labels = random.integers(0, size, 90)
    points, one, other = project(vectors, before, after)
    draw_points(tmp_path / "points.png", points, labels, one, other, NAMES[:size])
    assert imread(tmp_path / "points.png").shape[0] > 600
    head, *rows = numbers(tmp_path / "points.png")
    assert head == ["kind", "label", "x", "y"]
    kinds = [row[0] for row in rows]
    assert [kinds.count(kind) for kind in ("point", "anchor before", "anchor after")] == [90, size, size]
    assert rows[0][1] == NAMES[labels[0]]
    np.testing.assert_allclose([float(cell) for cell in rows[-1][2:]], other[-1], rtol=1e-4)


def test_representations_without_anchors_or_without_points(tmp_path: Path) -> None:
    draw_points(tmp_path / "a.png", [[0, 1]], [1], None, None, NAMES[:2])
    draw_points(tmp_path / "b.png", np.zeros((0, 2)), [], [[0, 1], [1, 0]], None, NAMES[:2])
    assert {file.name for file in tmp_path.glob("*.png")} == {"a.png", "b.png"}


def test_what_does_not_fit_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    with pytest.raises(ValueError, match=r"a matrix \(3, 3\), but got shape \(2, 2\)"):
        draw_confusion(path, np.eye(2), NAMES[:3])
    with pytest.raises(ValueError, match=r"a matrix \(0, 0\)"):
        draw_confusion(path, np.zeros((0, 0)), [])
    with pytest.raises(ValueError, match="`vmin` below `vmax`, but got 1 and 1"):
        draw_heatmap(path, np.eye(2), NAMES[:2], "", 1, 1)
    with pytest.raises(ValueError, match=r"below 2 for each of 1 points, but got shape .* from 2 to 2"):
        draw_points(path, [[0, 1]], [2], None, None, NAMES[:2])
    with pytest.raises(ValueError, match=r"anchors of shape \(2, 2\), but got \(1, 2\)"):
        draw_points(path, [[0, 1]], [1], [[0, 0]], None, NAMES[:2])
    with pytest.raises(ValueError, match="all of one length"):
        project([[1, 2]], [[1, 2, 3]])
    with pytest.raises(ValueError, match="at least one vector"):
        project(np.zeros((0, 4)))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_drawing_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_confusion(tmp_path / "a.png", np.eye(2), NAMES[:2])
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(self: object, part: Path, **_: object) -> None:
        part.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(FigureCanvasAgg, "print_figure", fail)
    with pytest.raises(KeyboardInterrupt):
        draw_confusion(tmp_path / "a.png", np.ones((2, 2)), NAMES[:2])
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_drawing_leaves_the_global_state_of_matplotlib_alone(tmp_path: Path) -> None:
    draw_confusion(tmp_path / "a.png", np.eye(2), NAMES[:2])
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_the_projection_is_that_of_the_principal_components() -> None:
    random = np.random.default_rng(0)
    for rows, width in ((300, 8), (5, 40)):
        vectors = random.normal(size=(rows, width)) * np.linspace(3, 0.1, width)
        (points,) = project(vectors)
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        values, directions = np.linalg.eigh(np.cov(units.T))
        expected = (units - units.mean(0)) @ directions[:, [-1, -2]]
        np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-8)
        np.testing.assert_allclose(points.var(axis=0, ddof=1), values[[-1, -2]], atol=1e-8)
        np.testing.assert_array_equal(project(vectors)[0], points)


def test_anchors_are_laid_as_the_vectors_are() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 6))
    points, same, longer, nothing = project(vectors, vectors[:3], 7 * vectors[:3], np.zeros((1, 6)))
    np.testing.assert_allclose(same, points[:3])
    np.testing.assert_allclose(longer, points[:3])  # the length does not count
    assert np.isfinite(nothing).all()
    (alone,) = project([[1.0, 2.0]])
    np.testing.assert_array_equal(alone, [[0, 0]])
    assert project(np.ones((3, 1)))[0].shape == (3, 2)

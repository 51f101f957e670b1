"""Pictures of a run: confusion matrix, heatmaps between labels, representations in two dimensions.

Each is a PNG and a CSV with its numbers, written atomically. Nothing here touches
matplotlib's global state, so a picture can be drawn in any process and thread.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from lightning.pytorch.utilities import rank_zero_info
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecpe_zoo.files import replaced_when_complete
from ecpe_zoo.training.fonts import PLAIN, readable, width
from ecpe_zoo.views import Confusion, Heatmap, View, project

Values = npt.NDArray[np.float64]
Labels = Sequence[str]

DPI = 150

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#4D4D4D", "#F0E442")
"""Okabe and Ito's colours, which people with any colour vision tell apart; black softened to grey, and the yellow,
pale on white, last."""

MARKERS = ("o", "^", "s", "D")
"""Beyond the palette's size the next shape begins, so that 28 labels stay distinct without more colours."""

EDGE = "#222222"


def draw_views(folder: Path, views: Iterable[View]) -> None:
    """Draw what a method and its task show, into files named after the views."""
    notes: dict[str, None] = {}
    for view in views:
        notes[readable(view.labels).note] = None
        path = folder / f"{view.name}.png"
        if isinstance(view, Heatmap):
            draw_heatmap(path, view.matrix, view.labels, view.title, view.low, view.high)
        elif isinstance(view, Confusion):
            draw_confusion(path, view.matrix, view.labels)
        else:
            points, before, after = project(view.vectors, view.before, view.after)
            gold = [view.labels.index(label) for label in view.gold]
            draw_points(path, points, gold, before, after, view.labels, title=view.title)
    for note in filter(None, notes):
        rank_zero_info(note)


# --- drawing


def draw_confusion(path: Path, matrix: npt.ArrayLike, labels: Labels) -> None:
    """Draw a confusion matrix: colours are shares of a gold label, the cells hold counts.

    Args:
        path: Path of the PNG; the counts go to the CSV of the same name.
        matrix: (C, C) counts, gold labels in rows, predicted ones in columns.
        labels: C names.

    Raises:
        ValueError: other shapes.
    """
    counts = _square(matrix, labels)
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    texts = [[f"{value:.0f}" if value else "" for value in row] for row in counts]
    figure, axes = _grid(shares, labels, texts, "Blues", 0.0, 1.0, "share of the gold label")
    axes.set_title(f"Gold against predicted: {counts.sum():,.0f} segments, {np.trace(counts):,.0f} right")
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    _save(figure, path)
    listed = ([label, *(f"{value:.0f}" for value in row)] for label, row in zip(labels, counts, strict=True))
    _save_numbers(path, ["gold / predicted", *labels], listed)


def draw_heatmap(
    path: Path, matrix: npt.ArrayLike, labels: Labels, title: str, vmin: float = -1.0, vmax: float = 1.0
) -> None:
    """Draw values between labels: cosines of anchors, correlations.

    Args:
        path: Path of the PNG; the values go to the CSV of the same name.
        matrix: (C, C); NaN cells stay grey.
        labels: C names.
        title: Title above the picture.
        vmin: The value of the first colour.
        vmax: The value of the last; a range around 0 is widened on its shorter side, so that white is 0.

    Raises:
        ValueError: other shapes, or an empty range.
    """
    values = _square(matrix, labels)
    if not vmin < vmax:
        raise ValueError(f"Expected `vmin` below `vmax`, but got {vmin} and {vmax}.")
    texts = [["" if np.isnan(value) else _short_number(value) for value in row] for row in values]
    colours = "Blues"
    if vmin < 0 < vmax:
        colours, vmin, vmax = "RdBu_r", -max(-vmin, vmax), max(-vmin, vmax)
    figure, axes = _grid(values, labels, texts, colours, vmin, vmax, "")
    axes.set_title(title)
    _save(figure, path)
    listed = ([label, *(f"{value:.6g}" for value in row)] for label, row in zip(labels, values, strict=True))
    _save_numbers(path, ["", *labels], listed)


def draw_points(
    path: Path,
    points: npt.ArrayLike,
    labels: npt.ArrayLike,
    anchors_before: npt.ArrayLike | None,
    anchors_after: npt.ArrayLike | None,
    names: Labels,
    title: str = "Representations in two dimensions",
) -> None:
    """Draw representations, and for each label an arrow from its anchor before to the one after stage two.

    Args:
        path: Path of the PNG; the places go to the CSV of the same name.
        points: (M, 2)
        labels: (M,) indices into `names`.
        anchors_before: (C, 2), hollow; None if there are no anchors.
        anchors_after: (C, 2), filled; None if there is one stage.
        names: C labels.
        title: Title above the picture.

    Raises:
        ValueError: other shapes, or an index beyond the names.
    """
    places = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    indices = np.asarray(labels, dtype=np.int64)
    if indices.shape != (len(places),) or (
        len(indices) and not 0 <= indices.min() <= indices.max() < len(names)
    ):
        raise ValueError(
            f"Expected an index below {len(names)} for each of {len(places)} points, but got shape {indices.shape}"
            + (f" with values from {indices.min()} to {indices.max()}." if indices.size else ".")
        )
    before, after = (
        None if some is None else _anchors(some, names) for some in (anchors_before, anchors_after)
    )
    columns = 1 + (len(names) > 22)
    figure = Figure(figsize=(7.0 + 1.6 * columns, 6.5), layout="constrained")
    axes = figure.add_subplot()
    size = float(np.clip(12_000 / max(len(places), 1), 5, 30))  # points squared
    # Drawn in a random order: in the labels' own order the last label would hide the others.
    order = np.random.default_rng(0).permutation(len(places))
    for shape in range(len(MARKERS)):
        some = order[indices[order] // len(PALETTE) % len(MARKERS) == shape]
        axes.scatter(
            places[some, 0],
            places[some, 1],
            s=size,
            c=[_colour(index) for index in indices[some]],
            marker=MARKERS[shape],
            alpha=0.55,
            linewidths=0,
            zorder=1,
        )
    large = 13 if len(names) <= 10 else 10  # points
    for index in range(len(names)):
        if before is not None and after is not None:
            arrow = {
                "arrowstyle": "-|>",
                "color": EDGE,
                "linewidth": 0.09 * large,
                "shrinkA": 0,
                "shrinkB": large / 2,
            }
            axes.annotate("", after[index], before[index], arrowprops=arrow, zorder=3)
        if before is not None:
            _mark(axes, before[index], index, 0.8 * large, "white", 4)
            _mark(axes, before[index], index, 0.4 * large, _colour(index), 4, edge=0)
        if after is not None:
            _mark(axes, after[index], index, large, _colour(index), 5)
    legible = readable(names)
    handles = [
        Line2D([], [], linestyle="none", marker=_marker(i), color=_colour(i), markersize=8, label=name)
        for i, name in enumerate(legible.shown)
    ]
    for anchors, label, inside in ((before, "anchor before", "white"), (after, "anchor after", "#999999")):
        if anchors is not None:
            handles.append(
                Line2D(
                    [],
                    [],
                    linestyle="none",
                    marker="o",
                    markersize=11,
                    markerfacecolor=inside,
                    markeredgecolor=EDGE,
                    label=label,
                )
            )
    fonts = {"family": list(legible.families)}
    legend = figure.legend(
        handles=handles, loc="outside right upper", frameon=False, ncols=columns, prop=fonts
    )
    for text in legend.get_texts():
        text.set(**PLAIN)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(title=title, xlabel="first component", ylabel="second component")
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)
    listed = [
        (kind, name, f"{x:.6g}", f"{y:.6g}")
        for kind, some, of in (
            ("point", places, [names[index] for index in indices]),
            ("anchor before", before, names),
            ("anchor after", after, names),
        )
        if some is not None
        for name, (x, y) in zip(of, some, strict=True)
    ]
    _save_numbers(path, ["kind", "label", "x", "y"], listed)


# --- inside


def _square(matrix: npt.ArrayLike, labels: Labels) -> Values:
    values = np.asarray(matrix, dtype=np.float64)
    if values.shape != (len(labels), len(labels)) or not labels:
        raise ValueError(f"Expected a matrix ({len(labels)}, {len(labels)}), but got shape {values.shape}.")
    return values


def _anchors(anchors: npt.ArrayLike, names: Labels) -> Values:
    places = np.asarray(anchors, dtype=np.float64)
    if places.shape != (len(names), 2):
        raise ValueError(f"Expected anchors of shape ({len(names)}, 2), but got {places.shape}.")
    return places


def _colour(index: int) -> str:
    return PALETTE[index % len(PALETTE)]


def _marker(index: int) -> str:
    return MARKERS[index // len(PALETTE) % len(MARKERS)]


def _mark(
    axes: Axes, place: Values, index: int, size: float, inside: str, zorder: float, edge: float = 1.3
) -> None:
    """One anchor at (2,), its size in points."""
    axes.plot(
        place[0],
        place[1],
        marker=_marker(index),
        linestyle="none",
        markersize=size,
        markerfacecolor=inside,
        markeredgecolor=EDGE,
        markeredgewidth=edge,
        zorder=zorder,
    )


def _short_number(value: float) -> str:
    """Two decimals without the leading zero, as cells are small.

    >>> [_short_number(value) for value in (0.123, -0.5, 1.0, -0.001, 12.34)]
    ['.12', '-.50', '1', '0', '12.3']
    """
    if abs(value) >= 10:
        return f"{value:.1f}"
    text = f"{value:.2f}"
    if float(text) == round(float(text)):
        return f"{float(text) + 0.0:.0f}".replace("-0", "0")
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def _grid(
    values: Values,
    labels: Labels,
    texts: Sequence[Sequence[str]],
    colours: str,
    vmin: float,
    vmax: float,
    meaning: str,
) -> tuple[Figure, Axes]:
    """A square of cells with a text in each, as large as the texts need."""
    size = len(labels)
    font = float(np.clip(13 - 0.25 * size, 7, 11))  # points
    longest = max(len(text) for row in texts for text in row)
    cell = max(0.34, (longest + 1.6) * 0.6 * font / 72)  # inches; a digit is 0.6 of its height wide
    cell = min(max(cell, 4.0 / size), 2.0)
    side, gap, thick = cell * size, 0.15, 0.2  # inches
    # The axes get a fixed place; saving cuts the picture around whatever the labels need.
    figure = Figure(figsize=(side + gap + thick, side))
    axes = figure.add_axes((0, 0, side / (side + gap + thick), 1))
    scale = matplotlib.colormaps[colours].with_extremes(bad="#D9D9D9")
    image = axes.imshow(np.ma.masked_invalid(values), cmap=scale, vmin=vmin, vmax=vmax, aspect="auto")
    height = min(1.0, 4.0 / side)
    scale_axes = figure.add_axes(
        (1 - thick / (side + gap + thick), 1 - height, thick / (side + gap + thick), height)
    )
    figure.colorbar(image, cax=scale_axes, label=meaning).outline.set_linewidth(0)
    legible = readable(labels)
    upright = max(map(width, legible.shown)) * 0.62 * font / 72 > 0.9 * cell
    looks: dict[str, Any] = {"fontsize": font, "fontfamily": list(legible.families), **PLAIN}
    axes.set_xticks(range(size), legible.shown, rotation=90 if upright else 0, **looks)
    axes.set_yticks(range(size), legible.shown, **looks)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="minor", length=0)
    for row in range(size):
        for column in range(size):
            if texts[row][column]:
                red, green, blue, _ = scale(image.norm(values[row, column]))
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
                axes.text(
                    column,
                    row,
                    texts[row][column],
                    ha="center",
                    va="center",
                    fontsize=font - 0.5,
                    color="white" if dark else EDGE,
                )
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    with replaced_when_complete(path) as part:
        FigureCanvasAgg(figure).print_figure(
            part, dpi=DPI, format="png", facecolor="white", bbox_inches="tight", pad_inches=0.12
        )


def _save_numbers(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with (
        replaced_when_complete(path.with_suffix(".csv")) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows([head, *rows])

"""Plots as SVG text: small, without a library, in the page's own colours, dark if the page is dark.

Every figure has a role, a title and a description for those who do not see it; the same numbers are in a table of the
page. Colours are the style sheet's `--line-1` to `--line-6`; dash patterns tell series apart too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 500, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 16, 46
COLOURS = 6
LONGEST = 62  # letters of a name that fit the width


class Series(NamedTuple):
    """A line.

    Args:
        name: Name in the legend; "" for none.
        points: (x, y) in order; nan leaves a gap.
        colour: 0-based.
        dashed: Whether it is dashed: it chose nothing.
        faint: Whether it is one of many lines whose mean is another line.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    dashed: bool = False
    faint: bool = False


class Estimate(NamedTuple):
    """A value with an optional interval: a bar, or a row of a forest plot.

    Args:
        name: Below the bar, or above the row.
        value: Height of the bar, or place of the dot; nan for none.
        low: Lower end of the interval; nan for none.
        high: Upper end.
        colour: Index of the row's colour, 0-based.
        hollow: Whether the row is a figure that was not measured here.
        folds: Values that the mean is taken of, as small circles.
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    colour: int = 0
    hollow: bool = False
    folds: Sequence[float] = ()


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers that span an interval.

    >>> ticks(0.0, 0.53)
    [0.0, 0.2, 0.4, 0.6]
    """
    if high <= low:
        high = low + 1
    raw = (high - low) / wanted
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, last + 1)]


def _number(value: float) -> str:
    """Four digits; from 1000 on no decimals, and a comma.

    >>> _number(0.25), _number(12.0), _number(12000.0)
    ('0.25', '12', '12,000')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _start(title: str, description: str, width: int, height: int, name: str, style: str = "") -> list[str]:
    size, inside = "", ""
    if style:
        size = f'width="{width}" height="{height}" '
        inside = f'<style>{style}</style><rect class="ground" width="{width}" height="{height}"/>'
    return [
        f'<svg class="plot" {size}viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-t {name}-d" '
        f'xmlns="http://www.w3.org/2000/svg">',
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>{inside}',
    ]


class _Axes:
    """Places of values on the canvas, and the grid."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float], height: int, x_wanted: int = 6) -> None:
        self.x_ticks, self.y_ticks = ticks(min(xs), max(xs), x_wanted), ticks(min(ys), max(ys))
        self.height = height

    def x(self, value: float) -> float:
        low, high = self.x_ticks[0], self.x_ticks[-1]
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return self.height - BOTTOM - (value - low) / (high - low) * (self.height - TOP - BOTTOM)

    def grid(self, x_label: str, y_label: str, x_marks: bool = True) -> list[str]:
        parts = []
        for value in self.y_ticks:
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>')
        if x_marks:
            for value in self.x_ticks:
                x = self.x(value)
                parts.append(
                    f'<text x="{x:.1f}" y="{self.height - BOTTOM + 18}" text-anchor="middle">{_number(value)}</text>'
                )
        middle = (TOP + self.height - BOTTOM) / 2
        parts.append(
            f'<text class="label" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{self.height - 8}" text-anchor="middle">'
            f"{escape(x_label)}</text>"
        )
        parts.append(
            f'<text class="label" transform="rotate(-90 13 {middle})" x="13" y="{middle}" text-anchor="middle">'
            f"{escape(y_label)}</text>"
        )
        return parts


def lines(
    name: str,
    title: str,
    description: str,
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    mark: tuple[float, str] | None = None,
) -> str:
    """A line plot.

    Args:
        name: Identifier, unique within the page.
        title: Title for screen readers.
        description: What it shows, in words.
        series: The lines; those with a name are in the legend.
        x_label: Label of the x axis.
        y_label: Label of the y axis.
        mark: An x and its name, for a vertical line.

    Returns:
        SVG text; "" without a point.
    """
    points = [p for line in series for p in line.points if not math.isnan(p[1])]
    if not points:
        return ""
    legend = [line for line in series if line.name]
    height = HEIGHT + 20 * len(legend)
    axes = _Axes([x for x, _ in points], [y for _, y in points], HEIGHT)
    out = _start(title, description, WIDTH, height, name)
    out += axes.grid(x_label, y_label)
    if mark is not None:
        x = axes.x(mark[0])
        out.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        anchor, aside = ("end", x - 4) if x > WIDTH * 0.7 else ("start", x + 4)
        out.append(f'<text x="{aside:.1f}" y="{TOP + 10}" text-anchor="{anchor}">{escape(mark[1])}</text>')
    for line in series:
        style = f"line c{line.colour % COLOURS}{' dashed' * line.dashed}{' faint' * line.faint}"
        for piece in _pieces(line.points):
            path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in piece)
            out.append(f'<polyline class="{style}" points="{path}"/>')
    for place, line in enumerate(legend):
        y = HEIGHT + 20 * place + 6
        style = f"line c{line.colour % COLOURS}{' dashed' * line.dashed}"
        out.append(f'<line class="{style}" x1="{LEFT}" x2="{LEFT + 28}" y1="{y}" y2="{y}"/>')
        out.append(f'<text x="{LEFT + 36}" y="{y + 4}">{escape(line.name)}</text>')
    return "".join([*out, "</svg>"])


def _pieces(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Runs of points between gaps."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isnan(point[1]):
            pieces.append([])
        else:
            pieces[-1].append(point)
    return [piece for piece in pieces if piece]


def bars(
    name: str, title: str, description: str, values: Sequence[Estimate], y_label: str, x_label: str = ""
) -> str:
    """A bar plot from 0.

    Args:
        name: Identifier, unique within the page.
        title: Title for screen readers.
        description: What it shows, in words.
        values: The bars.
        y_label: Label of the y axis.
        x_label: Label of the x axis.

    Returns:
        SVG text; "" without a bar.
    """
    shown = [bar for bar in values if not math.isnan(bar.value)]
    if not shown:
        return ""
    tops = [max(bar.value, bar.high if not math.isnan(bar.high) else bar.value) for bar in shown]
    axes = _Axes([0, 1], [0, max(*tops, 1e-9)], HEIGHT)
    out = _start(title, description, WIDTH, HEIGHT, name)
    out += axes.grid(x_label, y_label, x_marks=False)
    slot = (WIDTH - LEFT - RIGHT) / len(shown)
    for place, bar in enumerate(shown):
        middle = LEFT + (place + 0.5) * slot
        top, width = axes.y(bar.value), min(60.0, slot * 0.62)
        out.append(
            f'<rect class="bar" x="{middle - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" '
            f'height="{max(0.0, axes.y(0) - top):.1f}"/>'
        )
        above = top
        if not math.isnan(bar.low) and not math.isnan(bar.high):
            low, above = axes.y(max(bar.low, 0)), axes.y(bar.high)
            out.append(
                f'<path class="whisker" d="M{middle:.1f} {low:.1f}V{above:.1f}M{middle - 5:.1f} {low:.1f}h10'
                f'M{middle - 5:.1f} {above:.1f}h10"/>'
            )
        if slot > 34:
            out.append(
                f'<text x="{middle:.1f}" y="{above - 5:.1f}" text-anchor="middle">{_number(bar.value)}</text>'
            )
        out.append(
            f'<text x="{middle:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(bar.name)}</text>'
        )
    return "".join([*out, "</svg>"])


def forest(
    name: str, title: str, description: str, dots: Sequence[Estimate], x_label: str, style: str = ""
) -> str:
    """Dots with their intervals, one below the other, the name above each.

    Args:
        name: Identifier, unique within the page.
        title: Title for screen readers.
        description: What it shows, in words.
        dots: The rows.
        x_label: Label of the x axis.
        style: CSS for a file of its own; "" for a page, which has the style sheet.

    Returns:
        SVG text; "" without a dot.
    """
    shown = [dot for dot in dots if not math.isnan(dot.value)]
    if not shown:
        return ""
    ends = [x for dot in shown for x in (dot.value, dot.low, dot.high, *dot.folds) if not math.isnan(x)]
    marks = ticks(min(ends), max(ends), 6)
    step = 38
    height = step * len(shown) + 50

    def place(value: float) -> float:
        return 20 + (value - marks[0]) / (marks[-1] - marks[0]) * (WIDTH - 40)

    out = _start(title, description, WIDTH, height, name, style)
    for mark in marks:
        x = place(mark)
        out.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 44}"/>')
        out.append(f'<text x="{x:.1f}" y="{height - 28}" text-anchor="middle">{_number(mark)}</text>')
    for row, dot in enumerate(shown):
        y = step * row + 30
        x = place(dot.value)
        tint = f"c{dot.colour % COLOURS}"
        if not math.isnan(dot.low) and not math.isnan(dot.high):
            out.append(
                f'<line class="line {tint}" x1="{place(dot.low):.1f}" x2="{place(dot.high):.1f}" y1="{y}" y2="{y}"/>'
            )
        out += [
            f'<circle class="fold {tint}" cx="{place(value):.1f}" cy="{y}" r="3"/>' for value in dot.folds
        ]
        kind = "hollow" if dot.hollow else "dot"
        out.append(f'<circle class="{kind} {tint}" cx="{x:.1f}" cy="{y}" r="5"/>')
        name = dot.name if len(dot.name) <= LONGEST else f"{dot.name[: LONGEST - 1]}…"
        out.append(f'<text x="20" y="{y - 9}">{escape(name)}</text>')
    out.append(
        f'<text class="label" x="{WIDTH / 2}" y="{height - 8}" text-anchor="middle">{escape(x_label)}</text>'
    )
    return "".join([*out, "</svg>"])

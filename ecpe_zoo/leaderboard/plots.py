"""Plots as SVG text: small, without a library, in the colours of the page, light or dark.

Every figure has a role, a title and a description for screen readers; the same numbers are in a table of the page.
Colours are the style sheet's `--line-1` to `--line-6`; dash patterns distinguish series too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from textwrap import wrap
from typing import NamedTuple

WIDTH, HEIGHT = 500, 270
WIDE = 920  # of a forest plot in a file of its own
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 16, 46
COLOURS = 6
LONGEST, LINE = 46, 15  # letters in a line of a name, and its height


class Series(NamedTuple):
    """A line.

    Args:
        name: Name in the legend; "" for none.
        points: (x, y) in order; nan leaves a gap.
        colour: 0-based.
        dashed: Whether it is dashed: it chose nothing.
        faint: Whether it is one of several lines whose mean is drawn too.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    dashed: bool = False
    faint: bool = False


class Estimate(NamedTuple):
    """A value with an optional interval: a bar, or a row of a forest plot.

    Args:
        name: Text below the bar, or of the row.
        value: Height of the bar, or place of the dot; nan for none.
        low: Lower end of the interval; nan for none.
        high: Upper end.
        colour: Index of the row's colour, 0-based.
        hollow: Whether the dot is drawn as a ring: the row has no rank.
        folds: Values whose mean is drawn, as small circles.
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


def _start(
    title: str, description: str, width: int, height: int, name: str, style: str = "", fluid: bool = False
) -> list[str]:
    kind, size, inside = "plot", f'viewBox="0 0 {width} {height}"', ""
    if fluid:
        kind = "plot forest"
        size = f'width="{width}" height="{height}" {size}' if style else f'width="100%" height="{height}"'
    if style:
        inside = f'<style>{style}</style><rect class="ground" width="{width}" height="{height}"/>'
    return [
        f'<svg class="{kind}" {size} role="img" aria-labelledby="{name}-t {name}-d" '
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
    """Dots with their intervals, one below the other, as wide as the page; names are above, on wide pages beside.

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
    shown = [(dot, wrap(dot.name, LONGEST)) for dot in dots if not math.isnan(dot.value)]
    if not shown:
        return ""
    ends = [x for dot, _ in shown for x in (dot.value, dot.low, dot.high, *dot.folds) if not math.isnan(x)]
    marks = ticks(min(ends), max(ends), 6)
    height = sum(LINE * len(words) + 24 for _, words in shown) + 50
    names, tracks = [], []

    def place(value: float) -> str:
        return f"{1.5 + 97 * (value - marks[0]) / (marks[-1] - marks[0]):.2f}%"

    for mark in marks:
        x = place(mark)
        tracks.append(f'<line class="grid" x1="{x}" x2="{x}" y1="4" y2="{height - 44}"/>')
        tracks.append(f'<text x="{x}" y="{height - 28}" text-anchor="middle">{_number(mark)}</text>')
    tracks.append(
        f'<text class="label" x="50%" y="{height - 8}" text-anchor="middle">{escape(x_label)}</text>'
    )
    y = 0
    for dot, words in shown:
        for place_of_line, line in enumerate(words, start=1):
            names.append(f'<text y="{y + LINE * place_of_line}">{escape(line)}</text>')
        y += LINE * len(words) + 24
        tint, middle = f"c{dot.colour % COLOURS}", y - 12
        if not math.isnan(dot.low) and not math.isnan(dot.high):
            low, high = place(dot.low), place(dot.high)
            tracks.append(f'<line class="line {tint}" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>')
        tracks += [
            f'<circle class="fold {tint}" cx="{place(value)}" cy="{middle}" r="3"/>' for value in dot.folds
        ]
        kind = "hollow" if dot.hollow else "dot"
        tracks.append(f'<circle class="{kind} {tint}" cx="{place(dot.value)}" cy="{middle}" r="5"/>')
    start = _start(title, description, WIDE, height, name, style, fluid=True)
    if style:  # a file of its own is wide: no style sheet moves the names beside their rows
        tracks = [f'<svg x="36%" width="63%" height="{height}">', *tracks, "</svg>"]
    return "".join([*start, *tracks, '<g class="names">', *names, "</g></svg>"])

"""What `ecpe-zoo results diff` prints of two methods."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.cli.spreads import show_remarks
from ecpe_zoo.leaderboard.tables import interval, mean_and_sd, p_value, percent, signed, without_collapsed
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.significance import MethodComparison, compare, compare_sound, pooled_score
from ecpe_zoo.results.store import RunGroup


def show_difference(
    first: RunGroup, second: RunGroup, root: Path | None, resamples: int, seed: int
) -> MethodComparison:
    """Print scores of two methods and all tests for their difference; see `significance.compare`."""
    result = compare(first, second, root, resamples, seed)
    names = labels([first, second])
    one, two = names[id(first)], names[id(second)]
    if one == two:
        one, two = "A", "B"
    sides = ((one, first, result.bootstrap.first), (two, second, result.bootstrap.second))
    rows = []
    for name, group, common in sides:
        spread = group.spread()
        counts = (len(group.folds), len(group.finished))
        pooled = percent(pooled_score(group, root))
        rows.append((name, *counts, mean_and_sd(spread), interval(spread), pooled, percent(common)))
    columns = ("method", ">folds", ">runs", ">mean ± sd", ">interval", ">pooled", ">pooled,\ncommon folds")
    show_table(f"{first.corpus}, {first.protocol}: headline F1 in percent", columns, rows)
    show_remarks((name, group) for name, group, _ in sides)
    heads = ("test", ">points", ">95 % interval", ">p", "effect")
    show_table(f"{one} minus {two}", heads, _tests(result))
    say(f"Verdict: {result.verdict}. {result.limits}")
    sound = compare_sound(first, second, root, resamples, seed)
    if sound is not None:
        say(without_collapsed(sound))
    return result


def _tests(result: MethodComparison) -> Iterator[tuple[str, ...]]:
    """Rows of a test: its name, the difference, its interval, p and the size of the effect."""
    drawn, folds, won = result.bootstrap, result.fold_test, result.won

    def between(low: float, high: float) -> str:
        return "–" if math.isnan(low) else f"[{signed(low)}, {signed(high)}]"

    def p(value: float) -> str:
        return "–" if math.isnan(value) else p_value(value).removeprefix("p ").removeprefix("= ")

    permuted = f"{won.better} documents better, {won.worse} worse, {won.equal} equal ({won.effect:+.2f})"
    hedges = "–" if math.isnan(folds.effect) else f"Hedges' g of fold differences {folds.effect:+.2f}"
    points, bounds = signed(drawn.difference), between(drawn.low, drawn.high)
    name = f"paired bootstrap, {result.documents} documents"
    yield name, points, bounds, "", f"standard error {percent(drawn.error, 2)}"
    yield "paired permutation of documents", points, "", p(result.permutation_p), permuted
    name = f"corrected resampled t-test, {folds.folds} fold{'s' * (folds.folds != 1)}"
    size = "–" if math.isnan(folds.p) else hedges
    yield name, signed(folds.mean), between(folds.low, folds.high), p(folds.p), size


def as_dict(result: MethodComparison) -> dict[str, Any]:
    """A comparison as plain values; nan becomes null."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return {name: plain(item) for name, item in value._asdict().items()}
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return list(value) if isinstance(value, tuple) else value

    return {name: plain(value) for name, value in vars(result).items()} | {"verdict": result.verdict}

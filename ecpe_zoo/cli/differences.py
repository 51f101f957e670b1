"""What `ecpe-zoo results diff` prints of two methods."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.cli.spreads import show_remarks
from ecpe_zoo.errors import ZooError, counted
from ecpe_zoo.leaderboard.tables import interval, mean_and_sd, percent, tests, without_collapsed
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.significance import MethodComparison, compare, compare_sound, pooled_score
from ecpe_zoo.results.store import RunGroup
from ecpe_zoo.results.verdict import components, folds_of, seeds_for


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
    heads = ("test", ">points", ">95 % interval", ">p", "")
    show_table(f"{one} minus {two}", heads, tests(result.verdict, result))
    words = result.verdict.in_words
    words = words[0].upper() + words[1:] if result.verdict.missing else f"Verdict: {words}"
    say(f"{words}. {result.limits}")
    sound = compare_sound(first, second, root, resamples, seed)
    if sound is not None:
        say(without_collapsed(sound))
    return result


PLANNED_FOLDS, PLANNED_SEEDS = (3, 5, 10), (1, 3, 5, 10)


def show_plan(first: RunGroup, second: RunGroup, effect: float) -> None:
    """Print which differences could be shown with how many folds and seeds; see `verdict.components`.

    Args:
        first: One method.
        second: The other.
        effect: Difference to be shown, as a fraction.

    Raises:
        ZooError: fewer than two common folds.
    """
    try:
        found = components(first, second)
    except ValueError as error:
        raise ZooError(f"{error} A plan needs the spread of the difference from fold to fold.") from error
    corpus_folds = folds_of((first, second))
    planned = [folds for folds in PLANNED_FOLDS if folds <= corpus_folds]
    rows = [
        (str(folds), *(percent(found.detectable(folds, seeds)) for seeds in PLANNED_SEEDS))
        for folds in planned
    ]
    heads = (">folds", *(f">{counted(seeds, 'seed')}" for seeds in PLANNED_SEEDS))
    show_table("Smallest true difference shown in four of five repetitions, in points", heads, rows)
    say(
        f"Spread of the difference: sd {percent(found.fold, 2)} from fold to fold, sd {percent(found.seeds[0], 2)} and "
        f"{percent(found.seeds[1], 2)} from seed to seed."
    )
    if found.assumed:
        say(
            f"No fold of {' and '.join(found.assumed)} has two seeds: their spread is not known and was taken as the "
            "other method's, or as 0. The folds' own spread then holds it, and more seeds would help more than shown."
        )
    seeds = seeds_for(found, effect, corpus_folds)
    if seeds is not None:
        say(
            f"{100 * effect:g} points: {corpus_folds} folds with {counted(seeds, 'seed')} each for both methods."
        )
        return
    limit = percent(found.detectable(corpus_folds, 1000))
    say(
        f"{100 * effect:g} points: no number of seeds shows it on {corpus_folds} folds, since the difference varies "
        f"from fold to fold. With any number of seeds {limit} points is the smallest."
    )


def as_dict(result: MethodComparison) -> dict[str, Any]:
    """A comparison as plain values; nan becomes null."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return {name: plain(item) for name, item in value._asdict().items()}
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return list(value) if isinstance(value, tuple) else value

    return {name: plain(value) for name, value in vars(result).items()} | {"says": result.verdict.in_words}

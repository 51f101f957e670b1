"""What `ecpe-zoo results diff` prints of two methods."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.cli.spreads import show_remarks
from ecpe_zoo.errors import ZooError, counted
from ecpe_zoo.leaderboard.tables import interval, mean_and_sd, percent, tests, without_collapsed
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.significance import (
    MethodComparison,
    check_comparable,
    compare,
    compare_sound,
    pooled_score,
)
from ecpe_zoo.results.store import RunGroup
from ecpe_zoo.results.verdict import (
    SEEDS,
    SPLIT_SEEDS,
    components,
    decides,
    fewest,
    folds_of,
    split_components,
)


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


PLANNED_SEEDS = (3, 5, 10, 20)


def show_plan(first: RunGroup, second: RunGroup, effect: float, root: Path | None) -> None:
    """Print which differences a verdict could show with how many seeds; see `verdict`.

    Args:
        first: One method.
        second: The other.
        effect: Difference to be shown, as a fraction.
        root: Folder of the corpora, whose test documents count where a corpus has one official split.

    Raises:
        ZooError: Methods of different corpora or protocols, too few runs for a spread, or folds that allow no verdict.
    """
    check_comparable(first, second)
    names = labels([first, second])
    say(f"{first.corpus}, {first.protocol}: {names[id(first)]} minus {names[id(second)]}")
    if folds_of((first, second)) > 1:
        _plan_folds(first, second, effect)
    else:
        _plan_split(first, second, effect, root)


def _plan_folds(first: RunGroup, second: RunGroup, effect: float) -> None:
    folds = folds_of((first, second))
    if not decides(folds):
        raise ZooError(
            f"Expected a corpus on which a verdict is possible, but {first.corpus} has {folds} folds: the exact test "
            "over them cannot reach p < .05, whatever the number of seeds."
        )
    try:
        found = components(first, second)
    except ValueError as error:
        raise ZooError(f"{error} A plan needs the spread of the difference from fold to fold.") from error
    where = f"on {folds} folds"
    _show_detectable(lambda seeds: found.detectable(folds, seeds), effect, SEEDS, where)
    say(
        f"Spread of the difference: sd {percent(found.fold, 2)} from fold to fold, sd {percent(found.seeds[0], 2)} and "
        f"{percent(found.seeds[1], 2)} from seed to seed."
    )
    if found.assumed:
        say(
            f"No fold of {' and '.join(found.assumed)} has two seeds: their spread is not known and was taken as the "
            "other method's, or as 0. The folds' own spread then holds it, and more seeds would help more than shown."
        )


def _plan_split(first: RunGroup, second: RunGroup, effect: float, root: Path | None) -> None:
    error = compare(first, second, root).bootstrap.error
    try:
        found = split_components(first, second, error)
    except ValueError as problem:
        raise ZooError(f"{problem} A plan needs the spread of the difference from seed to seed.") from problem
    _show_detectable(found.detectable, effect, SPLIT_SEEDS, "on one official split")
    say(
        f"Spread of the difference: sd {percent(found.seeds, 2)} from seed to seed, standard error "
        f"{percent(found.documents, 2)} over the test documents, which more seeds do not reduce."
    )


def _show_detectable(detectable: Callable[[int], float], effect: float, least: int, where: str) -> None:
    """Print differences by number of seeds, and the number for the difference that was asked for."""
    planned = [seeds for seeds in PLANNED_SEEDS if seeds >= least]
    heads = tuple(f">{counted(seeds, 'seed')}" for seeds in planned)
    rows = [tuple(percent(detectable(seeds)) for seeds in planned)]
    show_table(f"Smallest true difference shown in four of five repetitions {where}, in points", heads, rows)
    seeds = fewest(detectable, effect, least)
    asked = f"{100 * effect:g} points"
    if seeds is not None:
        always = f", the fewest of any verdict {where}" if seeds == least else f" {where}"
        say(f"{asked}: {counted(seeds, 'seed')} of both methods{always}.")
    else:
        limit = percent(detectable(1000))
        say(f"{asked}: no number of seeds shows it {where}. With any number {limit} points is the smallest.")


def as_dict(result: MethodComparison) -> dict[str, Any]:
    """A comparison as plain values; nan becomes null."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return {name: plain(item) for name, item in value._asdict().items()}
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return list(value) if isinstance(value, tuple) else value

    return {name: plain(value) for name, value in vars(result).items()} | {"says": result.verdict.in_words}

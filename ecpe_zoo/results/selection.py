"""What choosing on the test fold is worth, measured within single strict runs.

A strict run that watched the test fold knows the test score of every epoch, though none chose by it. Its score at the
epoch that validation chose, against its best test score, is the price of honesty, and nothing else differs: the same
training documents, weights, seed and threshold. (A paper-protocol run differs in more: it trains on a tenth more.)

The gap cannot be negative: a maximum over epochs is at least one of them. Its interval says how large it is, not
whether it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ecpe_zoo.data.history import Rows
from ecpe_zoo.errors import ZooError
from ecpe_zoo.results import statistics
from ecpe_zoo.results.choosing import not_strict, selection_metric
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.store import share_tested
from ecpe_zoo.tasks import find_task

WATCHED = "watched_test"


class Price(NamedTuple):
    """One run.

    Args:
        entry: Record of the run.
        chosen_epoch: The epoch that validation chose, 0-based.
        chosen: Test score there, at the method's default threshold.
        best_epoch: The epoch that the test fold would have chosen.
        best: Test score there.
        looks: Number of epochs whose test score was known.
        chosen_tuned: Test score at the chosen epoch and the threshold that its validation tuned; None if the
            run did not keep it.
        best_tuned: The best test score over epochs, each at the threshold that its validation tuned.
    """

    entry: Entry
    chosen_epoch: int
    chosen: float
    best_epoch: int
    best: float
    looks: int
    chosen_tuned: float | None = None
    best_tuned: float | None = None

    @property
    def gap(self) -> float:
        """What choosing on test adds; at least 0."""
        return self.best - self.chosen

    @property
    def gap_tuned(self) -> float | None:
        """The same at the thresholds that each epoch's validation tuned."""
        if self.best_tuned is None or self.chosen_tuned is None:
            return None
        return self.best_tuned - self.chosen_tuned


def watched_epochs(entry: Entry, score: str | None = None) -> tuple[Rows, dict[str, Any]] | None:
    """Rows of a stage's history with test scores, and the one that validation chose; None as `price_of`.

    Args:
        entry: Record of the run.
        score: Score to price; the task's headline if None. The stage is the last one, or if the score is the same in
            all its epochs, the stage before that chose it: a filter of pairs does not change which emotions were found.
    """
    headline = find_task(entry.task).headline
    name = score or headline
    if entry.record.protocol.name != "strict" or not_strict(entry.record):
        return None
    rows = [row for row in entry.history if name in row.get(WATCHED, {})]
    metrics = {stage.name: stage.chosen_by.metric for stage in entry.record.stages if stage.chosen_by}
    stages = list(dict.fromkeys(row.get("stage") for row in rows))

    def of(stage: Any) -> tuple[Rows, dict[str, Any]] | None:
        own = [row for row in rows if row.get("stage") == stage]  # other stages chose other weights
        metric = selection_metric(entry.record) if stage == stages[-1] else metrics.get(stage)
        for by in ((metric or "").removeprefix("val/"), headline):
            if all(by in row.get("validation", {}) for row in own):
                # the first in a tie, as the checkpoint callback does
                return own, max(own, key=lambda row: float(row["validation"][by]))
        return None

    found = of(stages[-1]) if stages else None
    for stage in stages[-2::-1] if score else ():
        earlier = of(stage)
        if found is None or earlier is None:
            break
        if any(row[WATCHED][name] != earlier[1][WATCHED][name] for row in found[0]):
            break  # the later stage has other scores of its own
        found = earlier
    return found


def price_of(entry: Entry) -> Price | None:
    """The price within one run; None if it did not watch the test fold, failed, or validation did not choose."""
    name = find_task(entry.task).headline
    watched = watched_epochs(entry)
    if watched is None:
        return None
    rows, chosen = watched

    def at(row: Mapping[str, Any], part: str) -> float:
        return float(row[part][name])

    best = max(rows, key=lambda row: at(row, WATCHED))
    tuned = f"{WATCHED}_at_tuned"
    kept = all(tuned in row for row in rows)
    return Price(
        entry,
        int(chosen["epoch"]),
        at(chosen, WATCHED),
        int(best["epoch"]),
        at(best, WATCHED),
        len(rows),
        at(chosen, tuned) if kept else None,
        max(at(row, tuned) for row in rows) if kept else None,
    )


class Prices(NamedTuple):
    """The price over runs.

    Args:
        runs: One `Price` each.
        gap: Spread of test-best minus validation-best, over folds (means over seeds) if there are several.
        chosen: Spread of the test score at the validation-best epoch.
        best: Spread of the test score at the test-best epoch.
        gap_tuned: Spread of the gap where each epoch has the threshold that its validation tuned; None if a
            run did not keep it.
        corrected: Test of `gap`, with the interval that counts in that folds share training documents; None where
            there is one fold.
        corrected_tuned: Test of `gap_tuned`.
    """

    runs: tuple[Price, ...]
    gap: statistics.RunSpread
    chosen: statistics.RunSpread
    best: statistics.RunSpread
    gap_tuned: statistics.RunSpread | None
    corrected: statistics.FoldTest | None
    corrected_tuned: statistics.FoldTest | None


def _corrected(values: Mapping[tuple[int, str], float], runs: Iterable[Price]) -> statistics.FoldTest | None:
    """The corrected resampled t-test on the means of each fold; None for one fold."""
    means = list(statistics.fold_means(values).values())
    if len(means) < 2:
        return None
    return statistics.corrected_t_test(means, share_tested(run.entry for run in runs))


def prices(entries: Iterable[Entry]) -> Prices:
    """The price over the runs that watched the test fold.

    Raises:
        ZooError: there is none.
    """
    listed = list(entries)
    runs = tuple(price for entry in listed if (price := price_of(entry)) is not None)
    if not runs:
        raise ZooError(
            f"Expected strict runs with the test score of every epoch, but none of {len(listed)} records has them. "
            "Train with --data.protocol strict --scorer.watch_test true."
        )

    def of_each(value: Callable[[Price], float | None]) -> dict[tuple[int, str], float]:
        found = {(run.entry.fold, run.entry.id): value(run) for run in runs}
        return {key: number for key, number in found.items() if number is not None}

    gaps, tuned = of_each(lambda run: run.gap), of_each(lambda run: run.gap_tuned)
    kept = len(tuned) == len(runs)
    return Prices(
        runs,
        statistics.over_runs(gaps),
        statistics.over_runs(of_each(lambda run: run.chosen)),
        statistics.over_runs(of_each(lambda run: run.best)),
        statistics.over_runs(tuned) if kept else None,
        _corrected(gaps, runs),
        _corrected(tuned, runs) if kept else None,
    )


class PaperArm(NamedTuple):
    """The same method under the paper protocol, to compare with the price: it also trains on the validation part.

    Args:
        paper: Spread of its test score, on the folds that both have.
        chosen: That of the strict runs at the validation-best epoch.
        best: That of the strict runs at the test-best epoch.
        gap: Spread of `paper` minus `chosen`, fold by fold.
        beyond: Spread of `paper` minus `best`: what the other training documents and more frequent looks add.
        looks: Test readings of a paper run before its last, least and most.
        corrected_gap: Test of `gap`, with the interval that counts in that folds share training documents; None where
            there is one fold.
        corrected_beyond: Test of `beyond`.
    """

    paper: statistics.RunSpread
    chosen: statistics.RunSpread
    best: statistics.RunSpread
    gap: statistics.RunSpread
    beyond: statistics.RunSpread
    looks: tuple[int, int]
    corrected_gap: statistics.FoldTest | None
    corrected_beyond: statistics.FoldTest | None


def paper_arm(found: Prices, paper: Iterable[Entry]) -> PaperArm | None:
    """Runs under the paper protocol against the strict ones, at the default threshold; None without a common fold."""
    scored = [
        (entry, score) for entry in paper if entry.finished and (score := entry.default_score) is not None
    ]
    folds = {entry.fold for entry, _ in scored} & {run.entry.fold for run in found.runs}
    if not folds:
        return None
    strict = [run for run in found.runs if run.entry.fold in folds]
    runs = {(entry.fold, entry.id): score for entry, score in scored if entry.fold in folds}
    chosen = {(run.entry.fold, run.entry.id): run.chosen for run in strict}
    best = {(run.entry.fold, run.entry.id): run.best for run in strict}

    def minus(other: Mapping[tuple[int, str], float]) -> dict[tuple[int, str], float]:
        theirs = statistics.fold_means(other)
        return {(fold, ""): mean - theirs[fold] for fold, mean in statistics.fold_means(runs).items()}

    gap, beyond = minus(chosen), minus(best)
    looks = [entry.record.protocol.test_reads for entry, _ in scored if entry.fold in folds]
    return PaperArm(
        paper=statistics.over_runs(runs),
        chosen=statistics.over_runs(chosen),
        best=statistics.over_runs(best),
        gap=statistics.over_runs(gap),
        beyond=statistics.over_runs(beyond),
        looks=(min(looks), max(looks)),
        corrected_gap=_corrected(gap, strict),
        corrected_beyond=_corrected(beyond, strict),
    )

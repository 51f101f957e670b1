"""What each practice adds, over the runs of a group; see `results.arms`."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecpe_zoo.results import statistics
from ecpe_zoo.results.arms import ARMS, Arm, Array, RunArms, run_arms
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.resampling import Bootstrap, paired_bootstrap
from ecpe_zoo.results.store import RunGroup, share_tested
from ecpe_zoo.tasks import ECPE

TRAINED = {"data.lexicon": "RANKCP, MM-R, CD-MRC", "data.truncation": "RANKCP, MM-R, CD-MRC"}
"""Options whose runs are compared with those without -> methods known to do it."""


@dataclass(frozen=True, eq=False)
class ArmResult:
    """An arm over the runs of a group.

    Args:
        arm: The arm.
        gain: Spread of what it adds, over folds (means over seeds) or over seeds; None if no run has it.
        drawn: Its difference on the pooled test documents, with the interval over documents; the trained weights and
            whatever the arm chose are held fixed. None for arms over epochs.
        missing: Why it is missing in some runs.
        sound: `gain` without the collapsed runs; None if none collapsed.
    """

    arm: Arm
    gain: statistics.RunSpread | None
    drawn: Bootstrap | None = None
    missing: tuple[str, ...] = ()
    sound: statistics.RunSpread | None = None


@dataclass(frozen=True, eq=False)
class GroupArms:
    """All arms of a group.

    Args:
        group: Its runs.
        runs: Those that may be ranked as strict, with their arms.
        strict: Spread of their pair F1.
        results: One for each arm.
    """

    group: RunGroup
    runs: tuple[RunArms, ...]
    strict: statistics.RunSpread
    results: tuple[ArmResult, ...]


def group_arms(
    group: RunGroup,
    others: Iterable[RunGroup] = (),
    root: Path | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> GroupArms | None:
    """All arms of a group of strict runs of emotion-cause pairs; None for another group, and if no run finished.

    Args:
        group: The runs.
        others: Groups to search for runs that differ only in lexicon or truncation.
        root: Folder of the corpora.
        resamples: Draws of the bootstrap; 0 for none.
        seed: Seed of the draws.
    """
    if group.task != ECPE.id or group.protocol != "strict" or not group.finished or not group.comparable:
        return None
    runs = tuple(run_arms(entry, root) for entry in group.finished)
    share = share_tested(group.finished)
    results = [_over(arm, runs, group.collapsed, share, resamples, seed) for arm in ARMS]
    for other in others:
        if (arm := trained_arm(group, other)) is not None:
            found = _between(group, other)
            results.append(ArmResult(arm, statistics.over_runs(found, share) if found else None))
    strict = {(run.entry.fold, run.entry.id): run.strict for run in runs}
    return GroupArms(group, runs, statistics.over_runs(strict, share), tuple(results))


def _over(
    arm: Arm, runs: Sequence[RunArms], collapsed: Sequence[Entry], share: float, resamples: int, seed: int
) -> ArmResult:
    """An arm over runs; share: n_test / n_train."""
    having = [run for run in runs if arm.id in run.gains]
    missing = tuple(dict.fromkeys(run.missing[arm.id] for run in runs if arm.id in run.missing))
    if not having:
        return ArmResult(arm, None, None, missing)

    def spread(some: Iterable[RunArms]) -> statistics.RunSpread | None:
        gains: dict[tuple[int, Hashable], float] = {(r.entry.fold, r.entry.id): r.gains[arm.id] for r in some}
        return statistics.over_runs(gains, share) if gains else None

    drawn = None
    if resamples and all(arm.id in run.counts for run in having):
        drawn = paired_bootstrap(_pooled(having, arm.id), _pooled(having, ""), "micro", resamples, seed)
    sound = spread(run for run in having if run.entry not in collapsed) if collapsed else None
    return ArmResult(arm, spread(having), drawn, missing, sound)


def _pooled(runs: Sequence[RunArms], id: str) -> Array:
    """(S, D, 1, 3) counts of an arm on the documents of all folds; see `significance.pooled_counts`."""
    folds: dict[int, list[Array]] = {}
    for run in runs:
        folds.setdefault(run.entry.fold, []).append(run.counts[id])
    most = math.lcm(*map(len, folds.values()))
    parts = [np.tile(np.stack(some), (most // len(some), 1, 1)) for _, some in sorted(folds.items())]
    return np.concatenate(parts, axis=1)[:, :, None]


def trained_arm(group: RunGroup, other: RunGroup) -> Arm | None:
    """The arm that `other` is of `group`, if they differ only in lexicon or truncation; otherwise None."""
    if (group.corpus, group.method, group.protocol) != (other.corpus, other.method, other.protocol):
        return None
    mine, theirs = group.first.settings, other.first.settings
    options = [name for name in TRAINED if name in theirs and name not in mine]

    def rest(settings: Mapping[str, object]) -> dict[str, object]:
        return {n: value for n, value in settings.items() if n not in TRAINED and not n.startswith("inputs.")}

    if not options or rest(mine) != rest(theirs) or any(name in mine for name in TRAINED):
        return None
    given = ", ".join(f"{name.removeprefix('data.')} {theirs[name]}" for name in options)
    done_by = "no leak" if given == "lexicon train_words" else TRAINED[options[0]]
    return Arm(f"trained-{given}".replace(" ", "-"), "trained", f"trained and tuned with {given}", done_by)


def _between(group: RunGroup, other: RunGroup) -> dict[tuple[int, Hashable], float]:
    """Other minus group in the folds and seeds that both have: (fold, seed) -> difference."""

    def means(some: RunGroup) -> dict[tuple[int, Hashable], float]:
        found: dict[tuple[int, Hashable], list[float]] = {}
        for entry in some.finished:
            found.setdefault((entry.fold, entry.record.seed), []).append(entry.score or 0.0)
        return {place: sum(scores) / len(scores) for place, scores in found.items()}

    mine, theirs = means(group), means(other)
    return {place: theirs[place] - mine[place] for place in sorted(mine.keys() & theirs.keys(), key=str)}

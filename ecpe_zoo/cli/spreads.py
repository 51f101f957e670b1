"""What `ecpe-zoo results show` prints of groups of runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.errors import ZooError, did_you_mean, first_few
from ecpe_zoo.leaderboard.tables import interval, mean_and_sd, percent
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.store import RunGroup


def show_groups(groups: Sequence[RunGroup], metric: str | None, default_threshold: bool) -> None:
    """Print a table for each corpus and protocol, the best method first, and what to look at.

    Args:
        groups: The runs.
        metric: Metric instead of the headline.
        default_threshold: Whether scores are those at the default threshold.

    Raises:
        ZooError: No run has the metric.
    """
    names = labels(groups)
    if metric is not None and not any(group.values(metric, default=default_threshold) for group in groups):
        known = {id.split(".")[1] for group in groups for run in group.finished for id in run.record.metrics}
        overall = [name for name in sorted(known) if not name.startswith("class_")]
        raise ZooError(
            f"Expected --metric to be one that a run has ({first_few(overall, 12)}), but got {metric!r}."
            f"{did_you_mean(metric, sorted(known))}"
        )
    shown = (metric or "headline F1") + (" at the default threshold" if default_threshold else "")
    columns = ("method", ">folds", ">seeds", ">runs", ">mean ± sd", ">95 % interval", ">sd of\nseeds")
    for corpus, protocol in sorted({(group.corpus, group.protocol) for group in groups}):
        listed = [group for group in groups if (group.corpus, group.protocol) == (corpus, protocol)]
        rows = []
        for group in listed:
            spread = group.spread(metric, default=default_threshold)
            counts = (len(group.folds), len(group.seeds), len(group.entries))
            mean, seeds = (spread.over.mean, percent(spread.seed_sd)) if spread else (-1.0, "–")
            row = (names[id(group)], *counts, mean_and_sd(spread), interval(spread), seeds)
            rows.append((mean, row))
        rows.sort(key=lambda row: -row[0])
        title = f"{corpus}, {protocol}: {shown} in percent"
        show_table(title, columns, (row for _, row in rows), least=16)
        show_remarks((names[id(group)], group) for group in listed)


def show_remarks(groups: Iterable[tuple[str, RunGroup]]) -> None:
    """Print what to look at in groups with their names.

    Failed and collapsed runs, `RunGroup.remarks`, and test texts that training holds.
    """
    for name, group in groups:
        said = [f"failed: fold {entry.fold} seed {entry.record.seed}" for entry in group.failed]
        said += [
            f"collapsed: fold {entry.fold} seed {entry.record.seed} ({percent(entry.score)})"
            for entry in group.collapsed
        ]
        rest = group.spread(without_collapsed=True) if group.collapsed else None
        if rest is not None:
            said.append(f"mean without collapsed: {percent(rest.over.mean)}")
        said += group.remarks
        if group.overlap is not None and group.overlap.notable:
            said.append(group.overlap.in_words)
        if said:
            say(f"{name}: {'; '.join(said)}")

"""Entries for the leaderboards of the Hugging Face Hub.

The Hub reads `.eval_results/*.yaml` of a model's repository: a list of entries with the benchmark dataset's id and
task, a value, and optional source and notes. Each row of the board gets a folder to be copied into that repository.
Records have no date; the Hub takes that of the commit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ecpe_zoo.errors import ZooError, counted
from ecpe_zoo.files import below
from ecpe_zoo.leaderboard.rows import slug_of
from ecpe_zoo.leaderboard.tables import write_text
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.store import RunGroup, group_records
from ecpe_zoo.tasks import TASKS

SOURCE_NAME = "ecpe-zoo records"


def entry_of(group: RunGroup, dataset: str, source_url: str | None = None) -> dict[str, Any]:
    """The entry of a group's mean headline score, as a fraction.

    Args:
        group: Group with a finished run.
        dataset: `owner/name` of the benchmark on the Hub.
        source_url: Address at which the records can be read.

    Raises:
        ZooError: no finished run.
    """
    spread = group.spread()
    if spread is None:
        raise ZooError(f"Expected a finished run of {group.method} on {group.corpus}, but all runs failed.")
    rule = group.first.record.protocol
    headline = TASKS[group.task].headline
    notes = [
        f"mean {headline} of {counted(len(group.finished), 'run')} ({counted(len(group.folds), 'fold')}, "
        f"{counted(len(group.seeds), 'seed')})",
        f"{rule.name} protocol: epoch chosen on the {group.chosen_on}",
        f"lexicon: {rule.lexicon}",
    ]
    if not math.isnan(spread.over.sd):
        notes.insert(1, f"sd {spread.over.sd:.4f} over {spread.unit}")
    if group.collapsed:
        notes.append(f"{len(group.collapsed)} collapsed runs are in the mean")
    entry: dict[str, Any] = {
        "dataset": {"id": dataset, "task_id": headline},
        "value": round(spread.over.mean, 4),
    }
    if source_url is not None:
        entry["source"] = {"url": source_url, "name": SOURCE_NAME}
    return entry | {"notes": "; ".join(notes)}


def export(
    entries: Sequence[Entry],
    folder: Path,
    datasets: Mapping[str, str],
    protocol: str = "strict",
    source_url: str | None = None,
) -> list[Path]:
    """Write a file for each variant of a method and corpus: `ROW/.eval_results/CORPUS.yaml`.

    Args:
        entries: Records.
        folder: Folder to write into.
        datasets: Corpus -> `owner/name` on the Hub.
        protocol: Protocol of the runs.
        source_url: Address at which the records can be read.

    Raises:
        ZooError: a corpus without a dataset, or nothing to export.
    """
    groups = group_records(entries)
    names = labels(groups)
    chosen = [
        group
        for group in groups
        if group.protocol == protocol and group.finished and group.task in TASKS and group.comparable
    ]
    if not chosen:
        raise ZooError(
            f"Expected finished runs under the {protocol} protocol that may be ranked, but found none among "
            f"{len(entries)} records."
        )
    if wanting := sorted({group.corpus for group in chosen} - datasets.keys()):
        raise ZooError(
            f"Expected the Hub's dataset of each corpus, but got none for {', '.join(wanting)}. Add "
            + " ".join(f"--dataset {corpus}=OWNER/NAME" for corpus in wanting)
        )
    written = []
    for group in chosen:
        path = below(folder, slug_of(names[id(group)]), ".eval_results", f"{group.corpus}.yaml")
        text = yaml.safe_dump(
            [entry_of(group, datasets[group.corpus], source_url)], sort_keys=False, width=1000
        )
        write_text(path, text)
        written.append(path)
    return written

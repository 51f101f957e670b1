"""See, recompute and compare records."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ecpe_zoo.cli.screen import say
from ecpe_zoo.errors import ZooError

if TYPE_CHECKING:
    from ecpe_zoo.results.store import RunGroup


def recompute(paths: Sequence[Path], *, root: Path | None = None) -> int:
    """Compute all metrics again from the saved predictions and the corpus.

    The exit status is 1 if one differs.

    Args:
        paths: Records, or folders of them.
        root: Folder with a folder for each corpus; ECPE_ZOO_DATA if not given, else the user's cache.
    """
    from ecpe_zoo.results import evidence
    from ecpe_zoo.results.store import find_records

    wrong = compared = checked = 0
    for entry in find_records(paths):
        if not entry.finished:
            say(f"{entry.path}: {entry.record.status}, nothing to compute")
            continue
        count, differences = evidence.recompute(entry, root)
        checked += 1
        compared += count
        wrong += bool(differences)
        for found in differences:
            say(
                f"{entry.path}: {found.where}/{found.metric}: stored {found.stored}, computed {found.computed}"
            )
    verdict = f"{wrong} records differ" if wrong else "all as recorded"
    say(f"{checked} records, {compared} metrics: {verdict}")
    return 1 if wrong else 0


def count(paths: Sequence[Path], *, root: Path | None = None) -> int:
    """Keep the counts of each test document beside its record, so that a board needs no corpus.

    Writes NAME.counts.npz next to NAME.json: ids and counts, no text. Records that have them are passed over.

    Args:
        paths: Records, or folders of them.
        root: Folder with a folder for each corpus; ECPE_ZOO_DATA if not given, else the user's cache.
    """
    from ecpe_zoo.results.evidence import keep_counts
    from ecpe_zoo.results.store import find_records

    entries = find_records(paths)
    whole = [entry for entry in entries if entry.finished and not entry.partial]
    made = [path for entry in whole if (path := keep_counts(entry, root)) is not None]
    say(f"{len(entries)} records: {len(made)} counted, {len(whole) - len(made)} were counted already")
    if len(whole) < len(entries):
        say(
            f"{len(entries) - len(whole)} failed, or scored a part of the test documents: nothing is kept of them"
        )
    return 0


def show(paths: Sequence[Path], *, metric: str | None = None, default_threshold: bool = False) -> int:
    """Show what was run, with its spread.

    Args:
        paths: Records, or folders of them.
        metric: Metric to show instead of the headline, such as pair_recall or emotion_f1.
        default_threshold: Show scores at the method's default threshold instead of the tuned one.
    """
    from ecpe_zoo.cli.spreads import show_groups
    from ecpe_zoo.results.store import find_failures, find_records, group_records

    show_groups(group_records(find_records(paths)), metric, default_threshold)
    say(*(f"{failure.cell}: no record: {failure.reason}" for failure in find_failures(paths)))
    say("Spread and t-interval over folds (means over seeds), or over seeds if there is one fold.")
    return 0


def diff(
    first: str,
    second: str,
    *,
    records: Sequence[Path] = (),
    protocol: Literal["strict", "paper"] = "strict",
    corpus: str | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    root: Path | None = None,
    json: Path | None = None,
) -> int:
    """Run all tests for the difference of two methods.

    Args:
        first: A record, or a folder with the records of one method; with --records a label from `results show`,
            or the method's id if one label has it.
        second: The same for the other method.
        records: Records among which FIRST and SECOND are labels.
        protocol: Protocol of the records.
        corpus: Corpus of the records; needed if they hold more than one.
        resamples: Draws of bootstrap and permutation, at least 100.
        seed: Seed of the draws.
        root: Folder with a folder for each corpus; ECPE_ZOO_DATA if not given, else the user's cache.
        json: File for every number.
    """
    from ecpe_zoo.cli.differences import as_dict, show_difference
    from ecpe_zoo.leaderboard.tables import write_text

    if resamples < 100:
        raise ZooError(f"Expected --resamples to be at least 100, but got {resamples}.")
    one, two = (
        _one_group(records or [Path(name)], name, protocol, corpus, name if records else None)
        for name in (first, second)
    )
    result = show_difference(one, two, root, resamples, seed)
    if json is not None:
        write_text(json, json_format.dumps(as_dict(result), indent=1) + "\n")
    return 0


def plan(
    first: str,
    second: str,
    *,
    effect: float,
    records: Sequence[Path] = (),
    protocol: Literal["strict", "paper"] = "strict",
    corpus: str | None = None,
    root: Path | None = None,
) -> int:
    """Say how many seeds would show a difference by the rule of verdicts, from the spread of the runs that are there.

    Args:
        first: A record, or a folder with the records of one method; with --records a label from `results show`,
            or the method's id if one label has it.
        second: The same for the other method.
        effect: True difference to be shown in four of five repetitions, in points.
        records: Records among which FIRST and SECOND are labels.
        protocol: Protocol of the records.
        corpus: Corpus of the records; needed if both methods have records of more than one.
        root: Folder with a folder for each corpus; ECPE_ZOO_DATA if not given, else the user's cache.
    """
    from ecpe_zoo.cli.differences import show_plan

    if effect <= 0:
        raise ZooError(f"Expected --effect in points above 0, but got {effect}.")
    one, two = (
        _one_group(records or [Path(name)], name, protocol, corpus, name if records else None)
        for name in (first, second)
    )
    show_plan(one, two, effect / 100, root)
    return 0


def selection(paths: Sequence[Path]) -> int:
    """Show what choosing the epoch on the test fold is worth.

    Compares within strict runs that watched the test fold (--scorer.watch_test true) the test score at the epoch that
    validation chose with the best test score of any epoch.

    Args:
        paths: Records, or folders of them.
    """
    from ecpe_zoo.cli.selection import show_prices
    from ecpe_zoo.results.selection import prices
    from ecpe_zoo.results.store import find_records, group_records

    groups = group_records(find_records(paths))
    if not show_prices(groups):
        prices([entry for group in groups for entry in group.entries])  # raises, and says what is needed
    return 0


def arms(
    paths: Sequence[Path],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    root: Path | None = None,
    json: Path | None = None,
) -> int:
    """Show what each practice of published code adds to strict scores of emotion-cause pairs.

    Scores kept test scores again: epoch or threshold chosen on test, each task at its own epoch, duplicates of gold
    pairs, windows, the released list (which holds gold) and an honest one. Nothing is trained; runs that were trained
    with --data.lexicon or --data.truncation are set against those without.

    Args:
        paths: Records, or folders of them.
        resamples: Draws of the bootstrap over documents, at least 100; 0 for none.
        seed: Seed of the draws.
        root: Folder with a folder for each corpus; ECPE_ZOO_DATA if not given, else the user's cache.
        json: File for every number.
    """
    from ecpe_zoo.cli.arms import NOTE, as_dict, show_arms
    from ecpe_zoo.leaderboard.tables import write_text
    from ecpe_zoo.results.arm_table import group_arms
    from ecpe_zoo.results.naming import labels
    from ecpe_zoo.results.store import find_records, group_records

    if resamples != 0 and resamples < 100:
        raise ZooError(f"Expected --resamples to be at least 100, or 0 for none, but got {resamples}.")
    groups = group_records(find_records(paths))
    names = labels(groups)
    found = [(group_arms(group, groups, root, resamples, seed), names[id(group)]) for group in groups]
    shown = [(result, name) for result, name in found if result is not None]
    if not shown:
        raise ZooError(
            f"Expected finished strict runs of emotion-cause pairs in {', '.join(map(str, paths))} that may be ranked, "
            f"but none of {len(groups)} groups of runs has them."
        )
    for result, name in shown:
        show_arms(result, name)
    say(NOTE)
    if json is not None:
        write_text(json, json_format.dumps([as_dict(*each) for each in shown], indent=1) + "\n")
    return 0


def schema(*, output: Path | None = None) -> int:
    """Print the JSON Schema of a record.

    Args:
        output: File to write to instead of the screen.
    """
    from ecpe_zoo.leaderboard.tables import write_text
    from ecpe_zoo.results.record import RunRecord

    text = json_format.dumps(RunRecord.model_json_schema(), indent=1) + "\n"
    if output is None:
        print(text, end="")
    else:
        write_text(output, text)
    return 0


def _one_group(
    paths: Sequence[Path], name: str, protocol: str, corpus: str | None, label: str | None
) -> RunGroup:
    from ecpe_zoo.results.naming import labels
    from ecpe_zoo.results.store import find_records, group_records

    if label is None and not Path(name).exists():
        raise ZooError(
            f"Expected {name} to be a record or a folder of records, but there is no such path. If it is a label of "
            "`results show`, name the records with --records."
        )
    groups = group_records(find_records(paths))
    names = labels(groups)
    fitting = [
        group
        for group in groups
        if group.protocol == protocol and corpus in (None, group.corpus) and label in (None, names[id(group)])
    ]
    if label is not None and not fitting:  # a method's id, if one label has it
        fitting = [
            group
            for group in groups
            if group.protocol == protocol and corpus in (None, group.corpus) and group.method == label
        ]
    if len(fitting) != 1:
        there = ", ".join(f"{names[id(group)]!r} ({group.protocol}, {group.corpus})" for group in groups)
        raise ZooError(
            f"Expected the {protocol} records of one method and corpus in {name!r}, but got {len(fitting)}. There are: "
            f"{there}. Choose with --protocol and --corpus, or with --records PATH and labels for FIRST and SECOND."
        )
    return fitting[0]


COMMANDS = {
    "recompute": recompute,
    "count": count,
    "show": show,
    "diff": diff,
    "plan": plan,
    "selection": selection,
    "arms": arms,
    "schema": schema,
}

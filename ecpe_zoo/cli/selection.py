"""What `ecpe-zoo results selection` prints: the price of choosing the epoch on the test fold."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.tables import percent, signed
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.selection import PaperArm, Prices, paper_arm, prices
from ecpe_zoo.results.statistics import FoldTest, RunSpread
from ecpe_zoo.results.store import RunGroup

COLUMNS = (
    ">fold",
    ">seed",
    ">epoch by\nvalidation",
    ">F1",
    ">epoch by\ntest",
    ">F1",
    ">gap",
    ">epochs\nseen",
)


def show_prices(groups: Sequence[RunGroup]) -> bool:
    """Print the runs of each group that watched the test fold, and what the choice adds.

    Returns:
        Whether there was such a group.
    """
    names = labels(groups)
    papers = {(group.corpus, names[id(group)]): group for group in groups if group.protocol == "paper"}
    shown = False
    for group in groups:
        try:
            found = prices(group.entries)
        except ZooError:
            continue
        shown = True
        rows = []
        for run in found.runs:
            epochs = (run.chosen_epoch, percent(run.chosen), run.best_epoch, percent(run.best))
            rows.append((run.entry.fold, run.entry.record.seed, *epochs, signed(run.gap), run.looks))
        show_table(f"{names[id(group)]} on {group.corpus}: test F1 in percent", COLUMNS, rows)
        paper = papers.get((group.corpus, names[id(group)]))
        say(*_in_words(found, paper))
        if group.collapsed and group.sound.entries:
            places = ", ".join(f"fold {run.fold} seed {run.record.seed}" for run in group.collapsed)
            say(f"Without the collapsed runs ({places}):", *_in_words(prices(group.sound.entries), paper))
        say("")
    return shown


def _in_words(found: Prices, paper: RunGroup | None) -> list[str]:
    """Gain from choosing on the test fold, and the further gain of the paper protocol."""
    said = [_added("Choosing the epoch on the test fold adds", found.gap, found.corrected)]
    if found.gap_tuned is not None:
        start = "With the threshold that each epoch's validation tuned it adds"
        said.append(_added(start, found.gap_tuned, found.corrected_tuned))
    arm = paper_arm(found, paper.entries) if paper is not None else None
    return said if arm is None else [*said, *_arms(arm)]


def _arms(arm: PaperArm) -> list[str]:
    """The paper protocol, and strict at its two epochs, with their differences."""
    least, most = arm.looks
    runs = f"{arm.paper.over.n} {arm.paper.unit}" if arm.paper.over.n > 1 else "one run"
    seen = f"{least}" if least == most else f"{least} to {most}"
    beyond = "Over the test-best epoch it adds, by more training documents and more readings,"
    return [
        f"Under the paper protocol (all training documents, the test fold chooses after {seen} readings), default "
        f"threshold, {runs}: {percent(arm.paper.over.mean, 2)}; strict at the test-best epoch "
        f"{percent(arm.best.over.mean, 2)}, at the validation-best epoch {percent(arm.chosen.over.mean, 2)}.",
        _added("Over the validation-best epoch the paper protocol adds", arm.gap, arm.corrected_gap),
        _added(beyond, arm.beyond, arm.corrected_beyond),
    ]


def _added(start: str, spread: RunSpread, corrected: FoldTest | None) -> str:
    over = spread.over
    mean = f"{start} {percent(over.mean, 2)} points on average"
    if math.isnan(over.sd):
        return f"{mean} ({spread.runs} run, no interval)."
    said = (
        f"{mean}, 95 % interval [{percent(over.low, 2)}, {percent(over.high, 2)}], sd {percent(over.sd, 2)}, over "
        f"{over.n} {spread.unit} ({spread.runs} runs)"
    )
    if corrected is not None:
        said += (
            f"; [{percent(corrected.low, 2)}, {percent(corrected.high, 2)}] if the training documents that folds "
            "share are taken into account"
        )
    return f"{said}."

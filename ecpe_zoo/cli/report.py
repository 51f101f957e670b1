"""What a run prints at its end."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ecpe_zoo.callbacks.scorer import WATCHED, Scorer, threshold_of
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.methods.base import Method
from ecpe_zoo.metrics.emotions import SPEARMAN
from ecpe_zoo.metrics.scoring import scoring_of


def show_results(scorer: Scorer, method: Method, data: EmotionDataModule, record: Path | None) -> None:
    """Print the table of test scores, in percent, at the headline's threshold and at the other."""
    console = Console()
    scoring = scoring_of(method.task)
    headline = scorer.headline(data, method)
    table = Table(
        title=f"{method.id} on {data.corpus}, fold {data.fold}: {scorer.test_documents} test documents",
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column("", no_wrap=True)
    threshold = {"default": threshold_of(method), "tuned": method.tuned}
    order = [headline, *(n for n in scorer.results if threshold[n] != threshold[headline])]
    for name in order:
        # three heads that read as one: "tuned at 0.18"
        cut = threshold[name]
        heads = (
            ((name, "P"), ("at", "R"), (f"{cut:.2f}", "F1"))
            if cut is not None
            else (("", n) for n in ("P", "R", "F1"))
        )
        for above, score in heads:
            table.add_column(f"{above}\n{score}", justify="right", no_wrap=True)
    for item, label in scoring.table_rows(scorer.results[headline]).items():
        cells = [
            scorer.results[name].get(f"{item}_{score}")
            for name in order
            for score in ("precision", "recall", "f1")
        ]
        style = "bold" if item == scoring.leading else None
        table.add_row(label, *("" if value is None else f"{100 * value:.2f}" for value in cells), style=style)
    console.print(table)
    by = {"strict": "a validation part of the training documents", "paper": "the TEST fold itself"}[
        data.protocol
    ]
    chosen = f"the epoch was chosen on {by}" if scorer.history or record is None else "the last epoch"
    figures = scoring.figures(scorer.results[headline])
    if figures:
        console.print(
            "; ".join(f"{label} {100 * value:.2f}" for label, value in figures.items()), soft_wrap=True
        )
    taken = {
        name.removeprefix("taken_").replace("_", " "): value
        for name, value in scorer.results[headline].items()
        if name.startswith("taken_")
    }
    if taken:
        listed = ", ".join(f"{name} {100 * value:.1f}" for name, value in taken.items())
        console.print(f"similar emotions taken for each other: {listed}", soft_wrap=True)
    agreed = {
        name.removeprefix(SPEARMAN): value
        for name, value in scorer.results[headline].items()
        if name.startswith(SPEARMAN)
    }
    if agreed:
        listed = ", ".join(f"{name} {value:+.2f}" for name, value in agreed.items())
        console.print(f"rank correlation with the annotated intensity: {listed}", soft_wrap=True)
    decides = f"{scoring.above} score above the threshold" if scoring.tune else "the highest score decides"
    console.print(f"Protocol {data.protocol}: {chosen}; percent; {decides}.", soft_wrap=True)
    watched = [row for row in scorer.history if WATCHED in row and row["stage"] == method.stage]
    if watched:
        name = scoring.headline
        best = max(watched, key=lambda row: row["validation"][name])
        peak = max(watched, key=lambda row: row[WATCHED][name])
        at = " at the default threshold" if scoring.tune else ""
        console.print(
            f"test {name}{at}: {100 * best[WATCHED][name]:.2f} at the epoch that validation chose "
            f"({best['epoch']}), {100 * peak[WATCHED][name]:.2f} at the best test epoch ({peak['epoch']}).",
            soft_wrap=True,
        )
    if record is not None:
        console.print(f"record:      {record}", soft_wrap=True)

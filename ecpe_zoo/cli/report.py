"""What a run prints at its end."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ecpe_zoo.callbacks.scorer import WATCHED, Scorer
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.methods.base import Method

ROWS = {
    "pair": "pairs",
    "emotion": "emotions",
    "cause": "causes",
    "emotion_from_pairs": "  emotions of the pairs",
    "cause_from_pairs": "  causes of the pairs",
    "pair_offset_-1": "  cause one before",
    "pair_offset_0": "  cause in the same",
    "pair_offset_other": "  other distances",
    "pair_single": "  documents with one pair",
    "pair_multiple": "  documents with more",
}


def show_results(scorer: Scorer, method: Method, data: EmotionDataModule, record: Path | None) -> None:
    """Print the table of test scores, in percent, at the headline's threshold and at the other."""
    console = Console()
    headline = scorer.headline(data, method)
    table = Table(
        title=f"{method.id} on {data.corpus}, fold {data.fold}: {scorer.test_documents} test documents",
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column("", no_wrap=True)
    threshold = {"default": method.threshold, "tuned": method.tuned}
    order = [headline, *(n for n in scorer.results if threshold[n] != threshold[headline])]
    for name in order:
        # three heads that read as one: "tuned at 0.18"
        for above, score in ((name, "P"), ("at", "R"), (f"{threshold[name]:.2f}", "F1")):
            table.add_column(f"{above}\n{score}", justify="right", no_wrap=True)
    for item, label in ROWS.items():
        if any(f"{item}_f1" in scorer.results[name] for name in order):
            values = [
                scorer.results[name].get(f"{item}_{score}", 0.0)
                for name in order
                for score in ("precision", "recall", "f1")
            ]
            style = "bold" if item == "pair" else None
            table.add_row(label, *(f"{100 * value:.2f}" for value in values), style=style)
    console.print(table)
    by = {"strict": "a validation part of the training documents", "paper": "the TEST fold itself"}[
        data.protocol
    ]
    chosen = f"the epoch was chosen on {by}" if scorer.history or record is None else "the last epoch"
    console.print(
        f"Protocol {data.protocol}: {chosen}; percent; pairs score above the threshold.", soft_wrap=True
    )
    watched = [row for row in scorer.history if WATCHED in row]
    if watched:
        best = max(watched, key=lambda row: row["validation"]["pair_f1"])
        peak = max(watched, key=lambda row: row[WATCHED]["pair_f1"])
        console.print(
            f"test pair F1 at the default threshold: {100 * best[WATCHED]['pair_f1']:.2f} at the epoch that validation "
            f"chose ({best['epoch']}), {100 * peak[WATCHED]['pair_f1']:.2f} at the best test epoch ({peak['epoch']}).",
            soft_wrap=True,
        )
    if record is not None:
        console.print(f"record:      {record}", soft_wrap=True)

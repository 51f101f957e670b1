"""What a run prints at its end."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.methods.base import Method
from ecpe_zoo.metrics.counts import THREE
from ecpe_zoo.results.choosing import not_strict
from ecpe_zoo.results.record import LAST_EPOCH, TEST_FOLD, VALIDATION_PART, RunRecord
from ecpe_zoo.training.recorder import Recorder
from ecpe_zoo.training.scorer import WATCHED, Scorer, threshold_of


def show_results(
    scorer: Scorer, method: Method, data: EmotionDataModule, made_by: Recorder | str | None
) -> None:
    """Print the table of test scores, in percent, at the headline's threshold and at the other.

    Args:
        scorer: with the results of a test.
        method: that was tested.
        data: that it was tested on.
        made_by: after a fit its recorder; else the metric that the tested checkpoint names (`metric_of`).
    """
    record = made_by.written if isinstance(made_by, Recorder) else None
    console = Console()
    task = method.task
    headline = scorer.headline(data, method)
    table = Table(
        title=f"{method.id} on {data.corpus}, fold {data.fold}: {scorer.test_documents} test documents",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
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
    for item, label in task.table_rows(scorer.results[headline]).items():
        cells = [scorer.results[name].get(f"{item}_{score}") for name in order for score in THREE]
        style = "bold" if item == task.leading else None
        table.add_row(label, *("" if value is None else f"{100 * value:.2f}" for value in cells), style=style)
    console.print(table)
    for line in task.lines(scorer.results[headline]):
        console.print(line, soft_wrap=True)
    if record is not None:
        chosen = _chosen(record)
    elif isinstance(made_by, str):
        chosen = f"its run chose the checkpoint by {made_by}"
    else:
        chosen = "the checkpoint does not say what chose it"
    console.print(f"Protocol {data.protocol}: {chosen}; percent; {task.decision}.", soft_wrap=True)
    if record is not None and (reason := not_strict(record)):
        console.print(f"NOTE: not ranked among strict results: {reason}.", soft_wrap=True)
    if record is not None and (overlap := record.corpus.overlap) is not None and overlap.notable:
        console.print(f"NOTE: {overlap.in_words}.", soft_wrap=True)
    watched = [row for row in scorer.history if WATCHED in row and row["stage"] == method.stage]
    if watched and (record is None or record.protocol.selection == VALIDATION_PART):
        name = task.headline_of(watched[0][WATCHED])
        best = max(watched, key=lambda row: row["validation"][name])
        peak = max(watched, key=lambda row: row[WATCHED][name])
        at = " at the default threshold" if task.thresholded else ""
        console.print(
            f"test {name}{at}: {100 * best[WATCHED][name]:.2f} at the epoch that validation chose "
            f"({best['epoch']}), {100 * peak[WATCHED][name]:.2f} at the best test epoch ({peak['epoch']}).",
            soft_wrap=True,
        )
    if isinstance(made_by, Recorder):
        console.print(f"record:      {made_by.path}", soft_wrap=True)


def _chosen(record: RunRecord) -> str:
    """What chose the tested weights, as the record has it."""
    on = record.protocol.selection
    if on == LAST_EPOCH:
        return "no metric chose the epoch, the last weights were tested"
    said = {VALIDATION_PART: "a validation part of the training documents", TEST_FOLD: "the TEST fold itself"}
    return f"the epoch was chosen on {said.get(on, on)} ({record.protocol.selection_metric})"

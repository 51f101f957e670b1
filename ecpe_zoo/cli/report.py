"""What a run prints when it ends."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from ecpe_zoo.cli.screen import print_table, say
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.escaping import visible
from ecpe_zoo.methods.base import Method
from ecpe_zoo.metrics.counts import THREE
from ecpe_zoo.results.choosing import not_strict
from ecpe_zoo.results.limits import limited
from ecpe_zoo.results.record import LAST_EPOCH, TEST_FOLD, VALIDATION_PART, RunRecord
from ecpe_zoo.results.rising import last_rise, rising_in_words
from ecpe_zoo.results.store import each_record
from ecpe_zoo.training.recorder import Recorder
from ecpe_zoo.training.scorer import WATCHED, Scorer, threshold_of


def show_results(
    scorer: Scorer, method: Method, data: EmotionDataModule, made_by: Recorder | str | None
) -> None:
    """Print the table of test scores, in percent, at the headline's threshold and at the other.

    Args:
        scorer: Scorer with the results of a test.
        method: Tested method.
        data: Data that it was tested on.
        made_by: Recorder of the fit; after a test alone the metric that the checkpoint names (`metric_of`).
    """
    record = made_by.written if isinstance(made_by, Recorder) else None
    task, headline = method.task, scorer.headline(data, method)
    title = f"{method.id} on {data.corpus}, fold {data.fold}: {scorer.test_documents} test documents"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    threshold = {"default": threshold_of(method), "tuned": method.tuned}
    order = [headline, *(n for n in scorer.results if threshold[n] != threshold[headline])]
    for name in order:
        cut = threshold[name]
        above = ("", "", "") if cut is None else (name, "at", f"{cut:.2f}")  # reads as "tuned at 0.18"
        for word, score in zip(above, ("P", "R", "F1"), strict=True):
            table.add_column(f"{word}\n{score}", justify="right", no_wrap=True)
    for item, label in task.table_rows(scorer.results[headline]).items():
        cells = [scorer.results[name].get(f"{item}_{score}") for name in order for score in THREE]
        style = "bold" if item == task.leading else None
        table.add_row(
            Text(visible(label)),
            *("" if value is None else f"{100 * value:.2f}" for value in cells),
            style=style,
        )
    say(title)
    print_table(table)
    say(*task.lines(scorer.results[headline]))
    if record is not None:
        chosen = _chosen(record)
    elif isinstance(made_by, str):
        chosen = f"its run chose the checkpoint by {made_by}"
    else:
        chosen = "the checkpoint does not say what chose it"
    say(f"Protocol {data.protocol}: {chosen}; percent; {task.decision}.")
    if record is not None and (reason := not_strict(record)):
        among = " among strict results" * (record.protocol.name == "strict")
        say(f"NOTE: not ranked{among}: {reason}.")
    if record is not None and (unread := limited(record)):
        say(f"NOTE: {unread}: boards do not rank this run.")
    if record is not None and record.status == "collapsed":
        say(
            "NOTE: the run collapsed: it finds nothing, or one class alone. Its record and all tables say so."
        )
    if record is not None and (overlap := record.corpus.overlap) is not None and overlap.notable:
        say(f"NOTE: {overlap.in_words}.")
    watched = [row for row in scorer.history if WATCHED in row and row["stage"] == method.stage]
    if watched and (record is None or record.protocol.selection == VALIDATION_PART):
        name = task.headline_of(watched[0][WATCHED])
        best = max(watched, key=lambda row: row["validation"][name])
        peak = max(watched, key=lambda row: row[WATCHED][name])
        at = " at the default threshold" if task.thresholded else ""
        say(
            f"test {name}{at}: {100 * best[WATCHED][name]:.2f} at the epoch that validation chose "
            f"({best['epoch']}), {100 * peak[WATCHED][name]:.2f} at the best test epoch ({peak['epoch']})."
        )
    if isinstance(made_by, Recorder):
        if made_by.path is not None:
            (entry,) = each_record([made_by.path])
            if rising := rising_in_words(last_rise(entry), 1):
                say(f"NOTE: {rising} (--trainer.max_epochs).")
        say(f"record:      {made_by.path}")


def _chosen(record: RunRecord) -> str:
    """How the tested weights were chosen, according to the record."""
    on = record.protocol.selection
    if on == LAST_EPOCH:
        return "no metric chose the epoch, the last weights were tested"
    said = {VALIDATION_PART: "a validation part of the training documents", TEST_FOLD: "the TEST fold itself"}
    return f"the epoch was chosen on {said.get(on, on)} ({record.protocol.selection_metric})"

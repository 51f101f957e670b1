"""The boards as Markdown and LaTeX, in percent; and how numbers are worded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ecpe_zoo.errors import ZooError, counted
from ecpe_zoo.escaping import latex_escaped, markdown_escaped
from ecpe_zoo.files import replaced_when_complete
from ecpe_zoo.leaderboard.comparisons import Against
from ecpe_zoo.leaderboard.csv_table import csv_text
from ecpe_zoo.leaderboard.rows import PROTOCOLS, Board, BoardRow, Cell
from ecpe_zoo.results.significance import MethodComparison
from ecpe_zoo.results.statistics import FoldTest, RunSpread
from ecpe_zoo.results.verdict import Verdict
from ecpe_zoo.tasks import find_task

START, END = "<!-- leaderboard:start -->", "<!-- leaderboard:end -->"


RANKED = "Ranked"
UNRANKED = "Not ranked yet: each row says what it lacks; those with most folds come first"
APART = "Read gold of the test documents: shows what that is worth, never ranked"
"""Headings of the groups of rows."""


def row_groups(board: Board) -> list[tuple[str, list[BoardRow]]]:
    """Headings with their rows, those that have any. An ablation is in no group: it belongs to its method."""
    kinds: dict[str, list[BoardRow]] = {RANKED: [], UNRANKED: [], APART: []}
    for row in board.rows:
        if not row.of:
            kinds[APART if row.apart else UNRANKED if row.rank is None else RANKED].append(row)
    return [(name, rows) for name, rows in kinds.items() if rows]


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as percent, without the sign.

    >>> percent(0.5123), percent(None), percent(float("nan"))
    ('51.2', '–', '–')
    """
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}"


def headline_name(task: str) -> str:
    """`Pair F1`."""
    words = find_task(task).headline_in_words or "F1"
    return words[0].upper() + words[1:]


def signed(value: float) -> str:
    """A difference in points.

    >>> signed(0.012), signed(-0.012), signed(0.0)
    ('+1.2', '−1.2', '0.0')
    """
    text = f"{100 * abs(value):.1f}"
    return text if float(text) == 0 else ("+" if value > 0 else "−") + text


def p_value(p: float) -> str:
    """A p-value in words.

    >>> p_value(0.0001), p_value(0.0312), p_value(1.0)
    ('p < 0.001', 'p = 0.03', 'p = 1.00')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.01 else f"p = {p:.2f}"


def mean_and_sd(spread: RunSpread | None) -> str:
    """`52.6 ± 5.7`; the mean alone if there is one value."""
    if spread is None:
        return "–"
    mean = percent(spread.over.mean)
    return mean if math.isnan(spread.over.sd) else f"{mean} ± {percent(spread.over.sd)}"


def interval(spread: RunSpread | None) -> str:
    """`[48.0, 58.5]`, "" if there is one value."""
    if spread is None or math.isnan(spread.over.low):
        return ""
    return f"[{percent(spread.over.low)}, {percent(spread.over.high)}]"


def runs(cell: Cell) -> str:
    """`10 folds × 3 seeds`, or `10 folds, 1 to 3 runs each` where folds have different numbers of runs."""
    each = [len(entries) for entries in cell.group.by_fold().values()]
    if not each:
        return "no finished run"
    folds = counted(len(each), "fold")
    if min(each) != max(each):
        return f"{folds}, {min(each)} to {max(each)} runs each"
    return f"{folds} × {counted(each[0], 'run' if cell.group.repeated else 'seed')}"


def difference(one: Against, board: Board, wanting: str = "") -> str:
    """`−1.1 [−3.9, +1.6] against RANKCP, 3 folds; no verdict: 7 more folds`; p is Holm-adjusted.

    Args:
        one: The comparison.
        board: Its board.
        wanting: What the row says that it needs: not repeated.
    """
    verdict = one.verdict
    low, high = verdict.low_shared, verdict.high_shared
    bounds = "" if math.isnan(low) else f" [{signed(low)}, {signed(high)}]"
    p = "" if verdict.missing else f"{p_value(verdict.holm_p)}, "
    said = "no verdict yet" if verdict.missing and verdict.missing == wanting else verdict.in_words
    other = board.titles.get(one.label, one.label)
    return f"{signed(verdict.mean)}{bounds} against {other}, {verdict.counted}; {p}{said}"


def differences(cell: Cell | None, board: Board) -> str:
    """All comparisons of a row, and the first one over documents."""
    if cell is None or not cell.against:
        return "–"
    said = [difference(one, board, cell.wanting) for one in cell.against]
    documents = cell.against[0].documents
    if documents is not None:
        said[0] += f"; these weights {gap(documents)}"
    return " / ".join(said)


def gap(comparison: MethodComparison) -> str:
    """`−1.1 [−3.9, +1.6]`: points, 95 % interval over documents."""
    drawn = comparison.bootstrap
    return f"{signed(drawn.difference)} [{signed(drawn.low)}, {signed(drawn.high)}]"


def tests(verdict: Verdict, documents: MethodComparison | None) -> Iterator[tuple[str, str, str, str, str]]:
    """All tests of a difference: name, points, 95 % interval, p, and a remark."""

    def between(low: float, high: float) -> str:
        return "–" if math.isnan(low) else f"[{signed(low)}, {signed(high)}]"

    def p(value: float) -> str:
        return "–" if math.isnan(value) else p_value(value).removeprefix("p ").removeprefix("= ")

    kind = "exact sign-flip" if verdict.unit == "fold" else "t-test with the error over documents"
    adjusted = f"Holm-adjusted for {verdict.family}: {p(verdict.holm_p)}" if verdict.family > 1 else ""
    interval = between(verdict.low, verdict.high)
    yield f"{verdict.counted}: {kind}", signed(verdict.mean), interval, p(verdict.p), adjusted
    if documents is None:
        return
    drawn, folds, won = documents.bootstrap, documents.fold_test, documents.won
    if not math.isnan(folds.p):
        effect = "" if math.isnan(folds.effect) else f", Hedges' g {folds.effect:+.2f}"
        effect = f"corrected resampled t-test{effect}"
        yield "  with shared training documents", "", between(folds.low, folds.high), p(folds.p), effect
    points, error = signed(drawn.difference), f"standard error {percent(drawn.error, 2)}"
    name = f"these weights, {documents.documents} documents: paired bootstrap"
    yield name, points, between(drawn.low, drawn.high), "", error
    counts = f"{won.better} documents better, {won.worse} worse, {won.equal} equal ({won.effect:+.2f})"
    yield "these weights: paired permutation", "", "", p(documents.permutation_p), counts


def without_collapsed(comparison: MethodComparison) -> str:
    """A comparison without collapsed runs, in a sentence."""
    folds = comparison.fold_test
    over = "" if math.isnan(folds.p) else f"; over the folds {_over_folds(folds)}"
    return f"Without the collapsed runs: {gap(comparison)}, {p_value(comparison.permutation_p)}{over}."


def _over_folds(test: FoldTest) -> str:
    return f"{signed(test.mean)} [{signed(test.low)}, {signed(test.high)}], {p_value(test.p)}"


NOTES = (
    "F1 in percent: mean ± sample standard deviation over folds (over seeds if there is one fold). Brackets are 95 "
    "% t-intervals; over folds they count in that folds share training documents (the pages of rows also give those "
    "of differences that do not). *Strict*: a validation part of the training documents chooses epoch and "
    "threshold. *Paper protocol*: the test fold chooses the epoch, as in published code. *Reported*: printed in a "
    "paper, not measured here. The three are never ranked together. A row is ranked once it has the runs that a "
    "verdict needs: ten folds with three seeds each, or five seeds if the corpus has one official split; until then "
    "it says what is missing. Each method is compared with the best method of its encoder and with the rule without "
    "training, each ablation with its method. The verdict is an exact sign-flip test of the fold differences, "
    "collapsed runs as they scored; p is Holm-adjusted within protocol and board. *These weights*: the paired "
    "bootstrap over documents, which holds the trained weights fixed and cannot say what other seeds or folds would "
    "give."
)


# --- Markdown


def markdown(boards: Iterable[Board], failures: Sequence[str] = ()) -> str:
    """The boards that have records, as Markdown.

    Args:
        boards: All of them.
        failures: Names of cells that failed and left no record.
    """
    from ecpe_zoo.leaderboard.findings import finding  # whose numbers this module words

    parts = []
    for board in boards:
        if not board.rows:
            continue
        lines = [
            f"**{markdown_escaped(board.title)}** ({find_task(board.task).headline_in_words}). "
            + markdown_escaped(finding(board)),
            "",
            "| | method | encoder | reported | paper protocol | strict | strict runs | difference, strict |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for heading, rows in row_groups(board):
            lines += [f"| | *{heading}* | | | | | | |"]
            for row in rows:
                cells = [_cells(row, board), *(_cells(one, board) for one in board.ablations(row))]
                lines += [f"| {' | '.join(map(markdown_escaped, line))} |" for line in cells]
        notes = shared_notes(board)
        if board.missing:
            notes.append(f"Pooled scores and differences are left out: {board.missing}")
        parts.append(
            "\n".join([*lines, *(["", *(f"- {markdown_escaped(note)}" for note in notes)] if notes else [])])
        )
    cells_failed = ", ".join(map(markdown_escaped, failures))
    failed = [f"Failed, without a record and in no mean: {cells_failed}."] if failures else []
    return "\n\n".join([*parts, *failed, NOTES]) + "\n"


def shared_notes(board: Board) -> list[str]:
    """`MGCL, RANKCP (strict): note.` for each remark on rows of a board."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in board.rows:
        for protocol in PROTOCOLS:
            for note in row.cells[protocol].remarks if protocol in row.cells else ():
                found.setdefault((protocol, note), []).append(board.titles[row.label])
    return [f"{', '.join(titles)} ({protocol}): {note}." for (protocol, note), titles in found.items()]


def _cells(row: BoardRow, board: Board) -> list[str]:
    strict, paper = row.cells.get("strict"), row.cells.get("paper")
    needs = f"to be ranked: {row.wanting}" if row.wanting else ""
    return [
        str(row.rank or ""),
        f"↳ {row.change}" if row.of else board.titles[row.label],
        row.encoder,
        f"{percent(row.reported.f1)} ({row.reported.practice})" if row.reported is not None else "–",
        _score(paper),
        _score(strict),
        "; ".join(filter(None, [runs(strict) if strict is not None else "", needs])) or "–",
        differences(strict, board),
    ]


def _score(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    if cell.spread is None:
        return "failed"
    marks = "†" * bool(cell.group.collapsed or cell.group.failed)
    return " ".join(filter(None, [mean_and_sd(cell.spread) + marks, interval(cell.spread)]))


def between_marks(path: Path) -> tuple[str, str, str]:
    """The text of a Markdown file before, between and after its marks.

    Raises:
        ZooError: no such file, or not exactly one pair of marks in order.
    """
    try:
        old = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ZooError(f"{path}: expected a Markdown file to put the table into: {error}") from error
    if old.count(START) != 1 or old.count(END) != 1 or old.index(START) > old.index(END):
        raise ZooError(
            f"{path}: expected one line {START!r} and after it one line {END!r}, but got {old.count(START)} and "
            f"{old.count(END)}. Write both where the table belongs."
        )
    before, rest = old.split(START)
    between, after = rest.split(END)
    return before, between, after


def replace_between_marks(path: Path, text: str) -> bool:
    """Put text between the marks of a Markdown file.

    Returns:
        Whether the file changed.

    Raises:
        ZooError: see `between_marks`.
    """
    before, between, after = between_marks(path)
    inside = f"\n\n{text.strip()}\n\n"
    if inside != between:
        write_text(path, f"{before}{START}{inside}{END}{after}")
    return inside != between


# --- LaTeX


def latex(boards: Iterable[Board]) -> str:
    """The boards that have records, as tables for the LaTeX package booktabs."""
    from pandas import DataFrame  # 0.3 s that other commands over records do without

    parts = []
    for board in boards:
        if not board.rows:
            continue
        heads = ["", "Method", "Encoder", "Reported", "Paper protocol", "Strict", "Runs"]
        heads.append("Difference, strict")
        ordered = [
            one for _, rows in row_groups(board) for row in rows for one in (row, *board.ablations(row))
        ]
        rows = [[latex_escaped(text) for text in _cells(row, board)] for row in ordered]
        table = DataFrame(rows, columns=list(map(latex_escaped, heads))).style.hide(axis="index")
        notes = " ".join(shared_notes(board))
        caption = latex_escaped(f"{board.title}. {NOTES.replace('*', '')} {notes}".strip())
        lines = [
            r"\begin{table}",
            r"\centering",
            r"\small",
            table.to_latex(column_format="rlllllll", hrules=True).strip(),
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{board.slug}}}",
            r"\end{table}",
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file atomically."""
    with replaced_when_complete(path) as part:
        part.write_text(text, encoding="utf-8")


def write_tables(boards: Sequence[Board], folder: Path, failures: Sequence[str] = ()) -> list[Path]:
    """Write `leaderboard.md`, `.tex` and `.csv` into a folder; `failures` as for `markdown`."""
    made = {
        "leaderboard.md": markdown(boards, failures),
        "leaderboard.tex": latex(boards),
        "leaderboard.csv": csv_text(boards),
    }
    for name, text in made.items():
        write_text(folder / name, text)
    return [folder / name for name in made]

"""`ecpe-zoo results recompute | show | diff | selection | schema`: what records say, and whether it holds."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from ecpe_zoo.corpora.registry import ROOT_VARIABLE
from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.tables import (
    interval,
    mean_and_sd,
    p_value,
    percent,
    signed,
    without_collapsed,
    write_text,
)
from ecpe_zoo.results.evidence import recompute
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.record import RunRecord
from ecpe_zoo.results.selection import PaperArm, Prices, paper_arm, prices
from ecpe_zoo.results.significance import RESAMPLES, MethodComparison, compare, compare_sound, pooled_score
from ecpe_zoo.results.statistics import FoldTest, RunSpread
from ecpe_zoo.results.store import Entry, RunGroup, find_failures, find_records, group_records

_STYLE: dict[str, Any] = {"box": box.SIMPLE, "pad_edge": False, "padding": (0, 1, 0, 0)}


def main(argv: Sequence[str]) -> int:
    """Run one of the commands.

    Args:
        argv: what stands behind `ecpe-zoo results`.

    Returns:
        The exit status: 1 where `recompute` finds a metric that differs.

    Raises:
        ZooError: something the user can mend.
    """
    options = _parser().parse_args(list(argv))
    status: int = options.command(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ecpe-zoo results", description="Records: see, recompute and compare them."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    corpora = argparse.ArgumentParser(add_help=False)
    corpora.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help=f"where each corpus has a folder (default: {ROOT_VARIABLE}, else the user's cache)",
    )
    records = argparse.ArgumentParser(add_help=False)
    records.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="records, or folders of them")

    again = commands.add_parser(
        "recompute",
        parents=[records, corpora],
        help="compute all metrics again from the saved predictions",
        description="Compute all metrics of records again from their saved predictions and the corpus; exit status 1 "
        "if one differs.",
    )
    again.set_defaults(command=_recompute)

    shown = commands.add_parser("show", parents=[records], help="what was run, with its spread")
    shown.add_argument(
        "--metric", metavar="NAME", help="another than the headline, as pair_recall or emotion_f1"
    )
    shown.add_argument(
        "--default-threshold",
        action="store_true",
        help="scores at the method's default threshold, not at the tuned one",
    )
    shown.set_defaults(command=_show)

    different = commands.add_parser(
        "diff",
        parents=[corpora],
        help="all tests for the difference of two methods",
        description="All tests for the difference of two methods: A and B are records, or folders that hold the "
        "records of one method each; or, with --records, labels as `results show` prints them.",
    )
    different.add_argument("first", metavar="A")
    different.add_argument("second", metavar="B")
    different.add_argument(
        "--records", type=Path, nargs="+", metavar="PATH", help="records in which A and B are labels"
    )
    different.add_argument(
        "--protocol", default="strict", choices=("strict", "paper"), help="default: %(default)s"
    )
    different.add_argument("--corpus", help="where the records hold more than one")
    different.add_argument(
        "--resamples", type=int, default=RESAMPLES, metavar="N", help="default: %(default)s"
    )
    different.add_argument("--seed", type=int, default=0, metavar="N", help="of the resampling (default: 0)")
    different.add_argument("--json", type=Path, metavar="FILE", help="write every number to this file")
    different.set_defaults(command=_diff)

    selected = commands.add_parser(
        "selection",
        parents=[records],
        help="what choosing the epoch on the test fold is worth",
        description="Within strict runs that watched the test fold (--scorer.watch_test true): the test score at the "
        "epoch that validation chose beside the best test score of any epoch.",
    )
    selected.set_defaults(command=_selection)

    schema = commands.add_parser("schema", help="the JSON Schema of a record")
    schema.add_argument(
        "--output", type=Path, metavar="FILE", help="write it to a file in place of the screen"
    )
    schema.set_defaults(command=_schema)
    return parser


# --- recompute


def _recompute(options: argparse.Namespace) -> int:
    console = Console()
    entries = find_records(options.paths)
    wrong = compared = checked = 0
    for entry in entries:
        if not entry.finished:
            console.print(
                f"{entry.path}: {entry.record.status}, nothing to compute", soft_wrap=True, markup=False
            )
            continue
        count, differences = recompute(entry, options.root)
        checked += 1
        compared += count
        wrong += bool(differences)
        for found in differences:
            console.print(
                f"{entry.path}: {found.where}/{found.metric}: stored {found.stored}, computed {found.computed}",
                soft_wrap=True,
                markup=False,
            )
    console.print(
        f"{checked} records, {compared} metrics: "
        + (f"{wrong} records differ" if wrong else "all as recorded")
    )
    return 1 if wrong else 0


# --- show


def _show(options: argparse.Namespace) -> int:
    groups = group_records(find_records(options.paths))
    names = labels(groups)
    console = Console()
    for corpus, protocol in sorted({(group.corpus, group.protocol) for group in groups}):
        what = options.metric or "headline F1"
        what += " at the default threshold" if options.default_threshold else ""
        table = Table(title=f"{corpus}, {protocol}: {what} in percent", **_STYLE)
        table.add_column("method", overflow="fold", min_width=16)
        for column in ("folds", "seeds", "runs", "mean ± sd", "95 % interval", "sd of\nseeds"):
            table.add_column(column, justify="right", no_wrap=True)
        listed = [group for group in groups if (group.corpus, group.protocol) == (corpus, protocol)]
        spreads = {
            id(group): group.spread(options.metric, default=options.default_threshold) for group in listed
        }
        for group in sorted(listed, key=lambda group: -_mean(spreads[id(group)])):
            spread = spreads[id(group)]
            table.add_row(
                names[id(group)].replace("[", r"\["), str(len(group.folds)), str(len(group.seeds)),
                str(len(group.entries)), mean_and_sd(spread), interval(spread).replace("[", r"\["),
                percent(spread.seed_sd) if spread is not None else "–",
            )  # fmt: skip
        console.print(table)
        for group in listed:
            if words := _to_look_at(group):
                console.print(f"{names[id(group)]}: {words}", soft_wrap=True, markup=False)
    for failure in find_failures(options.paths):
        console.print(f"{failure.cell}: no record: {failure.reason}", soft_wrap=True, markup=False)
    console.print(
        "Spread and t-interval over folds (means over seeds), over seeds where there is one fold.",
        soft_wrap=True,
    )
    return 0


def _mean(spread: RunSpread | None) -> float:
    return spread.over.mean if spread is not None else -1.0


def _to_look_at(group: RunGroup) -> str:
    said = [f"failed: fold {entry.fold} seed {entry.record.seed}" for entry in group.failed]
    said += [
        f"collapsed: fold {entry.fold} seed {entry.record.seed} ({percent(entry.score)})"
        for entry in group.collapsed
    ]
    rest = group.spread(without_collapsed=True) if group.collapsed else None
    if rest is not None:
        said.append(f"mean without collapsed: {percent(rest.over.mean)}")
    if group.overlap is not None and group.overlap.notable:
        said.append(group.overlap.in_words)
    return "; ".join(said)


# --- diff


def _one_group(
    paths: list[Path], name: str, protocol: str, corpus: str | None, label: str | None
) -> RunGroup:
    groups = group_records(find_records(paths))
    names = labels(groups)
    fitting = [
        group for group in groups
        if group.protocol == protocol and corpus in (None, group.corpus) and label in (None, names[id(group)])
    ]  # fmt: skip
    if len(fitting) != 1:
        there = ", ".join(f"{names[id(group)]!r} ({group.protocol}, {group.corpus})" for group in groups)
        raise ZooError(
            f"Expected the {protocol} records of one method and corpus in {name!r}, but got {len(fitting)}. There are: "
            f"{there}. Choose with --protocol and --corpus, or with --records PATH and labels for A and B."
        )
    return fitting[0]


def _diff(options: argparse.Namespace) -> int:
    if options.resamples < 100:
        raise ZooError(f"Expected --resamples to be at least 100, but got {options.resamples}.")
    both = []
    for name in (options.first, options.second):
        paths = options.records or [Path(name)]
        label = name if options.records else None
        both.append(_one_group(paths, name, options.protocol, options.corpus, label))
    first, second = both
    result = compare(first, second, options.root, options.resamples, options.seed)
    pooled = (pooled_score(first, options.root), pooled_score(second, options.root))
    names = labels([first, second])
    one, two = names[id(first)], names[id(second)]
    if one == two:
        one, two = "A", "B"
    console = Console()
    _print_sides(console, [(one, first), (two, second)], pooled, result)
    _print_tests(console, one, two, result)
    sound = compare_sound(first, second, options.root, options.resamples, options.seed)
    if sound is not None:
        console.print(without_collapsed(sound), soft_wrap=True, markup=False)
    if options.json is not None:
        write_text(options.json, json.dumps(as_dict(result), indent=1) + "\n")
    return 0


def _print_sides(
    console: Console, sides: list[tuple[str, RunGroup]], pooled: tuple[float, float], result: MethodComparison
) -> None:
    table = Table(title=f"{sides[0][1].corpus}, {sides[0][1].protocol}: headline F1 in percent", **_STYLE)
    table.add_column("method", overflow="fold")
    for column in ("folds", "runs", "mean ± sd", "interval", "pooled", "pooled,\ncommon folds"):
        table.add_column(column, justify="right", no_wrap=True)
    common = (result.bootstrap.first, result.bootstrap.second)
    for (name, group), whole, shared in zip(sides, pooled, common, strict=True):
        spread: RunSpread | None = group.spread()
        table.add_row(
            name.replace("[", r"\["), str(len(group.folds)), str(len(group.finished)), mean_and_sd(spread),
            interval(spread).replace("[", r"\["), percent(whole), percent(shared),
        )  # fmt: skip
    console.print(table)
    for name, group in sides:
        if words := _to_look_at(group):
            console.print(f"{name}: {words}", soft_wrap=True, markup=False)


def _print_tests(console: Console, one: str, two: str, result: MethodComparison) -> None:
    table = Table(title=f"{one} minus {two}".replace("[", r"\["), **_STYLE)
    table.add_column("test", overflow="fold")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("effect", overflow="fold")
    drawn, folds, won = result.bootstrap, result.fold_test, result.won

    def between(low: float, high: float) -> str:
        return "–" if math.isnan(low) else rf"\[{signed(low)}, {signed(high)}]"

    table.add_row(
        f"paired bootstrap, {result.documents} documents", signed(drawn.difference), between(drawn.low, drawn.high),
        "", f"standard error {percent(drawn.error, 2)}",
    )  # fmt: skip
    table.add_row(
        "paired permutation of documents", signed(drawn.difference), "",
        p_value(result.permutation_p).removeprefix("p ").removeprefix("= "),
        f"{won.better} documents better, {won.worse} worse, {won.equal} equal ({won.effect:+.2f})",
    )  # fmt: skip
    single = math.isnan(folds.p)
    table.add_row(
        f"corrected resampled t-test, {folds.folds} fold{'s' * (folds.folds != 1)}", signed(folds.mean),
        between(folds.low, folds.high), "–" if single else p_value(folds.p).removeprefix("p ").removeprefix("= "),
        "–" if single or math.isnan(folds.effect) else f"Hedges' g of fold differences {folds.effect:+.2f}",
    )  # fmt: skip
    console.print(table)
    console.print(f"Verdict: {result.verdict}. {result.limits}", soft_wrap=True, markup=False)


def as_dict(result: MethodComparison) -> dict[str, Any]:
    """A comparison as plain values; nan becomes null."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return {name: plain(item) for name, item in value._asdict().items()}
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return list(value) if isinstance(value, tuple) else value

    return {name: plain(value) for name, value in vars(result).items()} | {"verdict": result.verdict}


# --- selection


def _selection(options: argparse.Namespace) -> int:
    groups = group_records(find_records(options.paths))
    names = labels(groups)
    console = Console()
    shown = 0
    for group in groups:
        try:
            found = prices(group.entries)
        except ZooError:
            continue
        shown += 1
        table = Table(
            title=f"{names[id(group)]} on {group.corpus}: test F1 in percent".replace("[", r"\["), **_STYLE
        )
        for column in (
            "fold",
            "seed",
            "epoch by\nvalidation",
            "F1",
            "epoch by\ntest",
            "F1",
            "gap",
            "epochs\nseen",
        ):
            table.add_column(column, justify="right", no_wrap=True)
        for run in found.runs:
            table.add_row(
                str(run.entry.fold), str(run.entry.record.seed), str(run.chosen_epoch), percent(run.chosen),
                str(run.best_epoch), percent(run.best), signed(run.gap), str(run.looks),
            )  # fmt: skip
        console.print(table)
        paper = next(
            (
                other
                for other in groups
                if (other.corpus, names[id(other)], other.protocol)
                == (group.corpus, names[id(group)], "paper")
            ),
            None,
        )
        said = _selection_in_words(found, paper)
        if group.collapsed and group.sound.entries:
            places = ", ".join(f"fold {run.fold} seed {run.record.seed}" for run in group.collapsed)
            said += [f"Without the collapsed runs ({places}):"]
            said += _selection_in_words(prices(group.sound.entries), paper)
        for line in said:
            console.print(line, soft_wrap=True, markup=False)
        console.print()
    if not shown:
        entries: list[Entry] = [entry for group in groups for entry in group.entries]
        prices(entries)  # raises, and says what is needed
    return 0


def _selection_in_words(found: Prices, paper: RunGroup | None) -> list[str]:
    """What choosing on the test fold adds, and the paper protocol beside it."""
    said = [_in_words(found.gap, found.corrected, "Choosing the epoch on the test fold adds")]
    if found.gap_tuned is not None:
        start = "With the threshold that each epoch's validation tuned it adds"
        said.append(_in_words(found.gap_tuned, found.corrected_tuned, start))
    arm = paper_arm(found, paper.entries) if paper is not None else None
    return said if arm is None else [*said, _arm_in_words(arm)]


def _arm_in_words(arm: PaperArm) -> str:
    """The three arms in a sentence, and their differences."""
    least, most = arm.looks
    where = f"{arm.paper.over.n} {arm.paper.unit}" if arm.paper.over.n > 1 else "one run"
    seen = f"{least}" if least == most else f"{least} to {most}"
    return (
        f"Under the paper protocol (all training documents, the test fold chooses after {seen} readings), default "
        f"threshold, {where}: {percent(arm.paper.over.mean, 2)}; strict at the test-best epoch "
        f"{percent(arm.best.over.mean, 2)}, at the validation-best epoch {percent(arm.chosen.over.mean, 2)}.\n"
        + _in_words(arm.gap, arm.corrected_gap, "Over the validation-best epoch the paper protocol adds")
        + "\n"
        + _in_words(
            arm.beyond,
            arm.corrected_beyond,
            "Over the test-best epoch it adds, by more training documents and more readings,",
        )
    )


def _in_words(spread: RunSpread, corrected: FoldTest | None, start: str) -> str:
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
            f"; [{percent(corrected.low, 2)}, {percent(corrected.high, 2)}] where the training documents that folds "
            "share are counted in"
        )
    return f"{said}."


# --- schema


def _schema(options: argparse.Namespace) -> int:
    text = json.dumps(RunRecord.model_json_schema(), indent=1) + "\n"
    if options.output is None:
        print(text, end="")
    else:
        write_text(options.output, text)
    return 0

"""The reality check: `experiments/REPORT.md` and its figures, every number of which is made from committed records.

The words are in `report.md.j2`; the numbers come from the functions behind `ecpe-zoo results` and from
`experiments.position_check`. Practices and positions are scored again from kept scores, so that `xia-ding-2019`,
`xia-ding-balanced` and `ntcir-ecpe-en` have to be at hand.

    python -m experiments.report            # writes the report
    python -m experiments.report --check    # exit 1 if the committed one differs
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ecpe_zoo.errors import ZooError, counted
from ecpe_zoo.leaderboard import plots
from ecpe_zoo.leaderboard.comparisons import compare_rows
from ecpe_zoo.leaderboard.figures import templates
from ecpe_zoo.leaderboard.tables import percent, signed
from ecpe_zoo.results import statistics
from ecpe_zoo.results.arm_table import ArmResult, group_arms
from ecpe_zoo.results.selection import Prices, paper_arm, prices
from ecpe_zoo.results.store import RunGroup, find_records, group_records
from experiments import position_check, run
from experiments.report_tables import (
    Practice,
    Row,
    cost_table,
    hours,
    leak_table,
    points,
    position_table,
    power_table,
    practice_table,
    score_table,
)

HERE = Path(__file__).parent
RECORDS = HERE / "records"
OLD = "0.1.0"
"""Records of the first release, whose methods differ: only their price of test selection is reported."""

PAIRS = ("xia-ding-2019", "ntcir-ecpe-en")
"""Corpora of emotion-cause pairs on which practices are measured."""


def name_of(group: RunGroup) -> str:
    """The method's class, and the variant that its suite gave it.

    Records are in `SUITE/METHOD-VARIANT/`: `e2eecpe-encoder` is `E2EECPE (encoder)`.
    """
    model = group.first.record.config["model"]
    method = str(model["class_path"]).rpartition(".")[2]
    variant = group.first.path.parent.name.removeprefix(group.method).strip("-").replace("-", " ")
    return f"{method} ({variant})" if variant else method


def rows_of(groups: Iterable[RunGroup]) -> dict[str, list[Row]]:
    """Rows by corpus, the corpus with most rows first, the best row first."""
    by_corpus: defaultdict[str, dict[str, RunGroup]] = defaultdict(dict)
    for group in groups:
        if group.finished and group.protocol == "strict" and group.comparable:
            named = by_corpus[group.corpus]
            if (name := name_of(group)) in named:
                raise ZooError(
                    f"Expected one group of records named {name!r} on {group.corpus}, but got {named[name].first.path} "
                    f"and {group.first.path}."
                )
            named[name] = group
    found = {}
    for corpus, named in sorted(by_corpus.items(), key=lambda item: -len(item[1])):
        against = compare_rows(named, frozenset(), None, None, 0)
        made = []
        for name, group in named.items():
            spread = group.spread()
            assert spread is not None
            made.append(Row(name, group, spread, against.get(name, ())))
        found[corpus] = sorted(made, key=lambda row: -row.spread.over.mean)
    return found


def with_folds(rows: Iterable[Row]) -> list[Row]:
    """Methods, not their ablations, with at least three folds: fewer give no interval."""
    return [
        row
        for row in rows
        if len(row.group.folds) >= 3 and all(one.why != "its method" for one in row.against)
    ]


def practices(rows: Sequence[Row], root: Path | None) -> list[Practice]:
    """All practices over the methods of a corpus; those that need a missing file of the corpus are left out."""
    found: dict[str, Practice] = {}
    for row in rows:
        arms = group_arms(row.group, root=root, resamples=0)
        for result in arms.results if arms is not None else ():
            _add(found, row.name, result)
    return [practice for practice in found.values() if practice.gains]


def _add(found: dict[str, Practice], name: str, result: ArmResult) -> None:
    practice = found.setdefault(result.arm.id, Practice(result.arm.title, result.arm.done_by, {}))
    if result.gain is not None:
        practice.gains[name] = result.gain


def full_titles(found: Iterable[Practice]) -> Iterator[tuple[str, Practice]]:
    """Practices after titles that need no other row: a list has rows with `the same, ...` after its own."""
    before = ""
    for practice in found:
        if practice.title.startswith("the same"):
            yield before + practice.title.removeprefix("the same"), practice
        else:
            before = practice.title
            yield before, practice


def estimates(spreads: Mapping[str, statistics.RunSpread], colour: int = 0) -> list[plots.Estimate]:
    """Rows of a forest plot, in percent."""
    return [
        plots.Estimate(name, 100 * it.over.mean, 100 * it.over.low, 100 * it.over.high, colour)
        for name, it in spreads.items()
    ]


def figure(name: str, title: str, dots: Sequence[plots.Estimate], label: str) -> str:
    """A forest plot as an SVG file of its own, in light and dark colours."""
    described = "; ".join(f"{dot.name} {dot.value:.1f}" for dot in dots)
    return (
        plots.forest(name, title, described, dots, label, templates().get_template("picture.css").render())
        + "\n"
    )


def old_prices(root: Path) -> tuple[Prices, Prices, Any]:
    """The price of test selection in release 0.1.0: all runs, those that did not collapse, and the papers' practice."""
    groups = group_records(find_records([root / OLD / "e2eecpe"]))
    strict = next(g for g in groups if g.protocol == "strict")
    paper = next(g for g in groups if g.first.path.parent.name == "e2eecpe-often")
    found = prices(strict.entries)
    return found, prices(strict.sound.entries), paper_arm(found, paper.entries)


def build(records: Path = RECORDS, root: Path | None = None) -> dict[str, str]:
    """The report and its figures: path below `experiments` -> text."""
    groups = [g for g in group_records(find_records([records])) if OLD not in g.first.path.parts]
    rows = rows_of(groups)
    both = {corpus: practices(with_folds(rows[corpus]), root) for corpus in PAIRS if corpus in rows}
    position = position_check.rows_of([row.group for row in rows["xia-ding-2019"]], name_of, root)
    everything, sound, arm = old_prices(records)
    figures = {}
    for corpus, listed in rows.items():
        if corpus in both:
            dots = estimates({row.name: row.spread for row in listed})
            figures[f"figures/{corpus}.svg"] = figure(
                corpus, f"Pair F1 on {corpus}, strict", dots, "pair F1 in percent"
            )
    first = next(iter(both["xia-ding-2019"][0].gains))
    gains = dict(full_titles(practice for practice in both["xia-ding-2019"] if first in practice.gains))
    title = f"What each practice adds to {first} on xia-ding-2019"
    figures["figures/practices.svg"] = figure(
        "practices",
        title,
        estimates({name: practice.gains[first] for name, practice in gains.items()}, 1),
        "points of F1",
    )
    figures["figures/position.svg"] = figure(
        "position",
        "Balanced test documents minus the others",
        estimates({row.name: row.gap for row in position}, 2),
        "points of pair F1",
    )
    context = {
        "rows": rows,
        "scores": {corpus: score_table(listed) for corpus, listed in rows.items()},
        "leaks": leak_table(rows),
        "power": power_table(rows),
        "practices": {corpus: practice_table(found) for corpus, found in both.items()},
        "position": position_table(position),
        "cost": cost_table(rows),
        "hours": hours(rows),
        "cells": sum(len(row.group.finished) for listed in rows.values() for row in listed),
        "old": everything,
        "old_sound": sound,
        "old_paper": arm,
    }
    environment = Environment(
        loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"points": points, "percent": percent, "signed": signed}
    environment.globals["counted"] = counted
    return {"REPORT.md": environment.get_template("report.md.j2").render(context), **figures}


def main() -> int:
    """Write the report, or compare it with the committed one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="folder of the corpora")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would change")
    options = parser.parse_args()
    made = build(RECORDS, options.root)
    changed = [name for name, text in made.items() if not _same(HERE / name, text)]
    for name in changed:
        print(f"{HERE / name}: {'differs from its records' if options.check else 'written'}")
        if not options.check:
            (HERE / name).parent.mkdir(exist_ok=True)
            (HERE / name).write_text(made[name], encoding="utf-8")
    return int(options.check and bool(changed))


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    raise SystemExit(run(main))

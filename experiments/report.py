"""The reality check: `experiments/REPORT.md` and its figures, every number of which is made from committed records.

The words are in `report.md.j2`; the numbers come from the functions behind `ecpe-zoo results` and `ecpe-zoo data
check`, from `experiments.position_check`, and, for what papers print, from the package's file of published scores.
Practices and positions are scored again from kept scores and leaks are counted: the corpora have to be at hand.

A new folder below `records/` needs no line here; a method or variant whose name differs from its class and folder gets
one in `report_names.py`.

    python -m experiments.report            # writes the report
    python -m experiments.report --check    # exit 1 if the committed one differs
"""

from __future__ import annotations

import argparse
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from textwrap import fill as wrapped
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ecpe_zoo.errors import ZooError, counted
from ecpe_zoo.leaderboard.comparisons import compare_rows
from ecpe_zoo.leaderboard.published import published
from ecpe_zoo.leaderboard.tables import p_value, percent, signed
from ecpe_zoo.results.arm_table import ArmResult, group_arms
from ecpe_zoo.results.naming import arguments_of
from ecpe_zoo.results.selection import PaperArm, Prices, paper_arm, prices
from ecpe_zoo.results.significance import RESAMPLES
from ecpe_zoo.results.statistics import Spread, fold_means
from ecpe_zoo.results.store import RunGroup, find_records, group_records, share_tested
from ecpe_zoo.results.verdict import FOLDS, SEEDS, SPLIT_SEEDS, folds_of
from experiments import filter_check, position_check, report_facts, report_figures, report_leaks, run
from experiments import report_tables as tables
from experiments.report_names import bare, name_of
from experiments.report_tables import Practice, Row, points, score, with_shared

HERE = Path(__file__).parent
RECORDS = HERE / "records"
OLD = "0.1.0"
"""Records of the first release, whose methods differ: their price of test selection and the spread of their seeds are
reported, and no score. Every other folder of `RECORDS` is read, new ones too."""

PAIRS = ("xia-ding-2019", "ntcir-ecpe-en")
"""Corpora of emotion-cause pairs on which practices are measured."""

fill = partial(wrapped, width=120, break_long_words=False, break_on_hyphens=False)


def rows_of(
    groups: Iterable[RunGroup], root: Path | None = None, documents: bool = True
) -> dict[str, list[Row]]:
    """Rows by corpus, the best row first; first the corpora of pairs, then the one with most rows.

    Args:
        groups: Runs.
        root: Folder of the corpora.
        documents: Whether to count the error over test documents of corpora with one split, which have to be at hand.
    """
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
    for corpus in sorted(
        by_corpus, key=lambda name: (*(name != pairs for pairs in PAIRS), -len(by_corpus[name]))
    ):
        named = by_corpus[corpus]
        countable = frozenset(named) if documents and folds_of(named.values()) == 1 else frozenset()
        against = compare_rows(named, countable, None, root, RESAMPLES)  # as many draws as the board's
        made = []
        for name, group in named.items():
            spread = group.spread()
            assert spread is not None
            mean = with_shared(spread, share_tested(group.finished))
            made.append(Row(name, group, mean, against.get(name, ())))
        found[corpus] = sorted(made, key=lambda row: -row.score.mean)
    return found


def with_folds(rows: Sequence[Row]) -> list[Row]:
    """Methods, not their ablations, on enough folds for an interval; in the order of the table of scores.

    Rows that ended while validation still rose are left out: they say nothing of what choosing the epoch is worth.
    """
    return [
        row
        for listed in tables.by_encoder(rows).values()
        for row in listed
        if len(row.group.folds) >= tables.FEWEST and row.to("its method") is None and not row.group.rising
    ]


def practices(rows: Sequence[Row], root: Path | None) -> list[Practice]:
    """All practices over the methods of a corpus; those that need a missing file of the corpus are left out.

    A method that was trained in a window has no gain of a window.
    """
    found: dict[str, Practice] = {}
    for row in rows:
        arms = group_arms(row.group, root=root, resamples=0)
        inside = arguments_of(row.group.first.record).get("pairs.window")
        for result in arms.results if arms is not None else ():
            if inside is None or result.arm.id != f"window-{inside}":
                _add(found, row, result)
    return [practice for practice in found.values() if practice.gains]


def _add(found: dict[str, Practice], row: Row, result: ArmResult) -> None:
    arm = result.arm
    practice = found.setdefault(arm.id, Practice(arm.id, arm.title, arm.done_by, {}))
    if result.gain is not None:
        practice.gains[row.name] = with_shared(result.gain, share_tested(row.group.finished))


def filters(rows: Sequence[Row], root: Path | None) -> list[filter_check.Row]:
    """Two-stage methods with their filter and without, those with the folds of a verdict."""
    groups = ((row.name, row.group) for row in rows if len(row.group.folds) >= FOLDS)
    return [filter_check.row_of(name, group, root) for name, group in groups if filter_check.filters(group)]


class Old(NamedTuple):
    """Release 0.1.0.

    Args:
        strict: Its strict runs of E2EECPE.
        every: Price of test selection over all of them.
        sound: The same without the collapsed ones.
        paper: The papers' practice against all of them.
        paper_sound: The same against those that did not collapse.
    """

    strict: RunGroup
    every: Prices
    sound: Prices
    paper: PaperArm
    paper_sound: PaperArm

    @property
    def share(self) -> float:
        """n_test / n_train of a fold."""
        return share_tested(self.strict.finished)


def old_prices(root: Path) -> Old:
    """The price of test selection in release 0.1.0."""
    groups = group_records(find_records([root / OLD / "e2eecpe"]))
    strict = next(g for g in groups if g.protocol == "strict")
    runs = next(g for g in groups if g.first.path.parent.name == "e2eecpe-often").entries
    every, sound = prices(strict.entries), prices(strict.sound.entries)
    paper, paper_sound = paper_arm(every, runs), paper_arm(sound, runs)
    assert paper is not None
    assert paper_sound is not None
    return Old(strict, every, sound, paper, paper_sound)


class Evidence(NamedTuple):
    """All that the report is made of.

    Args:
        rows: Corpus -> rows.
        practices: Corpus of pairs -> practices.
        position: Scores by the offsets of the documents.
        filters: Two-stage methods on `xia-ding-2019` with their filter and without.
        offsets: Groups of test documents by their offsets.
        turns: Overlap of conversations.
        released: What the released list passes.
        old: Release 0.1.0.
        unfinished: What the released list adds to methods on three folds of `xia-ding-2019` or more whose training
            ended while validation still rose, one method each.
    """

    rows: Mapping[str, list[Row]]
    practices: Mapping[str, list[Practice]]
    position: Sequence[position_check.Row]
    filters: Sequence[filter_check.Row]
    offsets: Mapping[str, report_leaks.Offsets]
    turns: Sequence[report_leaks.Turns]
    released: report_leaks.Listed
    old: Old
    unfinished: Sequence[Practice]


def read(records: Path = RECORDS, root: Path | None = None) -> Evidence:
    """Read the records and the corpora."""
    groups = [g for g in group_records(find_records([records])) if OLD not in g.first.path.parts]
    rows = rows_of(groups, root)
    # ablations have intervals of 30 points there
    chinese = [row.group for row in rows[position_check.CORPUS] if row.to("its method") is None]
    return Evidence(
        rows,
        {corpus: practices(with_folds(rows[corpus]), root) for corpus in PAIRS if corpus in rows},
        position_check.rows_of(chinese, name_of, root),
        filters(rows[PAIRS[0]], root),
        report_leaks.offset_groups(position_check.tested(chinese, root)),
        report_leaks.turns(root=root),
        report_leaks.released(root),
        old_prices(records),
        [
            report_facts.practice(practices([row], root), "rankcp_file")
            for row in rows[PAIRS[0]]
            if row.group.rising and len(row.group.folds) >= tables.FEWEST and row.to("its method") is None
        ],
    )


def text(found: Evidence) -> str:
    """The report."""
    rows, share = found.rows, found.old.share
    powers = tables.powers(rows)
    gaps = report_facts.printed_gaps()
    chinese, english = ({row.name: row for row in rows[corpus]} for corpus in PAIRS)
    most = chinese[report_figures.MOST].group
    ten_folds = [row for row in with_folds(rows[PAIRS[0]]) if len(row.group.folds) >= FOLDS]
    context = {
        "rows": {corpus: {row.name: row for row in listed} for corpus, listed in rows.items()},
        "scores": {corpus: tables.score_table(listed) for corpus, listed in rows.items()},
        "shown": report_facts.shown(rows),
        "peers": report_facts.peers(rows),
        "truncated": report_facts.truncated(rows),
        "provenance": report_facts.provenance(rows),
        "over_rule": report_facts.over_rule(rows[PAIRS[1]]),
        "near_rule": report_facts.near_rule(rows[PAIRS[0]]),
        "printed_filter": report_facts.printed_filter_gain(),
        "printed_emotions": next(
            it.f1 for it in published(corpus=PAIRS[0]) if (it.method, it.item) == ("Inter-EC", "emotion")
        ),
        "verdict_runs": (FOLDS * SEEDS, SPLIT_SEEDS),
        "most_folds": [row.name for row in ten_folds],
        "same_order": report_facts.same_order(
            report_facts.practice(found.practices[PAIRS[0]], "epoch"), ten_folds
        ),
        "first_fold": {row.name: fold_means(row.group.values()).get(1) for row in rows[PAIRS[0]]},
        "printed": report_facts.printed_table(rows),
        "neighbours": report_facts.neighbours(),
        "listed_light": found.unfinished,
        "list_gain": report_facts.printed_list_gain(),
        "window_gains": report_facts.printed_window_gains(),
        "gaps": gaps,
        "leaks": report_leaks.leak_table(rows),
        "turns": report_leaks.turn_table(found.turns),
        "released": found.released,
        "power": tables.power_table(powers),
        "powers": powers,
        "designs": report_facts.designs(most),
        "fewest_folds": report_facts.fewest_folds(),
        "practices": found.practices,
        "practice_tables": {
            corpus: tables.practice_table(listed) for corpus, listed in found.practices.items()
        },
        "who": tables.who_table(found.practices[PAIRS[0]]),
        "position": tables.position_table(found.position, share),
        "placed": {row.name: row for row in found.position},
        "two_stage_far": [row.far for row in found.position if row.name in ("Indep", "Inter-CE", "Inter-EC")],
        "near_share": report_leaks.near_share(found.offsets),
        "without_position": None
        if (row := english.get("E2EECPE w/o position")) is None
        else row.to("its method"),
        "printed_most": next(
            it.f1
            for it in published("ecpe", PAIRS[0])
            if it.method == report_figures.MOST and it.kind == "main"
        ),
        "filters": found.filters,
        "trainings": report_facts.trainings(found.filters, share),
        "offsets": found.offsets,
        "cost": tables.cost_table(rows),
        "hours": tables.hours(rows),
        "epochs": report_facts.epochs(with_folds(rows[PAIRS[0]])),
        "last_epochs": report_facts.last_epochs(rows),
        "runs": sum(len(row.group.finished) for listed in rows.values() for row in listed),
        "old": found.old,
        "simulated": report_facts.simulated(
            (HERE.parent / "docs" / "verdicts.md").read_text(encoding="utf-8")
        ),
        "most": report_figures.MOST,
    }
    environment = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "points": points,
        "score": score,
        "percent": percent,
        "signed": signed,
        "p": p_value,
        "median": median,
        "shared": lambda it: with_shared(it, share),
        "between": report_facts.between,
        "difference": lambda one: given(tables.difference(one)),
    }
    environment.globals |= {
        "counted": counted,
        "practice": report_facts.practice,
        "spread_factor": report_facts.spread_factor,
        "item_f1": tables.item_f1,
        "between_rows": lambda one, other: tables.between_rows(one, other, share),
        "wider": lambda folds: (1 + folds * share) ** 0.5,
        "floor": math.floor,
        "bare": bare,
    }
    return filled(environment.get_template("report.md.j2").render(context))


def given(it: Spread | None) -> Spread:
    """What a sentence of the report needs: no dash stands for it.

    Raises:
        ValueError: It is not there, since rows have no common fold.
    """
    if it is None:
        raise ValueError("A sentence of the report compares rows that have no common fold.")
    return it


def filled(markdown: str) -> str:
    r"""Wrap prose and lists, whose lines change with their numbers; tables, headings and pictures stay.

    >>> print(filled("- one\n  two\n- three\n\n\n| a |\n"), end="")
    - one two
    - three
    <BLANKLINE>
    | a |
    """
    blocks = []
    for block in re.split(r"\n{2,}", markdown.strip()):
        if block.startswith(("|", "#", "!")):
            blocks.append(block)
            continue
        items = re.split(r"\n(?=- )", block)
        hanging = "  " if block.startswith("- ") else ""
        blocks.append("\n".join(fill(" ".join(item.split()), subsequent_indent=hanging) for item in items))
    return "\n\n".join(blocks) + "\n"


def build(records: Path = RECORDS, root: Path | None = None) -> dict[str, str]:
    """The report and its figures: path below `experiments` -> text."""
    found = read(records, root)
    return {
        "REPORT.md": text(found),
        **report_figures.figures(found.rows, found.practices, found.position, found.old.share),
    }


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

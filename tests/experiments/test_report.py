"""The committed report is what its records give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ecpe_zoo.results.statistics import over_runs
from ecpe_zoo.results.store import find_records, group_records
from experiments import report
from experiments.report_tables import (
    Practice,
    Row,
    cost_table,
    leak_table,
    points,
    power_table,
    practice_table,
    score_table,
)

REPORT = (report.HERE / "REPORT.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    groups = group_records(find_records([report.RECORDS]))
    return report.rows_of(g for g in groups if report.OLD not in g.first.path.parts)


def test_scores_costs_and_prices_are_those_of_the_records(rows: dict[str, list[Row]]) -> None:
    tables = [*map(score_table, rows.values()), power_table(rows), cost_table(rows), leak_table(rows)]
    for table in tables:
        assert table in REPORT
    everything, sound, paper = report.old_prices(report.RECORDS)
    words = " ".join(REPORT.split())
    for gap in (everything.gap, sound.gap, paper.gap):
        assert points(gap) in words
    runs = sum(len(row.group.finished) for listed in rows.values() for row in listed)
    assert f"{runs} runs under the strict protocol" in words


def test_a_practice_is_that_of_the_kept_scores(
    rows: dict[str, list[Row]], real_data: Callable[[str], Path]
) -> None:
    root = real_data("ntcir-ecpe-en")
    rule = next(row for row in rows["ntcir-ecpe-en"] if row.name == "Rule")
    for practice in report.practices([rule], root):
        line = next(
            line
            for line in REPORT.partition("## What each practice adds")[2]
            .partition("### ntcir-ecpe-en")[2]
            .splitlines()
            if line.startswith(f"| {practice.title} |")
        )
        assert f"| {points(practice.gains['Rule'])} | {practice.done_by} |" in line


def test_ablations_and_single_folds_have_no_column(rows: dict[str, list[Row]]) -> None:
    kept = {row.name for row in report.with_folds(rows["xia-ding-2019"])}
    assert {"E2EECPE", "MGCL", "Rule"} <= kept
    assert not any("(no " in name for name in kept)


def test_points_have_signs_and_a_practice_without_a_run_a_dash() -> None:
    gain = over_runs({(1, ""): 0.01, (2, ""): -0.02})
    assert points(gain) == "−0.50 [−19.56, +18.56]"
    assert points(None) == "–"
    table = practice_table([Practice("window", "nobody", {"a": gain}), Practice("list", "many", {})])
    assert "| list | – | many |" in table.splitlines()


def test_figures_are_whole_files_in_both_colours() -> None:
    for path in (report.HERE / "figures").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert f"figures/{path.name}" in REPORT
        assert text.startswith("<svg")
        assert "prefers-color-scheme: dark" in text


def test_rows_that_refer_to_the_one_above_have_a_title_of_their_own() -> None:
    some = [Practice(title, "", {}) for title in ("list", "the same, tuned", "keywords", "the same, tuned")]
    assert [name for name, _ in report.full_titles(some)] == [
        "list",
        "list, tuned",
        "keywords",
        "keywords, tuned",
    ]

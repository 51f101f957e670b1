"""The committed report is what its records give."""

from __future__ import annotations

import doctest
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.leaderboard.published import published
from ecpe_zoo.results import statistics
from ecpe_zoo.results.statistics import corrected_t_test, over_runs
from ecpe_zoo.results.store import RunGroup, find_records, group_records, share_tested
from experiments import filter_check, report, report_facts, report_figures, report_leaks, report_names
from experiments import report_tables as tables
from experiments.report_tables import Practice, Row, points, with_shared

REPORT = (report.HERE / "REPORT.md").read_text(encoding="utf-8")
WORDS = " ".join(REPORT.split())
PAGES, WORDS_A_PAGE = 8, 600
FIGURES = 5


@pytest.fixture(scope="module")
def groups() -> list[RunGroup]:
    found = group_records(find_records([report.RECORDS]))
    return [group for group in found if report.OLD not in group.first.path.parts]


@pytest.fixture(scope="module")
def rows(groups: list[RunGroup]) -> dict[str, list[Row]]:
    return report.rows_of(groups, documents=False)


@pytest.fixture(scope="module")
def old() -> report.Old:
    return report.old_prices(report.RECORDS)


def test_tables_are_those_of_the_records(rows: dict[str, list[Row]]) -> None:
    made = [tables.score_table(rows[corpus]) for corpus in report.PAIRS]
    made += [tables.cost_table(rows), report_leaks.leak_table(rows), report_facts.printed_table(rows)]
    for table in made:
        assert table in REPORT
    pairs = [power for power in tables.powers(rows) if power.corpus in report.PAIRS]
    for line in tables.power_table(pairs).splitlines():
        assert line in REPORT


def test_sentences_are_those_of_the_records(rows: dict[str, list[Row]], old: report.Old) -> None:
    for gap in (old.every.gap, old.sound.gap, old.paper.gap, old.paper_sound.gap, old.paper_sound.beyond):
        assert points(with_shared(gap, old.share)) in WORDS
    runs = sum(len(row.group.finished) for listed in rows.values() for row in listed)
    assert f"{runs} runs under the strict protocol" in WORDS
    row = next(row for row in rows["xia-ding-2019"] if row.name == report_figures.MOST)
    assert f"minus the rule: {points(tables.difference(row.to('the rule')))} over 10 folds" in WORDS
    for design in report_facts.designs(row.group):
        assert f"show {100 * design.shown:.2f}" in WORDS
    for printed in report_facts.printed_gaps():
        assert f"{printed.method} w/o {printed.without} {100 * printed.points:.2f}" in WORDS


def test_prices_of_the_first_release_have_the_intervals_of_its_command(old: report.Old) -> None:
    for found, test in (
        (old.every.gap, old.every.corrected),
        (old.paper.gap, old.paper.corrected_gap),
        (old.paper_sound.beyond, old.paper_sound.corrected_beyond),
    ):
        made = with_shared(found, old.share)
        assert test is not None
        assert (made.mean, made.low, made.high) == pytest.approx((test.mean, test.low, test.high), abs=1e-6)
    assert old.paper.corrected_gap is not None
    assert old.paper.corrected_gap.low < 0  # "which is not shown"


def test_a_practice_is_that_of_the_kept_scores(
    rows: dict[str, list[Row]], real_data: Callable[[str], Path]
) -> None:
    root = real_data("ntcir-ecpe-en")
    rule = next(row for row in rows["ntcir-ecpe-en"] if row.name == "Rule")
    table = tables.practice_table(report.practices([rule], root))
    heads, _, cells = (line.strip("| ").split(" | ") for line in table.splitlines())
    part = REPORT.partition("## What each practice adds")[2].partition("### ntcir-ecpe-en")[2]
    named, line = (
        next(
            line.strip("| ").split(" | ") for line in part.splitlines() if re.match(pattern, line.strip("| "))
        )
        for pattern in (r"epoch", r"Rule ")
    )
    for head, cell in zip(heads, cells[1:], strict=True):
        assert line[1 + named.index(head)] == cell


def test_goemotions_counts_its_test_documents(
    groups: list[RunGroup], real_data: Callable[[str], Path]
) -> None:
    root = real_data("goemotions")
    found = report.rows_of((group for group in groups if group.corpus == "goemotions"), root)
    table = tables.score_table(found["goemotions"])
    assert table in REPORT
    assert "the test documents" not in table


def test_leaks_are_those_of_the_corpora(real_data: Callable[[str], Path]) -> None:
    root = real_data("emorynlp")
    (_, _, row) = report_leaks.turn_table(report_leaks.turns(["emorynlp"], root)).splitlines()
    assert row in REPORT


def test_methods_have_the_names_of_their_papers(rows: dict[str, list[Row]]) -> None:
    names = {row.name for listed in rows.values() for row in listed}
    printed = {it.method for it in published("ecpe", "xia-ding-2019")}
    assert {"ECPE-2D", "MGCL w/o sub-clause clue", "E2EECPE w/o position"} <= names & printed
    assert all(row.name in REPORT for listed in rows.values() for row in listed)


def test_ablations_and_few_folds_have_no_column(rows: dict[str, list[Row]]) -> None:
    kept = {row.name for row in report.with_folds(rows["xia-ding-2019"])}
    assert {"E2EECPE", "MGCL", "Rule"} <= kept
    assert not any("w/o" in name for name in kept)


def test_ablations_follow_their_method(rows: dict[str, list[Row]]) -> None:
    ordered = tables.by_encoder(rows["xia-ding-2019"])
    assert [row.name for row in ordered[""]] == ["Rule"]
    for listed in ordered.values():
        names = [row.name for row in listed]
        for place, row in enumerate(listed):
            method = row.to("its method")
            assert method is None or method.label in names[:place]
    assert sum(map(len, ordered.values())) == len(rows["xia-ding-2019"])


def test_the_report_keeps_to_its_length() -> None:
    figures = sorted((report.HERE / "figures").glob("*.svg"))
    assert len(figures) <= FIGURES
    assert {path.name for path in figures} == set(re.findall(r"figures/([\w-]+\.svg)", REPORT))
    assert len(re.sub(r"[|*_-]{1,}", " ", REPORT).split()) <= PAGES * WORDS_A_PAGE


def test_figures_are_whole_files_in_both_colours() -> None:
    for path in (report.HERE / "figures").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("<svg")
        assert "prefers-color-scheme: dark" in text


# --- formulas


def test_intervals_count_in_shared_training_documents() -> None:
    values = [0.5, 0.54, 0.47, 0.6]
    found = with_shared(over_runs({(fold, ""): value for fold, value in enumerate(values)}), 0.125)
    expected = corrected_t_test(values, 0.125)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    plain = statistics.spread(values)
    wider = (found.high - found.low) / (plain.high - plain.low)
    assert wider == pytest.approx(math.sqrt((1 / 4 + 0.125) / (1 / 4)))


def test_seeds_share_nothing_and_two_folds_have_no_interval() -> None:
    seeds = over_runs({(1, seed): value for seed, value in enumerate([0.5, 0.54, 0.47])})
    assert with_shared(seeds, 0.125) == seeds.over
    two = with_shared(over_runs({(1, ""): 0.5, (2, ""): 0.6}), 0.125)
    assert math.isnan(two.low)
    assert tables.score(two) == "55.0"
    assert points(two._replace(mean=-0.05)) == "−5.0"


def test_values_that_are_all_alike_have_no_interval() -> None:
    none = with_shared(over_runs({(fold, ""): 0.0 for fold in range(5)}), 0.1)
    assert points(none) == "0.0"


def test_a_practice_without_a_run_is_a_dash() -> None:
    gain = with_shared(over_runs({(fold, ""): value for fold, value in enumerate([0.01, 0.02, 0.03])}), 0.1)
    found = [Practice("window-3", "a window", "nobody", {"a": gain}), Practice("epoch", "", "", {"b": gain})]
    lines = tables.practice_table(found).splitlines()
    assert lines[0] == "|  | epoch | window of 3 |"
    assert lines[2] == f"| a | – | {points(gain)} |"


def test_a_filter_trained_in_two_ways_is_compared_over_common_folds() -> None:
    gain = over_runs({(1, ""): 0.02}).over
    gains = ({(1, "a"): 0.02, (2, "a"): 0.03, (3, "a"): 0.0}, {(1, "b"): 0.01, (2, "b"): 0.01, (4, "b"): 0.5})
    names = ("A", "A, filter trained in sample")
    found = [filter_check.Row(name, 3, (), (), gain, it) for name, it in zip(names, gains, strict=True)]
    (made,) = report_facts.trainings(found, 0.1)
    assert (made.name, made.gap.n) == ("A", 2)
    assert made.gap.mean == pytest.approx((0.01 + 0.02) / 2)
    assert report_facts.trainings(found[:1], 0.1) == []
    assert report_facts.printed_filter_gain() == pytest.approx(0.6013 - 0.5716)


def test_clause_scores_are_means_over_folds(rows: dict[str, list[Row]]) -> None:
    row = next(row for row in rows["xia-ding-2019"] if row.name == report_figures.MOST)
    by_fold: dict[int, list[float]] = {}
    for entry in row.group.finished:
        by_fold.setdefault(entry.fold, []).append(entry.record.metrics["ecpe.emotion_f1.v1"])
    expected = np.mean([np.mean(values) for values in by_fold.values()])
    assert tables.item_f1(row.group, "emotion") == pytest.approx(expected)


def test_methods_near_the_rule_have_zero_in_their_interval(rows: dict[str, list[Row]]) -> None:
    near = {row.name for row in report_facts.near_rule(rows["xia-ding-2019"])}
    for row in rows["xia-ding-2019"]:
        gap = tables.difference(row.to("the rule"))
        assert (row.name in near) == (gap is not None and gap.low <= 0 <= gap.high)


def test_examples_of_the_docstrings() -> None:
    modules = (report, report_facts, report_names, tables)
    found = [doctest.testmod(module) for module in modules]
    assert all(result.attempted and not result.failed for result in found)


def test_rows_that_refer_to_the_one_above_have_a_title_of_their_own() -> None:
    titles = ["list", "the same, tuned", "keywords", "the same, tuned"]
    some = [Practice(str(n), title, "", {}) for n, title in enumerate(titles)]
    assert [name for name, _ in tables.full_titles(some)] == [
        "list",
        "list, tuned",
        "keywords",
        "keywords, tuned",
    ]


def test_printed_gaps_are_differences_of_printed_rows() -> None:
    gaps = {(gap.method, gap.without): gap.points for gap in report_facts.printed_gaps()}
    assert gaps["MGCL", "extra-clause clue"] == pytest.approx(0.7736 - 0.7730)
    assert gaps["MGCL (BERT only)", "sub-clause clue"] == pytest.approx(0.7606 - 0.7580)
    assert list(gaps.values()) == sorted(gaps.values(), reverse=True)
    assert min(report_facts.neighbours()) == pytest.approx(0.7737 - 0.7736)


def test_printed_windows_and_papers() -> None:
    expected = [0.7637 - 0.7466, 0.7737 - 0.7509, 0.7360 - 0.6549]
    assert report_facts.printed_window_gains() == pytest.approx(expected)
    gaps = report_facts.printed_gaps()
    assert len(gaps) == 14
    assert len({gap.paper for gap in gaps}) == 3
    assert {gap.without: gap.points for gap in gaps if gap.method == "JCB"}[
        "boundary adjusting"
    ] == pytest.approx(0.0118)


@pytest.mark.parametrize("share", [0.0, 0.13])
def test_methods_on_common_folds_are_compared_together(share: float) -> None:
    """A two-way analysis of variance without interaction, written out."""
    scores = np.array([[0.50, 0.55, 0.53], [0.48, 0.51, 0.52], [0.47, 0.54, 0.50], [0.42, 0.47, 0.44]])
    methods, folds = scores.shape
    grand = sum(map(sum, scores.tolist())) / scores.size
    of_method = [sum(row) / folds for row in scores.tolist()]
    of_fold = [sum(column) / methods for column in scores.T.tolist()]
    noise = sum(
        (scores[m, k] - of_method[m] - of_fold[k] + grand) ** 2 for m in range(methods) for k in range(folds)
    ) / ((methods - 1) * (folds - 1))
    between = sum((mean - grand) ** 2 for mean in of_method) / (methods - 1)
    found = report_facts.pooled(scores, share)
    assert found.degrees == (3, 6)
    assert found.sd == pytest.approx(noise**0.5)
    assert found.f == pytest.approx(between / (noise * (1 / folds + share)))
    q = 4.896  # of tables: 5 %, four means, six degrees of freedom
    assert found.half == pytest.approx(q * (noise * (1 / folds + share)) ** 0.5, rel=1e-3)
    assert 0 < found.p < 0.05


def test_peers_are_separated_by_the_simultaneous_intervals(rows: dict[str, list[Row]]) -> None:
    for found in report_facts.peers(rows):
        best, *others = found.rows
        gaps = {row.name: best.score.mean - row.score.mean for row in others}
        assert {row.name for row in found.apart} == {
            name for name, gap in gaps.items() if gap > found.pooled.half
        }
        assert len({row.group.corpus for row in found.rows}) == len({row.encoder for row in found.rows}) == 1


def test_an_order_is_kept_or_not(rows: dict[str, list[Row]]) -> None:
    best, second = sorted(rows["xia-ding-2019"], key=lambda row: -row.score.mean)[:2]
    some = statistics.Spread(0.01, 0.0, 0.0, 0.0, 3)
    ahead = some._replace(mean=0.02 + best.score.mean - second.score.mean)
    assert report_facts.same_order(
        Practice("epoch", "", "", {best.name: some, second.name: some}), [second, best]
    )
    assert not report_facts.same_order(
        Practice("epoch", "", "", {best.name: some, second.name: ahead}), [best, second]
    )


def test_near_pairs_are_counted_over_all_groups() -> None:
    groups = {"a": report_leaks.Offsets(9, 10, 0.5, 0.3), "b": report_leaks.Offsets(9, 30, 0.6, 0.2)}
    assert report_leaks.near_share(groups) == pytest.approx((8 + 24) / 40)


def test_a_method_trained_in_a_window_has_no_gain_of_it(
    groups: list[RunGroup], real_data: Callable[[str], Path]
) -> None:
    root = real_data("ntcir-ecpe-en")
    group = next(
        g for g in groups if g.first.path.parent.name == "rankcp-light" and g.corpus == "ntcir-ecpe-en"
    )
    (row,) = report.rows_of([group], documents=False)["ntcir-ecpe-en"]
    found = {practice.id for practice in report.practices([row], root)}
    assert "window-3" not in found
    assert {"window-2", "window-3-gold"} <= found


def test_the_best_design_has_the_spread_of_the_seeds_alone(old: report.Old) -> None:
    sound = old.strict.sound
    squares = [
        sum((value - np.mean(runs)) ** 2 for value in runs)
        for fold in sound.folds
        for runs in [[value for (place, _), value in sound.values().items() if place == fold]]
    ]
    variance = sum(squares) / (len(sound.finished) - len(sound.folds))
    for design in report_facts.designs(old.strict):
        error = math.sqrt(2 * variance / design.seeds / design.folds)
        assert design.shown == pytest.approx(statistics.detectable_mean(error, design.folds - 1))


def test_the_exact_test_needs_six_folds() -> None:
    assert report_facts.fewest_folds() == 6


def test_shares_of_a_list_are_of_clauses_and_of_gold_emotion_clauses() -> None:
    segments = tuple(Segment(f"clause {n}") for n in range(4))
    documents = [Document("a", segments, pairs=frozenset({(0, 1), (2, 1), (2, 3)}))]
    found = report_leaks.listed(documents, lambda document: np.array([True, False, False, False]))
    assert found == report_leaks.Listed(0.25, 0.5)


def test_rows_of_a_fold_share_its_test_part(rows: dict[str, list[Row]]) -> None:
    for listed in rows.values():
        for row in listed:
            assert 0.05 < share_tested(row.group.finished) < 0.3  # 280 of 1,037 on meld, an official split

"""Boards and their tables: ranks, notes, differences, published figures apart."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.board import build_boards
from ecpe_zoo.leaderboard.csv_table import csv_text
from ecpe_zoo.leaderboard.findings import finding
from ecpe_zoo.leaderboard.hub import export
from ecpe_zoo.leaderboard.published import published, published_file, reported
from ecpe_zoo.leaderboard.rows import Board
from ecpe_zoo.leaderboard.tables import (
    END,
    RANKED,
    START,
    UNRANKED,
    latex,
    markdown,
    replace_between_marks,
    row_groups,
    runs,
    without_collapsed,
)
from ecpe_zoo.results.store import find_records
from tests.conftest import ROOT
from tests.results.making import history, raw, write, write_scored


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """Two methods with documents and the five seeds of a verdict, a third that failed, under both protocols."""
    for seed in range(1, 6):
        write_scored(tmp_path / f"good{seed}.json", skill=0.9, seed=seed)
        write_scored(tmp_path / f"bad{seed}.json", skill=0.4, seed=seed, method="e2eecpe")
    write_scored(tmp_path / "paper.json", skill=0.95, method="e2eecpe", protocol="paper")
    write(tmp_path / "failed.json", raw(None, method="rule", corpus="bundled-ecpe", status="failed"))
    return build_boards(find_records([tmp_path]), resamples=500)[0]


def test_what_the_test_fold_chose_is_not_ranked_as_strict(tmp_path: Path) -> None:
    for seed in range(1, 6):
        write_scored(tmp_path / f"honest{seed}.json", skill=0.4, seed=seed, method="e2eecpe")
        write_scored(tmp_path / f"other{seed}.json", skill=0.3, seed=seed, method="other")
        path = write_scored(tmp_path / f"chosen{seed}.json", skill=0.9, seed=seed)
        record = json.loads(path.read_text(encoding="utf-8"))
        record["config"]["checkpoint"] = {"monitor": "watched_test/pair_f1"}
        path.write_text(json.dumps(record), encoding="utf-8")
    (board, *_) = build_boards(find_records([tmp_path]), resamples=200)
    cells = {row.method: row.cells["strict"] for row in board.rows}
    assert (cells["e2eecpe"].rank, cells["mgcl"].rank) == (1, None)
    assert [one.label for one in cells["other"].against] == ["e2eecpe"]
    (note,) = cells["mgcl"].notes
    assert note.startswith(
        "the test fold chose the epoch (watched_test/pair_f1) (fold 1 seed 1; fold 1 seed 2; "
    )
    assert note.endswith("): not ranked")
    lines = {
        line["method"]: line
        for line in csv.DictReader(io.StringIO(csv_text([board])))
        if line["kind"] == "run"
    }
    assert (lines["mgcl"]["selection"], lines["mgcl"]["rank"]) == ("test fold", "")
    with pytest.raises(ZooError, match="that may be ranked"):
        export(find_records([tmp_path / "chosen1.json"]), tmp_path / "hub", {"bundled-ecpe": "a/b"})


def test_strict_rows_are_ranked_among_themselves(board: Board) -> None:
    assert [row.label for row in board.rows] == ["mgcl", "e2eecpe", "rule"]
    ranks = {(row.label, protocol): cell.rank for row in board.rows for protocol, cell in row.cells.items()}
    assert ranks == {
        ("mgcl", "strict"): 1,
        ("e2eecpe", "strict"): 2,
        ("e2eecpe", "paper"): None,
        ("rule", "strict"): None,
    }
    (against,) = board.rows[1].cells["strict"].against
    assert (against.label, against.why) == ("mgcl", "the best of its encoder")
    assert against.documents is not None
    assert against.documents.bootstrap.high < 0
    assert (against.verdict.missing, board.tests) == ("", 1)
    assert board.rows[1].cells["paper"].notes == ["not ranked: 4 more seeds"]
    assert board.rows[0].cells["strict"].against == ()
    assert board.rows[0].cells["strict"].pooled == pytest.approx(board.rows[0].best_mean)
    text = markdown([board])
    assert "E2EECPE" in text
    assert "MGCL leads 2 ranked methods with pair F1" in text
    assert "1 of 1 tested difference is shown." in text


def test_a_failed_run_is_named(board: Board) -> None:
    (note,) = board.rows[2].cells["strict"].notes
    assert note == "1 of 1 runs failed (fold 1 seed 1)"
    assert "| Rule | embedded | – | – | failed | no finished run |" in markdown([board])
    assert "- Rule (strict): 1 of 1 runs failed (fold 1 seed 1)." in markdown([board])


def test_runs_that_ended_while_they_learned_are_named(tmp_path: Path) -> None:
    for fold, last in enumerate((0.51, 0.53, 0.6), start=1):
        write(tmp_path / f"{fold}.json", raw(fold=fold, history=history([(0.5, 0.1), (last, 0.1)])))
    (cell,) = (row.cells["strict"] for row in build_boards(find_records([tmp_path]))[0].rows)
    assert cell.remarks == [
        "validation still rose by 4.7 points in the last epoch (mean of 3 runs): more epochs may score higher"
    ]


def test_a_collapsed_run_is_in_the_mean_and_named(tmp_path: Path) -> None:
    for fold, f1 in enumerate((0.5, 0.6, 0.0), start=1):
        write(tmp_path / f"{fold}.json", raw(f1, fold=fold))
    board = build_boards(find_records([tmp_path]))[0]
    (cell,) = (row.cells["strict"] for row in board.rows)
    assert cell.remarks == ["1 collapsed, in the mean (fold 3 seed 1; without: 55.0)"]
    assert "36.7 ± 32.1†" in markdown([board])
    # neither predictions nor, on most machines, the corpus: no document statistics, and the board says so
    assert board.missing.startswith(("1.json: expected its predictions", "Expected fold1_train.txt"))
    assert f"Pooled scores and differences are left out: {board.missing}" in markdown([board])


@pytest.mark.parametrize(
    ("folds", "seeds", "wanting"),
    [
        (10, 3, ""),
        (9, 3, "1 more fold"),
        (10, 2, "1 more seed a fold"),
        (1, 1, "9 more folds, 2 more seeds a fold"),
    ],
)
def test_a_rank_needs_the_runs_of_a_verdict(folds: int, seeds: int, wanting: str, tmp_path: Path) -> None:
    sizes = {"mgcl": (10, 3), "e2eecpe": (10, 3), "other": (folds, seeds)}
    for place, (method, (last, runs_of_fold)) in enumerate(sizes.items()):
        for fold in range(1, last + 1):
            for seed in range(1, runs_of_fold + 1):
                name = f"{method}-{fold}-{seed}.json"
                write(tmp_path / name, raw(0.5 + 0.1 * place, method=method, fold=fold, seed=seed))
    board = build_boards(find_records([tmp_path]))[0]
    cells = {row.label: row.cells["strict"] for row in board.rows}
    assert cells["other"].wanting == wanting
    assert cells["other"].rank == (None if wanting else 1)
    assert cells["other"].notes == ([f"not ranked: {wanting}"] if wanting else [])
    assert [row.label for row in board.rows][-1] == ("other" if wanting else "mgcl")
    assert [name for name, _ in row_groups(board)] == [RANKED, *([UNRANKED] if wanting else [])]
    assert (f"to be ranked: {wanting} |" in markdown([board])) == bool(wanting)


def test_a_method_alone_has_no_rank(tmp_path: Path) -> None:
    for seed in range(1, 6):
        write(tmp_path / f"{seed}.json", raw(0.5, corpus="bundled-ecpe", seed=seed))
    board = build_boards(find_records([tmp_path]))[0]
    assert board.rows[0].cells["strict"].notes[0] == "not ranked: a second row with enough runs"


def test_an_ablation_is_under_its_method_and_has_no_rank(tmp_path: Path) -> None:
    made: list[tuple[str, dict[str, Any]]] = [
        ("mgcl", {}),
        ("mgcl", {"ablation": "distillation"}),
        ("e2eecpe", {}),
        ("mgcl", {"gamma": 0.9}),
    ]
    for seed in range(1, 6):
        for place, (method, model) in enumerate(made):
            record = raw(0.5 + 0.1 * place, method=method, model=model, corpus="bundled-ecpe", seed=seed)
            write(tmp_path / f"{place}-{seed}.json", record)
    board = build_boards(find_records([tmp_path]))[0]
    found = {row.label: (row.of, row.change, row.cells["strict"].rank) for row in board.rows}
    assert found == {
        "mgcl [gamma=0.9]": ("", "gamma=0.9", 1),
        "e2eecpe": ("", "", 2),
        "mgcl [ablation=distillation]": ("mgcl", "ablation=distillation", None),
        "mgcl": ("", "", 3),
    }
    assert board.titles["mgcl [gamma=0.9]"] == "MGCL (gamma=0.9)"
    ((_, rows),) = row_groups(board)
    assert [row.label for row in rows] == ["mgcl [gamma=0.9]", "e2eecpe", "mgcl"]
    assert [row.label for row in board.ablations(rows[2])] == ["mgcl [ablation=distillation]"]
    lines = [line.split(" | ")[1] for line in markdown([board]).splitlines() if line.startswith("| ")]
    assert lines[-2:] == ["MGCL", "↳ ablation=distillation"]


def test_forms_with_names_of_their_own_are_methods(tmp_path: Path) -> None:
    """Indep was folded under Inter-EC; without a filter, options of the filter made it another method."""
    second = {"pair_epochs": 20, "pair_dropout": 0.5}
    made: list[dict[str, Any]] = [
        second,
        {"form": "indep", **second},
        {"filter": False, **second},
        {"form": "indep", "candidates": "in-sample", **second},
    ]
    for place, model in enumerate(made):
        record = raw(0.5 + 0.1 * place, method="two_stage", model=model, corpus="bundled-ecpe")
        record["config"]["model"]["class_path"] = "ecpe_zoo.methods.two_stage.TwoStage"
        write(tmp_path / f"{place}.json", record)
    board = build_boards(find_records([tmp_path]))[0]
    titles = {board.titles[row.label]: board.titles.get(row.of, "") for row in board.rows}
    assert titles == {
        "Inter-EC": "",
        "Indep": "",
        "Inter-EC (filter=false)": "Inter-EC",
        "Indep (candidates=in-sample)": "Indep",
    }


def test_rows_with_one_title_keep_their_labels(tmp_path: Path) -> None:
    for name, sha in (("a", "1" * 64), ("b", "2" * 64)):
        record = raw(0.5, model={"encoder": {"name": "words"}}, inputs={"words": sha})
        record["config"]["model"] |= {"class_path": "ecpe_zoo.methods.rankcp.RANKCP"}
        write(tmp_path / f"{name}.json", record | {"method": "rankcp"})
    board = build_boards(find_records([tmp_path]))[0]
    assert len(board.rows) == len(set(board.titles.values())) == 2


def test_long_texts_that_training_holds_are_a_note_and_cost_no_rank(tmp_path: Path) -> None:
    path = write_scored(tmp_path / "a.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    record["corpus"]["overlap"] = {"texts": 2_209, "held": 201, "share": 201 / 2_209}
    path.write_text(json.dumps(record), encoding="utf-8")
    board = build_boards(find_records([tmp_path]), resamples=200)[0]
    cell = board.rows[0].cells["strict"]
    assert cell.remarks == ["training holds 201 of the 2,209 scored texts of five words or more (9.1 %)"]
    assert cell.wanting == "4 more seeds"


def test_another_row_can_be_what_the_others_are_compared_with(board: Board, tmp_path: Path) -> None:
    other = build_boards(find_records([tmp_path]), against="e2eecpe", resamples=500)[0]
    (against,) = other.rows[0].cells["strict"].against
    assert (against.label, against.why) == ("e2eecpe", "chosen")
    assert against.documents is not None
    assert against.documents.bootstrap.low > 0
    with pytest.raises(ZooError, match=r"compare with \(e2eecpe, mgcl, rule\), but got 'x'"):
        build_boards(find_records([tmp_path]), against="x")


def test_printed_figures_have_their_practice_and_no_rank(tmp_path: Path) -> None:
    write(tmp_path / "a.json", raw(0.5))
    board = build_boards(find_records([tmp_path]))[0]
    assert board.rows[0].reported is not None
    assert board.rows[0].reported.f1 == 0.7736
    assert "77.4 (selection not stated)" in markdown([board])
    assert board.published[0].practice == "selection not stated, lexicon with gold labels"
    lines = list(csv.DictReader(io.StringIO(csv_text([board]))))
    assert {line["rank"] for line in lines if line["protocol"] == "reported"} == {""}
    assert "test folds included" in published_file().note
    assert all(0 < row.f1 < 1 for row in published())
    for row in published():  # F1 of the printed precision and recall: a slip of the pen would show
        if row.precision and row.recall:
            assert row.f1 == pytest.approx(
                2 * row.precision * row.recall / (row.precision + row.recall), abs=0.012
            )


def test_a_variant_does_not_borrow_its_papers_figure(tmp_path: Path) -> None:
    write(tmp_path / "a.json", raw(0.5))
    write(tmp_path / "b.json", raw(0.4, model={"gamma": 0.9}))
    board = build_boards(find_records([tmp_path]))[0]
    assert [row.reported is not None for row in board.rows] == [True, False]


def test_an_ablation_alone_does_not_borrow_it_either(tmp_path: Path) -> None:
    write(tmp_path / "a.json", raw(0.5, model={"multi_instance": False}))
    (row,) = build_boards(find_records([tmp_path]))[0].rows
    assert (row.label, row.reported) == ("mgcl [multi_instance=false]", None)


def test_a_form_with_a_name_of_its_own_has_its_own_figure(tmp_path: Path) -> None:
    """Indep had none, although it is a row of the printed table."""
    for form in ("indep", "inter-ec"):
        record = raw(0.5, method="two_stage", model={"form": form})
        record["config"]["model"]["class_path"] = "ecpe_zoo.methods.two_stage.TwoStage"
        write(tmp_path / f"{form}.json", record)
    board = build_boards(find_records([tmp_path]))[0]
    printed = {board.titles[row.label]: row.reported and row.reported.f1 for row in board.rows}
    assert printed == {"Indep": 0.5833, "Inter-EC": 0.6013}


def test_a_label_that_leaves_settings_out_has_no_figure() -> None:
    """`...` stands for more differences than a label names; the row is not the printed method."""
    assert reported("ecpe", "xia-ding-2019", "two_stage [form=indep]") is not None
    assert reported("ecpe", "xia-ding-2019", "two_stage [form=indep, ...]") is None


def test_a_row_whose_documents_cannot_be_counted_harms_no_other(tmp_path: Path) -> None:
    for name, skill in (("mgcl", 0.9), ("e2eecpe", 0.6), ("rule", 0.4)):
        write_scored(tmp_path / f"{name}.json", skill=skill, method=name)
    (tmp_path / "e2eecpe.npz").unlink()
    board = build_boards(find_records([tmp_path]), resamples=200)[0]
    cells = {row.label: row.cells["strict"] for row in board.rows}
    assert not board.missing
    assert all(one.documents is not None for one in cells["mgcl"].against)
    assert [one.label for one in cells["mgcl"].against] == ["rule"]
    assert (cells["e2eecpe"].pooled, cells["e2eecpe"].wanting) == (None, "4 more seeds")
    assert [(one.label, one.documents) for one in cells["e2eecpe"].against] == [
        ("mgcl", None),
        ("rule", None),
    ]
    (note,) = cells["e2eecpe"].remarks
    assert note.startswith("no pooled score and no difference: e2eecpe.json: expected its predictions")
    assert str(tmp_path) not in markdown([board])


def test_a_run_that_scored_a_part_is_not_ranked(tmp_path: Path) -> None:
    write_scored(tmp_path / "mgcl.json", skill=0.5)
    write_scored(tmp_path / "e2eecpe.json", skill=0.9, method="e2eecpe")
    record = json.loads((tmp_path / "e2eecpe.json").read_text())
    record["corpus"]["scored"] -= 3
    write(tmp_path / "e2eecpe.json", record)
    board = build_boards(find_records([tmp_path]), resamples=200)[0]
    cell = next(row for row in board.rows if row.label == "e2eecpe").cells["strict"]
    assert (cell.pooled, cell.against, cell.rank, cell.wanting) == (None, (), None, "")
    assert cell.notes[0].startswith("1 run scored a part of the test documents (fold 1 seed 1: ")


def test_other_corpus_files_are_not_ranked(tmp_path: Path) -> None:
    for name, sha, f1 in (("a", "a", 0.5), ("b", "a", 0.5), ("c", "b", 0.9)):
        record = raw(f1, seed=ord(name))
        record["corpus"]["files"] = {"test.txt": sha * 64}
        write(tmp_path / f"{name}.json", record)
    board = build_boards(find_records([tmp_path]))[0]
    wanting = {row.label: row.cells["strict"].wanting for row in board.rows}
    assert wanting == {"mgcl": "9 more folds, 1 more seed a fold", "mgcl [test.txt bbbbbbbb]": ""}
    assert "on other corpus files than most records (test.txt bbbbbbbb): not ranked" in markdown([board])


def test_rows_of_the_paper_protocol_alone_come_last(tmp_path: Path) -> None:
    for fold in (1, 2):
        write(tmp_path / f"{fold}.json", raw(0.5, fold=fold))
    write(tmp_path / "one.json", raw(0.4, method="e2eecpe"))
    write(tmp_path / "paper.json", raw(0.9, method="rule", protocol="paper"))
    board = build_boards(find_records([tmp_path]))[0]
    assert [row.label for row in board.rows] == ["mgcl", "e2eecpe", "rule"]


def test_a_failed_cell_without_a_record_is_in_the_table(board: Board) -> None:
    assert "Failed, without a record and in no mean: rule/x." in markdown([board], ["rule/x"])


def test_a_difference_is_given_with_and_without_the_collapsed_runs(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        write_scored(tmp_path / f"good{seed}.json", skill=0.9, seed=seed)
        skill = 0.0 if seed == 3 else 0.8
        write_scored(tmp_path / f"other{seed}.json", skill=skill, seed=seed, method="e2eecpe", status="ok")
    record = json.loads((tmp_path / "other3.json").read_text())
    write(tmp_path / "other3.json", record | {"status": "collapsed"})
    board = build_boards(find_records([tmp_path]), resamples=200)[0]
    good, other = (row.cells["strict"] for row in board.rows)
    assert good.against == ()
    (against,) = other.against
    assert against.documents is not None
    assert against.sound is not None
    assert against.sound.runs == (2, 3)
    assert abs(against.sound.bootstrap.difference) < abs(against.documents.bootstrap.difference)
    assert without_collapsed(against.sound).startswith("Without the collapsed runs: ")


def test_runs_in_words(tmp_path: Path) -> None:
    for fold, seed in ((1, 1), (1, 2), (2, 1)):
        write(tmp_path / f"{fold}{seed}.json", raw(0.5, fold=fold, seed=seed))
    write(tmp_path / "f.json", raw(None, method="rule", status="failed"))
    rows = build_boards(find_records([tmp_path]))[0].rows
    said = [runs(row.cells["strict"]) for row in rows]
    assert said == ["2 folds, 1 to 2 runs each", "no finished run"]


def test_csv_holds_every_number(board: Board) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_text([board]))))
    runs = {(line["label"], line["protocol"]): line for line in lines if line["kind"] == "run"}
    line = runs["e2eecpe", "strict"]
    (against,) = board.rows[1].cells["strict"].against
    assert against.documents is not None
    assert float(line["difference"]) == against.documents.bootstrap.difference
    assert float(line["runs_difference"]) == against.verdict.mean
    assert float(line["mean"]) == board.rows[1].best_mean
    assert (line["runs"], line["unit"], line["compared_with"]) == ("5", "seeds", "mgcl")
    assert runs["rule", "strict"]["failed"] == "1"


def test_latex_is_escaped_and_complete(board: Board, tmp_path: Path) -> None:
    text = latex([board])
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert [line.count("&") for line in body] == [7, 7, 7]
    assert "%" not in text.replace(r"\%", "")
    compiler = shutil.which("pdflatex")
    if compiler:
        document = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + text + r"\end{document}"
        (tmp_path / "t.tex").write_text(document)
        subprocess.run(
            [compiler, "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True
        )


def test_the_readme_changes_between_its_marks_only(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    assert replace_between_marks(path, "new\n")
    assert path.read_text() == f"before\n{START}\n\nnew\n\n{END}\nafter\n"
    assert not replace_between_marks(path, "new")
    for wrong in ("nothing", f"{END} {START}", f"{START} {START} {END}"):
        path.write_text(wrong)
        with pytest.raises(ZooError, match="Write both"):
            replace_between_marks(path, "new")
    with pytest.raises(ZooError, match="Markdown file"):
        replace_between_marks(tmp_path / "missing.md", "new")


def test_comparisons_are_fixed_by_what_the_rows_are(tmp_path: Path) -> None:
    rule = {"class_path": "ecpe_zoo.methods.rule.Rule", "init_args": {}}
    made: dict[str, tuple[float, str, dict[str, Any]]] = {
        "plain": (0.5, "mgcl", {"mark_asked": True}),
        "without": (0.4, "mgcl", {"mark_asked": True, "ablation": "distillation"}),
        "other": (0.6, "other", {}),
        "far": (0.9, "far", {"encoder": "recurrent"}),
    }
    for name, (f1, method, model) in made.items():
        write(tmp_path / f"{name}.json", raw(f1, method=method, model=model))
    record = raw(0.3, method="rule")
    record["config"]["model"] = rule
    write(tmp_path / "rule.json", record)
    board = build_boards(find_records([tmp_path]))[0]
    found = {row.label: [(one.label, one.why) for one in row.cells["strict"].against] for row in board.rows}
    plain, without = "mgcl [mark_asked=true]", "mgcl [ablation=distillation, mark_asked=true]"
    assert found == {
        "far": [("rule", "the rule")],  # the best of its encoder itself
        "other": [("rule", "the rule")],
        plain: [("other", "the best of its encoder"), ("rule", "the rule")],
        without: [(plain, "its method")],
        "rule": [],
    }
    assert (
        "−10.0 against MGCL (mark_asked=true), 1 fold; no verdict: 9 more folds, 2 more seeds a fold"
        in markdown([board])
    )


def test_the_sentence_of_a_board_counts_verdicts_on_ablations_alone() -> None:
    entries = find_records([ROOT / "experiments" / "records" / "eqn-plateau"])
    board = next(board for board in build_boards(entries, resamples=100) if board.corpus == "goemotions")
    said = finding(board)
    assert said.startswith(
        "EQN (network=textcnn) has macro F1 43.1 over 1 fold × 5 seeds; no method is ranked yet; "
    )
    assert said.endswith("1 of 2 tested differences from ablations is shown.")

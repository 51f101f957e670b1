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
from ecpe_zoo.leaderboard.hub import export
from ecpe_zoo.leaderboard.published import published, published_file
from ecpe_zoo.leaderboard.rows import Board
from ecpe_zoo.leaderboard.tables import (
    END,
    START,
    latex,
    markdown,
    replace_between_marks,
    runs,
    without_collapsed,
)
from ecpe_zoo.results.store import find_records
from tests.results.making import raw, write, write_scored


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """Two methods with documents, a third that failed, under both protocols."""
    for seed in (1, 2):
        write_scored(tmp_path / f"good{seed}.json", skill=0.9, seed=seed)
        write_scored(tmp_path / f"bad{seed}.json", skill=0.4, seed=seed, method="e2eecpe")
    write_scored(tmp_path / "paper.json", skill=0.95, method="e2eecpe", protocol="paper")
    write(tmp_path / "failed.json", raw(None, method="rule", corpus="bundled-ecpe", status="failed"))
    return build_boards(find_records([tmp_path]), resamples=500)[0]


def test_what_the_test_fold_chose_is_not_ranked_as_strict(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_scored(tmp_path / f"honest{seed}.json", skill=0.4, seed=seed, method="e2eecpe")
        path = write_scored(tmp_path / f"chosen{seed}.json", skill=0.9, seed=seed)
        record = json.loads(path.read_text(encoding="utf-8"))
        record["config"]["checkpoint"] = {"monitor": "watched_test/pair_f1"}
        record["corpus"]["fold"] = seed  # the second fold makes no honest row incomplete
        path.write_text(json.dumps(record), encoding="utf-8")
    (board, *_) = build_boards(find_records([tmp_path]), resamples=200)
    cells = {row.method: row.cells["strict"] for row in board.rows}
    assert (cells["e2eecpe"].rank, cells["mgcl"].rank) == (1, None)
    assert board.tests == 0
    assert (
        "the test fold chose the epoch (watched_test/pair_f1) (fold 1 seed 1; fold 2 seed 2): not ranked"
        in (cells["mgcl"].notes)
    )
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
        ("e2eecpe", "paper"): 1,
        ("rule", "strict"): None,
    }
    (against,) = board.rows[1].cells["strict"].against
    assert (against.label, against.why) == ("mgcl", "the best of its encoder")
    assert against.documents is not None
    assert against.documents.bootstrap.high < 0
    assert against.verdict.missing == "3 more seeds"
    assert board.tests == 0
    assert board.rows[0].cells["strict"].against == ()
    assert board.rows[0].cells["strict"].pooled == pytest.approx(board.rows[0].best_mean)


def test_a_failed_run_is_named(board: Board) -> None:
    (note,) = board.rows[2].cells["strict"].notes
    assert note == "1 of 1 runs failed (fold 1 seed 1)"
    assert "| rule | embedded | – | – | failed |" in markdown([board])
    assert "- rule (strict): 1 of 1 runs failed (fold 1 seed 1)." in markdown([board])


def test_a_collapsed_run_is_in_the_mean_and_said(tmp_path: Path) -> None:
    for fold, f1 in enumerate((0.5, 0.6, 0.0), start=1):
        write(tmp_path / f"{fold}.json", raw(f1, fold=fold))
    board = build_boards(find_records([tmp_path]))[0]
    (cell,) = (row.cells["strict"] for row in board.rows)
    assert cell.notes == ["1 collapsed, in the mean (fold 3 seed 1; without: 55.0)"]
    assert "36.7 ± 32.1†" in markdown([board])
    # neither predictions nor, on most machines, the corpus: no document statistics, and the board says so
    assert board.missing.startswith(("1.json: expected its predictions", "Expected fold1_train.txt"))
    assert f"Pooled scores and differences are left out: {board.missing}" in markdown([board])


def test_a_row_with_fewer_folds_is_shown_and_not_ranked(tmp_path: Path) -> None:
    for fold in (1, 2):
        write(tmp_path / f"{fold}.json", raw(0.5, fold=fold))
    write(tmp_path / "other.json", raw(0.9, method="e2eecpe"))
    board = build_boards(find_records([tmp_path]))[0]
    assert [(row.label, row.cells["strict"].rank) for row in board.rows] == [("mgcl", 1), ("e2eecpe", None)]
    assert board.rows[1].cells["strict"].notes == ["fold 1 only: not ranked"]


def test_long_texts_that_training_holds_are_a_note_and_cost_no_rank(tmp_path: Path) -> None:
    path = write_scored(tmp_path / "a.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    record["corpus"]["overlap"] = {"texts": 2_209, "held": 201, "share": 201 / 2_209}
    path.write_text(json.dumps(record), encoding="utf-8")
    board = build_boards(find_records([tmp_path]), resamples=200)[0]
    cell = board.rows[0].cells["strict"]
    assert cell.notes == ["training holds 201 of the 2,209 scored texts of five words or more (9.1 %)"]
    assert cell.rank == 1


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


def test_a_row_whose_documents_cannot_be_counted_harms_no_other(tmp_path: Path) -> None:
    for name, skill in (("mgcl", 0.9), ("e2eecpe", 0.6), ("rule", 0.4)):
        write_scored(tmp_path / f"{name}.json", skill=skill, method=name)
    (tmp_path / "e2eecpe.npz").unlink()
    board = build_boards(find_records([tmp_path]), resamples=200)[0]
    cells = {row.label: row.cells["strict"] for row in board.rows}
    assert not board.missing
    assert all(one.documents is not None for one in cells["mgcl"].against)
    assert [one.label for one in cells["mgcl"].against] == ["rule"]
    assert (cells["e2eecpe"].pooled, cells["e2eecpe"].rank) == (None, 2)
    assert [(one.label, one.documents) for one in cells["e2eecpe"].against] == [
        ("mgcl", None),
        ("rule", None),
    ]
    (note,) = cells["e2eecpe"].notes
    assert note.startswith("no pooled score and no difference: e2eecpe.json: expected its predictions")
    assert str(tmp_path) not in markdown([board])


def test_a_run_that_scored_a_part_is_not_ranked(tmp_path: Path) -> None:
    write_scored(tmp_path / "mgcl.json", skill=0.5)
    write_scored(tmp_path / "e2eecpe.json", skill=0.9, method="e2eecpe")
    record = json.loads((tmp_path / "e2eecpe.json").read_text())
    record["corpus"]["scored"] -= 3
    write(tmp_path / "e2eecpe.json", record)
    board = build_boards(find_records([tmp_path]), resamples=200)[0]
    assert [(row.label, row.cells["strict"].rank) for row in board.rows] == [("mgcl", 1), ("e2eecpe", None)]
    cell = board.rows[1].cells["strict"]
    assert (cell.pooled, cell.against) == (None, ())
    assert cell.notes[0].startswith("1 run scored a part of the test documents (fold 1 seed 1: ")


def test_other_corpus_files_are_not_ranked(tmp_path: Path) -> None:
    for name, sha, f1 in (("a", "a", 0.5), ("b", "a", 0.5), ("c", "b", 0.9)):
        record = raw(f1, seed=ord(name))
        record["corpus"]["files"] = {"test.txt": sha * 64}
        write(tmp_path / f"{name}.json", record)
    board = build_boards(find_records([tmp_path]))[0]
    ranks = {row.label: row.cells["strict"].rank for row in board.rows}
    assert ranks == {"mgcl": 1, "mgcl [test.txt bbbbbbbb]": None}
    assert "on other corpus files than most records (test.txt bbbbbbbb): not ranked" in markdown([board])


def test_rows_of_the_paper_protocol_alone_stand_below(tmp_path: Path) -> None:
    for fold in (1, 2):
        write(tmp_path / f"{fold}.json", raw(0.5, fold=fold))
    write(tmp_path / "one.json", raw(0.4, method="e2eecpe"))
    write(tmp_path / "paper.json", raw(0.9, method="rule", protocol="paper"))
    board = build_boards(find_records([tmp_path]))[0]
    assert [row.label for row in board.rows] == ["mgcl", "e2eecpe", "rule"]


def test_a_failed_cell_without_a_record_is_in_the_table(board: Board) -> None:
    assert "Failed, without a record and in no mean: rule/x." in markdown([board], ["rule/x"])


def test_a_difference_stands_with_and_without_the_collapsed_runs(tmp_path: Path) -> None:
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
    assert (line["runs"], line["unit"], line["compared_with"]) == ("2", "seeds", "mgcl")
    assert runs["rule", "strict"]["failed"] == "1"


def test_latex_is_escaped_and_whole(board: Board, tmp_path: Path) -> None:
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
        "−10.0 to mgcl [mark_asked=true] on 1 fold (no verdict: 9 more folds, 2 more seeds a fold)"
        in markdown([board])
    )

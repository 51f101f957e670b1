"""Lexicon and truncation through the command: what is scored, what the record and the board say of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.corpus import BUNDLED_FOLDER
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import read_predictions
from ecpe_zoo.leaderboard.board import build_boards
from ecpe_zoo.leaderboard.csv_table import csv_frame
from ecpe_zoo.leaderboard.page import build_page
from ecpe_zoo.leaderboard.tables import APART, markdown, row_groups
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.record import read_record
from ecpe_zoo.results.store import find_records
from tests.cli.test_training import config, run_folder
from tests.conftest import ROOT

LEXICONS = {
    "none": "none",
    "rankcp_file": "rankcp_file (holds the gold emotion clauses)",
    "train_words": "train_words",
}
LIST = "sentiment_clauses.json"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundled documents as a corpus of their own, beside it a list with the gold emotion clauses and each first one."""
    folder = tmp_path_factory.mktemp("corpus")
    blocks = (BUNDLED_FOLDER / "en_train.txt").read_text("utf-8")
    documents = [block for block in re.split(r"^(?=\d+ \d+$)", blocks, flags=re.MULTILINE) if block][:80]
    (folder / "train.txt").write_text("".join(documents[:60]), encoding="utf-8")
    (folder / "test.txt").write_text("".join(documents[60:]), encoding="utf-8")
    path = folder / "mine.yaml"
    path.write_text(
        "tasks: [ecpe]\nlanguage: en\nfiles: {train: train.txt, test: test.txt}\n", encoding="utf-8"
    )
    loaded = load_corpus(str(path))
    listed = {d.id: [1, *(e + 1 for e in d.emotion_indices)] for d in (*loaded.train, *loaded.test)}
    (folder / LIST).write_text(json.dumps(listed), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def runs(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The rule, whose threshold lets every keyword pass, with each lexicon and with the option left alone."""
    root, found = tmp_path_factory.mktemp("runs"), {}
    for name in (*LEXICONS, "untouched"):
        option = [] if name == "untouched" else ["--data.lexicon", name]
        given = ["--data.corpus", str(corpus), "--model.threshold", "0.01", *option]
        assert main(["fit", *config("rule", root / name, *given)]) == 0
        found[name] = run_folder(root / name)
    return found


def test_records_name_the_lexicon(runs: dict[str, Path]) -> None:
    records = {name: read_record(run / "record.json") for name, run in runs.items()}
    for name, recorded in LEXICONS.items():
        assert records[name].protocol.lexicon == recorded
        assert (LIST in records[name].inputs) == (name == "rankcp_file")
    hashes = {name: record.config_hash for name, record in records.items()}
    assert hashes["none"] == hashes["untouched"]
    assert len(set(hashes.values())) == 3
    variants = {name: Entry(run, records[name], name).variant for name, run in runs.items()}
    assert variants["none"] == variants["untouched"]
    assert len(set(variants.values())) == 3


def test_scores_of_unlisted_clauses_are_zero(corpus: Path, runs: dict[str, Path], tmp_path: Path) -> None:
    """In test, in the validation that tunes, and in predict; listed ones and causes keep their scores."""
    listed = json.loads((corpus.parent / LIST).read_text("utf-8"))
    command = [
        "predict",
        *config("rule", tmp_path, "--data.corpus", str(corpus), "--data.lexicon", "rankcp_file"),
    ]
    checkpoint = next((runs["rankcp_file"] / "checkpoints").glob("best-*.ckpt"))
    assert main([*command, "--ckpt_path", str(checkpoint)]) == 0
    files = {
        "test": (runs["rankcp_file"] / "predictions" / "test.npz", "test.npz"),
        "validation": (runs["rankcp_file"] / "predictions" / "validation-best.npz", "validation-best.npz"),
        "predict": (run_folder(tmp_path) / "predictions" / "predict-test.npz", "test.npz"),
    }
    for path, plain in files.values():
        plainly = {p.id: p for p in read_predictions(runs["none"] / "predictions" / plain)}
        changed = 0
        for prediction in read_predictions(path):
            before = plainly[prediction.id].scores
            out = np.array([n + 1 not in listed[prediction.id] for n in range(len(before["emotion"]))])
            for name in ("pair", "emotion"):
                assert not prediction.scores[name][out].any()
                assert np.abs(prediction.scores[name][~out] - before[name][~out]).max() < 1e-4
                changed += int(before[name][out].any())
            assert np.abs(prediction.scores["cause"] - before["cause"]).max() < 1e-4
        assert changed


def test_the_leak_helps_and_is_shown_apart(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = find_records([run / "record.json" for name, run in runs.items() if name != "untouched"])
    (board,) = [board for board in build_boards(entries, resamples=200) if board.rows]
    rows = {row.label: row.cells["strict"] for row in board.rows}
    assert list(rows)[-1] == "rule [lexicon=rankcp_file]"
    assert set(rows) == {"rule", "rule [lexicon=rankcp_file]", "rule [lexicon=train_words]"}
    leak = rows["rule [lexicon=rankcp_file]"]
    assert leak.group.first.score > rows["rule"].group.first.score  # type: ignore[operator]
    assert (leak.rank, leak.against) == (None, ())
    assert {cell.rank for cell in rows.values()} == {1, 2, None}
    assert any("holds the gold emotion clauses" in note and "not ranked" in note for note in leak.notes)
    assert [(name, [row.label for row in some]) for name, some in row_groups(board)][1] == (
        APART,
        ["rule [lexicon=rankcp_file]"],
    )
    text = markdown([board])
    assert text.index("| Rule |") < text.index(APART) < text.index("| Rule (lexicon=rankcp_file) |")
    assert list(csv_frame([board])["truncation"].dropna()) == ["lengths"] * 3
    build_page([board], 3, tmp_path)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count(APART) == 1
    assert "rankcp_file): " not in page  # not in the forest plot
    capsys.readouterr()
    assert main(["results", "arms", *(str(entry.path) for entry in entries), "--resamples", "0"]) == 0
    shown = capsys.readouterr().out
    assert "trained and tuned with lexicon rankcp_file" in " ".join(shown.split())
    assert "trained and tuned with lexicon train_words" in " ".join(shown.split())
    assert shown.count("strict: pair F1") == 2  # the leak is no base of its own


def test_a_suite_knows_the_list_by_its_content(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its record is there for the same list, and of other data once the list has changed."""
    suite = tmp_path / "leak.yaml"
    suite.write_text(
        f"name: leak\ncells:\n- config: {ROOT / 'configs' / 'rule.yaml'}\n  variant: leak\n"
        "  overrides: {data.lexicon: rankcp_file}\n"
        f"  matrix: {{corpora: {corpus}, protocols: strict, folds: 1, seeds: 0}}\n",
        encoding="utf-8",
    )
    command = ["run", str(suite), "--results", str(tmp_path / "results"), "--executor", "inline"]
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--dry-run"]) == 0
    assert "0 of 1 cells to run" in capsys.readouterr().out
    path = corpus.parent / LIST
    before = path.read_text("utf-8")
    path.write_text(before + " ", encoding="utf-8")
    main([*command, "--dry-run"])
    path.write_text(before, encoding="utf-8")
    shown = capsys.readouterr()
    assert f"the content of {LIST}" in " ".join((shown.out + shown.err).split())


def test_other_tasks_and_corpora_refuse_the_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *config("eacl", tmp_path, "--data.truncation", "gold")]) == 1
    assert "Expected --data.truncation gold with a method for emotion-cause pairs" in capsys.readouterr().err
    assert main(["fit", *config("rule", tmp_path, "--data.lexicon", "rankcp_file")]) == 1
    assert "Expected the released list in" in capsys.readouterr().err


def long_document(id: str, size: int, pair: tuple[int, int]) -> str:
    lines = [f"{n},null,null,{'the porter lost the red bicycle again ' * 3}" for n in range(1, size + 1)]
    lines[pair[0] - 1] = f"{pair[0]},anger,furious,she was furious {id}"
    return "\n".join([f"{id} {size}", f" ({pair[0]},{pair[1]})", *lines]) + "\n"


@pytest.fixture(scope="module")
def long_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short documents, and two that are cut: their pair is at the end, and at the start."""
    folder = tmp_path_factory.mktemp("long")
    for part, first in (("train", 1), ("test", 51)):
        documents = [long_document(str(first + n), 3, (2, 1 + n % 3)) for n in range(10)]
        documents += [
            long_document(str(first + 20), 40, (40, 39)),
            long_document(str(first + 21), 40, (2, 1)),
        ]
        (folder / f"{part}.txt").write_text("".join(documents), encoding="utf-8")
    path = folder / "long.yaml"
    path.write_text(
        "tasks: [ecpe]\nlanguage: en\nfiles: {train: train.txt, test: test.txt}\n", encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("method", ["rankcp", "mgcl"])
def test_gold_stays_in_view_and_the_record_says_so(
    method: str, long_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the clauses that are left out scored 0, and all gold counted."""
    given = ["--data.corpus", str(long_corpus), "--trainer.max_epochs", "1", "--data.split_version", "1"]
    records = {}
    for name in ("lengths", "gold"):
        folder = tmp_path / name
        assert main(["fit", *config(method, folder, *given, "--data.truncation", name)]) == 0
        records[name] = read_record(run_folder(folder) / "record.json")
    shown = " ".join(capsys.readouterr().out.split())
    assert records["lengths"].protocol.truncation == "lengths"
    assert records["gold"].protocol.truncation == "gold (keeps the first gold pair in view)"
    assert "its truncation keeps the gold clauses of the test documents in view" in shown
    cut = {p.id: p for p in read_predictions(run_folder(tmp_path / "gold") / "predictions" / "test.npz")}
    whole = {p.id: p for p in read_predictions(run_folder(tmp_path / "lengths") / "predictions" / "test.npz")}
    gold: dict[str, Document] = {d.id: d for d in load_corpus(str(long_corpus)).test}
    for id, out_of_view in (("71", slice(0, 5)), ("72", slice(-5, None))):
        assert cut[id].scores["pair"].shape == whole[id].scores["pair"].shape == (40, 40)
        assert not cut[id].scores["emotion"][out_of_view].any()
        assert whole[id].scores["emotion"][out_of_view].all()
        assert cut[id].scores["emotion"][sorted(gold[id].emotion_indices)].all()
        assert 5 <= cut[id].truncated < 40
    assert not cut["51"].truncated
    assert records["gold"].metrics["ecpe.pair_gold.v1"] == len(gold)

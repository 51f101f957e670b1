"""The user's own files with emotion-cause pairs: exact documents, mistakes with their line, and every command."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.corpus import BUNDLED_FOLDER
from ecpe_zoo.corpora.description import read_description
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers.documents import DocumentReader
from ecpe_zoo.corpora.readers.labels import Names
from ecpe_zoo.corpora.registry import find_corpus, load_corpus
from ecpe_zoo.corpora.xia_ding import clause_reader
from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.results.store import find_records
from tests.conftest import ROOT

CLAUSES = """\
news-a 2
 (2,1)
1,null,null,he lost his purse
2,sadness,sad,and he was sad, of course
7 1

1,null,null,nothing happened
Ω.b 2
(1,1),(2,1)
1,happiness,glad,she was glad
2,fear&anger,null,but he was not
"""
DOCUMENTS: list[dict[str, Any]] = [
    {
        "id": "a",
        "segments": [
            {"text": "I lost my purse", "speaker": "Ann"},
            {"text": ["so", "sad"], "emotions": ["sadness"]},
        ],
        "pairs": [[2, 1], [2, 1]],
        "source": "passed over",
    },
    {"id": 7, "segments": [{"text": "Nothing happened"}], "pairs": []},
    {
        "id": "Ω",
        "segments": [{"text": "Glad", "emotions": ["joy"]}, {"text": "Not me"}],
        "pairs": [[1, 1], [2, 1]],
    },
]
READ = DocumentReader(True, "en")


def written(folder: Path, text: str, name: str = "file.txt") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def lines_of(documents: list[Any]) -> str:
    return "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)


def test_blocks_with_words_as_ids(tmp_path: Path) -> None:
    reading = clause_reader("en", numeric=False)(written(tmp_path, CLAUSES))
    lost = Segment("and he was sad, of course", emotions=("sadness",), keyword="sad")
    glad = Segment("she was glad", emotions=("happiness",), keyword="glad")
    assert reading.documents == (
        Document("news-a", (Segment("he lost his purse"), lost), frozenset({(1, 0)}), "en"),
        Document("7", (Segment("nothing happened"),), frozenset(), "en"),
        Document(
            "Ω.b",
            (glad, Segment("but he was not", emotions=("fear", "anger"))),
            frozenset({(0, 0), (1, 0)}),
            "en",
        ),
    )
    assert reading.counts == {"annotated_pairs": 3}


@pytest.mark.parametrize("indent", [None, 1])
def test_documents_in_lines_and_in_a_list(tmp_path: Path, indent: int | None) -> None:
    lines = READ(written(tmp_path, lines_of(DOCUMENTS)))
    assert lines.documents == (
        Document(
            "a",
            (Segment("I lost my purse", "Ann"), Segment("so sad", emotions=("sadness",))),
            frozenset({(1, 0)}),
            "en",
        ),
        Document("7", (Segment("Nothing happened"),), frozenset(), "en"),
        Document(
            "Ω", (Segment("Glad", emotions=("joy",)), Segment("Not me")), frozenset({(0, 0), (1, 0)}), "en"
        ),
    )
    assert lines.counts == {"annotated_pairs": 4, "duplicate_pairs": 1}
    listed = written(tmp_path, json.dumps(DOCUMENTS, indent=indent))
    assert DocumentReader(False, "en")(listed) == lines


def test_emotions_that_are_learned_too(tmp_path: Path) -> None:
    segments = [{"text": "A", "emotions": ["joy"]}, {"text": "B", "emotions": []}, {"text": "C"}]
    path = written(tmp_path, lines_of([{"id": 1, "segments": segments, "pairs": []}]))
    for single, none in ((True, Segment("B", judged=False)), (False, Segment("B", intensities={}))):
        reader = DocumentReader(True, "en", Names(("joy",)), labelled=True, single=single)
        expected = (Segment("A", emotions=("joy",)), none, Segment("C", judged=False))
        assert reader(path).documents[0].segments == expected


@pytest.mark.parametrize(
    ("change", "expected", "found", "hint"),
    [
        ({"id": None}, "a name or a number as `id`", "None", ""),
        ({"id": " "}, "a name or a number as `id`", "' '", ""),
        ({"id": True}, "a name or a number as `id`", "True", ""),
        ({"id": "a"}, "every document id once", "a again, as in line 1", ""),
        ({"segments": []}, "a list of segments as `segments` of document b", "[]", ""),
        ({"segments": "text"}, "a list of segments", "'text'", ""),
        ({"segments": ["text"]}, "an object with `text` as segment 1 of document b", "text", ""),
        ({"segments": [{"text": " "}]}, "text as `text` of segment 1 of document b", "' '", ""),
        ({"segments": [{"text": 3}]}, "text as `text`", "3", ""),
        ({"segments": [{"text": ["a", 3]}]}, "text as `text`", "['a', 3]", ""),
        ({"segments": [{"text": "A", "speaker": [3]}]}, "a number as `speaker` of segment 1", "[3]", ""),
        ({"segments": [{"text": "A", "speaker": True}]}, "a number as `speaker` of segment 1", "True", ""),
        ({"segments": [{"text": "A", "emotions": "joy"}]}, "a list of texts as `emotions`", "'joy'", ""),
        (
            {"segments": [{"text": "A", "emotions": ["rage"]}]},
            "emotions of joy, sadness",
            "'rage'",
            "`labels`",
        ),
        ({"pairs": None}, "a list of pairs as `pairs` of document b", "None", "has an empty list"),
        ({"pairs": [[0, 1]]}, "segment numbers from 1 to 1 in document b", "[0, 1]", "counted from 1"),
        ({"pairs": [[1, 2]]}, "segment numbers from 1 to 1", "[1, 2]", "counted from 1"),
        ({"pairs": [[1]]}, "pairs [emotion, cause]", "[1]", "counted from 1"),
        ({"pairs": [[1, True]]}, "pairs [emotion, cause]", "[1, True]", "counted from 1"),
        ({"pairs": [["1", "1"]]}, "pairs [emotion, cause]", "['1', '1']", "counted from 1"),
        ([1], "a JSON object", "[1]", ""),
    ],
)
def test_every_malformed_document_is_named(
    tmp_path: Path, change: Any, expected: str, found: str, hint: str
) -> None:
    right: dict[str, Any] = {"id": "b", "segments": [{"text": "A"}], "pairs": []}
    wrong = {**right, **change} if isinstance(change, dict) else change
    rows = [{**right, "id": "a"}, wrong, {**right, "id": "c"}]
    reader = DocumentReader(True, "en", Names(("joy", "sadness")))
    path = written(tmp_path, lines_of(rows))
    with pytest.raises(CorpusError) as caught:
        reader(path)
    assert caught.value.line == 2
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert hint in caught.value.hint
    skipped = reader(path, "skip")
    assert [document.id for document in skipped.documents] == ["a", "c"]
    assert skipped.counts["skipped_documents"] == 1
    listed = written(tmp_path, json.dumps(rows, indent=1))
    with pytest.raises(CorpusError) as caught:
        DocumentReader(False, "en", Names(("joy", "sadness")))(listed)
    assert caught.value.line == 11  # where it starts


@pytest.mark.parametrize(
    ("old", "new", "line", "expected", "found"),
    [
        ("7 1", "7 one", 5, "a numeric number of clauses", "'one'"),
        ("Ω.b 2", "Ω b 2", 8, "two fields", "3 in 'Ω b 2'"),
        ("7 1", "news-a 1", 5, "every document id once", "news-a again"),
        (" (2,1)", " (2,3)", 2, "clauses 1 to 2", "(2,3)"),
        (" (2,1)", " 2,1", 2, "pairs of clause numbers", "' 2,1'"),
        ("1,null,null,he", "0,null,null,he", 3, "clause number 1", "'0'"),
        ("2,sadness,sad,and he was sad, of course\n", "", 4, "clause 2 of 2", "'7 1'"),
        (
            "2,sadness,sad",
            "2,rage,sad",
            4,
            "an emotion of happiness, sadness, fear, anger, or null",
            "'rage'",
        ),
    ],
)
def test_every_malformed_line_of_a_block_is_named(
    tmp_path: Path, old: str, new: str, line: int, expected: str, found: str
) -> None:
    assert old in CLAUSES
    path = written(tmp_path, CLAUSES.replace(old, new, 1))
    reader = clause_reader("en", labels=("happiness", "sadness", "fear", "anger"), numeric=False)
    with pytest.raises(CorpusError) as caught:
        reader(path)
    assert caught.value.line == line
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert len(reader(path, "skip").documents) == 2


def test_a_list_that_breaks_off_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(DOCUMENTS, indent=1)[:-40])
    for on_error in ("raise", "skip"):
        with pytest.raises(CorpusError, match=r"truncated|a document"):
            DocumentReader(False, "en")(path, on_error)  # type: ignore[arg-type]


def described(folder: Path, extra: str = "", files: str = "{train: train.jsonl, test: test.jsonl}") -> Path:
    return written(folder, f"tasks: [ecpe]\n{extra}files: {files}\n", "mine.yaml")


def test_a_described_corpus_of_pairs(tmp_path: Path) -> None:
    written(tmp_path, lines_of(DOCUMENTS[:2]), "train.jsonl")
    written(tmp_path, json.dumps(DOCUMENTS[2:]), "test.json")
    written(tmp_path, CLAUSES, "more.txt")
    path = described(tmp_path, "language: en\n", "{train: [train.jsonl, more.txt], test: test.json}")
    written(tmp_path, CLAUSES.replace("7 1", "8 1"), "more.txt")
    corpus = find_corpus(str(path))
    assert (corpus.tasks, corpus.labels, corpus.own, corpus.paired, corpus.labelled) == (
        ("ecpe",),
        (),
        True,
        True,
        False,
    )
    loaded = load_corpus(str(path))
    assert [document.id for document in loaded.train] == ["a", "7", "news-a", "8", "Ω.b"]
    assert [document.id for document in loaded.test] == ["Ω"]
    assert loaded.validation is None
    assert set(loaded.files) == {"train.jsonl", "more.txt", "test.json", "mine.yaml"}
    written(tmp_path, CLAUSES, "more.txt")
    with pytest.raises(CorpusError, match=r"more.txt: expected every document id once.* got 7 again"):
        load_corpus(str(path))


def test_a_described_corpus_of_folds(tmp_path: Path) -> None:
    for fold in (1, 2):
        written(tmp_path, CLAUSES if fold == 1 else CLAUSES.replace("sad,", "low,"), f"f{fold}_train.dat")
        written(
            tmp_path,
            CLAUSES.replace("news-a", "t").replace("7 1", "u 1").replace("Ω", "v"),
            f"f{fold}_test.dat",
        )
    files = '{train: "f{fold}_train.dat", test: "f{fold}_test.dat"}'
    corpus = find_corpus(str(described(tmp_path, "folds: 2\n", files)))
    assert corpus.folds == 2
    assert load_corpus(str(tmp_path / "mine.yaml"), fold=2).train[0].segments[1].keyword == "low"
    with pytest.raises(ZooError, match="fold from 1 to 2"):
        load_corpus(str(tmp_path / "mine.yaml"), fold=3)
    kind = described(tmp_path, "folds: 2\nformat: {kind: jsonl}\n", files)
    with pytest.raises(CorpusError, match=r"f1_train.dat:1: expected a JSON object"):
        load_corpus(str(kind))


@pytest.mark.parametrize(
    ("extra", "files", "line", "message"),
    [
        (
            "folds: 2\n",
            "{train: a.txt, test: b.txt}",
            3,
            "expected names with {fold} in a corpus with `folds: 2`",
        ),
        ("", '{train: "a{fold}.txt", test: b.txt}', 2, "but got `folds: 1`"),
        ("folds: 0\n", "{train: a.txt, test: b.txt}", 2, "folds: expected greater than or equal to 1"),
        ("format: {text: body}\n", "{train: a.txt, test: b.txt}", 2, "expected only `kind`, `encoding`"),
        (
            "format: {kind: csv}\n",
            "{train: a.csv, test: b.csv}",
            2,
            "kind to be one of: clauses, json, jsonl, ecac",
        ),
        (
            "format: {kind: xml}\n",
            "{train: a.txt, test: b.txt}",
            2,
            "format.kind: expected 'csv', 'tsv', 'json', 'jsonl'",
        ),
    ],
)
def test_descriptions_of_pairs_that_cannot_be_used(
    tmp_path: Path, extra: str, files: str, line: int, message: str
) -> None:
    path = described(tmp_path, extra, files)
    with pytest.raises(ZooError) as caught:
        read_description(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)


def test_pairs_and_emotions_in_one_corpus(tmp_path: Path) -> None:
    written(tmp_path, lines_of(DOCUMENTS[:2]), "train.jsonl")
    written(tmp_path, lines_of(DOCUMENTS[2:]), "test.jsonl")
    text = "tasks: [ecpe, erc]\nlabels: [joy, sadness]\nfiles: {train: train.jsonl, test: test.jsonl}\n"
    path = written(tmp_path, text, "both.yaml")
    corpus = find_corpus(str(path))
    assert (corpus.tasks, corpus.labels, corpus.labelled) == (("ecpe", "erc"), ("joy", "sadness"), True)
    assert [segment.judged for segment in load_corpus(str(path)).train[0].segments] == [False, True]
    with pytest.raises(ZooError, match=r"both.yaml:1: .*expected labels, the list of all emotions"):
        read_description(written(tmp_path, text.replace("labels: [joy, sadness]\n", ""), "both.yaml"))


def test_folds_of_tables_need_ids(tmp_path: Path) -> None:
    text = 'folds: 2\nlabels: [joy]\nformat: {label: l}\nfiles: {train: "{fold}.csv", test: "t{fold}.csv"}\n'
    with pytest.raises(ZooError, match="a column `id` or `conversation`"):
        read_description(written(tmp_path, text, "folds.yaml"))
    assert read_description(written(tmp_path, text.replace("l}", "l, id: key}"), "folds.yaml")).folds == 2


@pytest.fixture
def two_folds(tmp_path: Path) -> Path:
    """A described corpus with two folds of bundled documents, under new names."""
    blocks = (BUNDLED_FOLDER / "en_train.txt").read_text("utf-8")
    documents = [f"doc-{block}" for block in re.split(r"^(?=\d+ \d+$)", blocks, flags=re.MULTILINE) if block][
        :60
    ]
    for fold in (1, 2):
        tested = documents[fold - 1 :: 2]
        written(tmp_path, "".join(d for d in documents if d not in tested), f"fold{fold}_train.txt")
        written(tmp_path, "".join(tested), f"fold{fold}_test.txt")
    return described(
        tmp_path, "language: en\nfolds: 2\n", '{train: "fold{fold}_train.txt", test: "fold{fold}_test.txt"}'
    )


def test_every_command_takes_a_corpus_of_pairs(
    two_folds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(two_folds)]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"fold 2 test +30 +\d+", shown)
    assert "Cause minus emotion" in shown
    suite = written(
        tmp_path,
        "name: mine\ncells:\n"
        f"- config: {ROOT / 'configs' / 'rule.yaml'}\n"
        f"  matrix: {{corpora: {two_folds}, protocols: strict, folds: 2, seeds: 0}}\n",
        "suite.yaml",
    )
    assert main(["run", str(suite), "--results", str(tmp_path / "results")]) == 0
    (entry,) = find_records([tmp_path / "results"])
    assert (entry.record.corpus.id, entry.record.corpus.fold) == ("mine", 2)
    assert entry.record.metrics["ecpe.pair_f1.v1"] > 0.2
    assert main(["results", "recompute", str(tmp_path / "results"), "--root", str(tmp_path)]) == 0
    assert main(["leaderboard", "build", str(tmp_path / "results"), "--output", str(tmp_path / "site")]) == 0
    assert "Emotion-cause pairs on mine" in (tmp_path / "site" / "leaderboard.md").read_text("utf-8")

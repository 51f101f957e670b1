from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.corpora.registry import CORPORA, LoadedCorpus, data_root, load_corpus
from ecpe_zoo.corpora.splits import groups, near_duplicates, partition, running_text
from ecpe_zoo.errors import ZooError


def document(name: str, *texts: str) -> Document:
    return document_from_texts(name, texts, pairs=[(0, 0)])


def loaded(
    train: list[Document], test: list[Document], validation: list[Document] | None = None, fold: int = 1
) -> LoadedCorpus:
    official = None if validation is None else tuple(validation)
    return LoadedCorpus("made-up", fold, tuple(train), official, tuple(test), {}, {})


def many(count: int, seed: int = 0) -> list[Document]:
    """Documents of which every fifth is cut differently and every seventh shares half of its clauses."""
    made: list[Document] = []
    for number in range(count):
        if number % 5 == 4:
            made.append(document(str(number), "".join(segment.text for segment in made[-1].segments)))
        elif number % 7 == 6:
            made.append(
                document(str(number), *(s.text for s in made[-1].segments[:3]), f"another ending {number}")
            )
        else:
            made.append(document(str(number), *(f"sentence {part} of {number} {seed}" for part in range(4))))
    return made


def test_near_duplicates_by_hand() -> None:
    documents = [
        document("a", "一二三四五", "六七八九十", "短"),
        document("b", "一二三四五六七", "八九十短"),  # the text of a, cut differently
        document("c", "一二三四五", "六七八九十", "甲乙丙丁戊", "己庚辛壬癸"),  # both long clauses of a
        document(
            "d", "一二三四五", "完全不同的话", "另外一句长话", "还有一句长话"
        ),  # one clause of a: too few
        document("e", "短", "毫不相干的话"),
    ]
    assert near_duplicates(documents) == [(0, 1), (0, 2)]
    assert groups(documents) == [[0, 1, 2], [3], [4]]


def test_a_text_that_very_many_have_is_no_quadratic_work() -> None:
    documents = [document(str(n), "ok") for n in range(30_000)]
    started = time.perf_counter()
    assert near_duplicates(documents) == [(0, other) for other in range(1, 30_000)]
    assert [len(group) for group in groups(documents)] == [30_000]
    assert time.perf_counter() - started < 20


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 60), st.floats(0.05, 0.6), st.integers(0, 5))
def test_a_strict_partition_keeps_near_duplicates_together(count: int, share: float, seed: int) -> None:
    documents = many(count)
    corpus = loaded(documents, [document("t", "a text of its own")])
    parts = partition(corpus, "strict", share, seed)
    assert sorted(d.id for d in parts.train + parts.validation) == sorted(d.id for d in documents)
    sides = {d.id: "train" for d in parts.train} | {d.id: "validation" for d in parts.validation}
    for one, other in near_duplicates(documents):
        assert sides[documents[one].id] == sides[documents[other].id]
    assert len(parts.validation) <= max(1, round(share * count))
    shuffled = list(documents)
    random.Random(seed).shuffle(shuffled)
    again = partition(loaded(shuffled, list(corpus.test)), "strict", share, seed)
    assert {d.id for d in again.validation} == {d.id for d in parts.validation}  # the order decides nothing


def test_strict_leaves_out_twins_of_held_out_documents() -> None:
    train = [*many(20), document("twin", "held", "out text"), document("near", "held out text", "and more")]
    parts = partition(loaded(train, [document("t", "held out", "text")]))
    assert parts.twins_left_out == ("twin",)
    assert "twin" not in {d.id for d in parts.train + parts.validation}
    assert [d.id for d in parts.test] == ["t"]


def test_strict_leaves_out_near_duplicates_of_held_out_documents() -> None:
    test = document("t", "the dog was lost", "so she cried", "and nobody came", "until the evening")
    near = document("near", "the dog was lost", "so she cried", "and nobody came", "for a year and a day")
    corpus = loaded([*many(20), near, document("far", "the dog was lost", "but found again")], [test])
    parts = partition(corpus)
    assert (parts.twins_left_out, parts.near_left_out) == ((), ("near",))
    kept = {d.id for d in parts.train + parts.validation}
    assert "near" not in kept
    assert "far" in kept
    first = partition(corpus, version=1)  # as the records of the first release were made
    assert first.near_left_out == ()
    assert "near" in {d.id for d in first.train + first.validation}


def test_each_fold_draws_its_own_validation_part() -> None:
    documents = [document(str(n), f"text {n} of its own", f"and another one {n}") for n in range(200)]
    drawn = [{d.id for d in partition(loaded(documents, [], fold=fold)).validation} for fold in range(1, 11)]
    assert {len(ids) for ids in drawn} == {20}
    shared = [len(one & other) for one, other in combinations(drawn, 2)]
    assert max(shared) < 10  # 2 by chance
    first = [partition(loaded(documents, [], fold=fold), version=1).validation for fold in (1, 2)]
    assert first[0] == first[1]
    with pytest.raises(ZooError, match="split_version to be 1 or 2, but got 3"):
        partition(loaded(documents, []), version=3)  # type: ignore[arg-type]


def test_strict_takes_the_official_validation_part() -> None:
    test, validation = (
        [document("t", "test text")],
        [document("v", "validation text"), document("w", "testtext")],
    )
    train = [document("1", "one"), document("2", "vali", "dation text"), document("3", "test text")]
    parts = partition(loaded(train, test, validation))
    assert [[d.id for d in part] for part in (parts.train, parts.validation, parts.test)] == [
        ["1"],
        ["v"],
        ["t"],
    ]
    assert sorted(parts.twins_left_out) == ["2", "3", "w"]


def test_paper_trains_on_everything_and_chooses_on_test() -> None:
    corpus = loaded(many(10), [document("t", "test text")], [document("v", "validation text")])
    parts = partition(corpus, "paper")
    assert (parts.train, parts.validation, parts.test) == (corpus.train, corpus.test, corpus.test)
    assert parts.twins_left_out == ()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_outside_of_0_to_1_is_told(share: float) -> None:
    with pytest.raises(ZooError, match="between 0 and 1"):
        partition(loaded(many(5), []), "strict", share)


def test_load_corpus_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ZooError) as caught:
        load_corpus("reccon", tmp_path)
    message = str(caught.value)
    for part in (
        str(tmp_path / "reccon"),
        "data fetch reccon",
        "--data.root",
        "ECPE_ZOO_DATA",
        "declare-lab/RECCON",
    ):
        assert part in message
    with pytest.raises(ZooError, match=r"one of: bundled-ecpe, .*xia-ding-2019"):
        load_corpus("recon", tmp_path)
    with pytest.raises(ZooError, match="fold from 1 to 10"):
        load_corpus("xia-ding-2019", tmp_path, fold=11)


def test_data_root_follows_argument_environment_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECPE_ZOO_DATA", str(tmp_path / "env"))
    assert data_root(tmp_path) == tmp_path
    assert data_root() == tmp_path / "env"
    monkeypatch.delenv("ECPE_ZOO_DATA")
    assert data_root().name == "ecpe-zoo"


def test_skipped_documents_are_counted_by_part(tmp_path: Path) -> None:
    folder = tmp_path / "ecf"
    folder.mkdir()
    block = "{} 1\n(1,{})\n1 | A | joy | Text number {} . | clip\n"
    for name, first in (("train.txt", 10), ("dev.txt", 20)):
        (folder / name).write_text("".join(block.format(first + n, 1, n) for n in range(3)))
    (folder / "test.txt").write_text("".join(block.format(n, n, n) for n in range(1, 4)))
    with pytest.raises(ZooError, match=r"test.txt:5: .*\(1,2\)"):
        load_corpus("ecf", tmp_path)
    corpus = load_corpus("ecf", tmp_path, on_error="skip")
    assert corpus.counts["test/skipped_documents"] == 2
    assert [d.id for d in corpus.test] == ["1"]
    assert set(corpus.files) == {"train.txt", "dev.txt", "test.txt"}
    (folder / "dev.txt").write_text(block.format(12, 1, 0))
    with pytest.raises(ZooError, match=r"dev.txt: expected every document id once .* as in the train part"):
        load_corpus("ecf", tmp_path, on_error="skip")


def test_every_corpus_names_pinned_files_only() -> None:
    for corpus in CORPORA.values():
        pinned = {file.name for file in corpus.files}
        for fold in range(1, corpus.folds + 1):
            named = {name for files in corpus.splits(fold).values() for name in files} | set(corpus.whole)
            assert corpus.bundled or corpus.own or named <= pinned
        for file in corpus.files:
            assert len(file.git_blob) == 40
            assert file.optional or (file.sha256 is not None and len(file.sha256) == 64)


def test_the_registry_imports_little() -> None:
    heavy = ("torch", "lightning", "pandas", "scipy", "pydantic", "pooch")
    code = f"import sys, ecpe_zoo.corpora.registry; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "parts", "counts", "twins"),
    [
        ("ntcir-ecpe-en", (2275, 284, 284), {"train": 2578, "validation": 318, "test": 319}, 107),
        ("xia-ding-balanced", (665, None, 72), {"train": 700, "test": 79}, 0),
    ],
)
def test_real_corpora_of_pairs(
    real_data: Callable[[str], Path],
    name: str,
    parts: tuple[int, int | None, int],
    counts: dict[str, int],
    twins: int,
) -> None:
    corpus = load_corpus(name, real_data(name))
    assert (len(corpus.train), corpus.validation and len(corpus.validation), len(corpus.test)) == parts
    assert {part: corpus.counts[f"{part}/annotated_pairs"] for part in counts} == counts
    assert corpus.counts.get("test/known_malformed", 0) == (name == "xia-ding-balanced")
    strict = partition(corpus)
    assert len(strict.twins_left_out) == twins
    texts = {running_text(d) for d in strict.test}
    assert texts.isdisjoint(running_text(d) for d in strict.train + strict.validation)


@pytest.mark.parametrize(
    ("fold", "twin", "near"),
    [(1, None, ()), (5, None, ("1672", "1673", "1674", "1675", "2056")), (6, "1807", ()), (9, "1070", ())],
)
def test_real_fold_partitions(
    real_data: Callable[[str], Path], fold: int, twin: str | None, near: tuple[str, ...]
) -> None:
    corpus = load_corpus("xia-ding-2019", real_data("xia-ding-2019"), fold)
    parts = partition(corpus)
    assert parts.twins_left_out == ((twin,) if twin else ())
    assert parts.near_left_out == near
    assert abs(len(parts.validation) - 0.1 * len(corpus.train)) <= 1
    texts = {running_text(d) for d in parts.train}
    assert texts.isdisjoint(running_text(d) for d in parts.validation + parts.test)

"""The released list and the honest one: read safely, applied to emotion clauses, refused where they do not fit."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecpe_zoo.corpora.document import Document, Segment, document_from_texts
from ecpe_zoo.corpora.lexicon import (
    FILES,
    WordList,
    emotion_filter,
    filtered,
    lexicon_files,
    read_released,
    released_file,
)
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.files import file_sha256

DOCUMENT = document_from_texts(
    "7", ["it rained", "he was unhappy", "so he left"], pairs=[(1, 0)], language="en"
)


def released(folder: Path, content: Any, name: str = FILES[1]) -> Path:
    path = folder / name
    path.write_bytes(pickle.dumps(content) if name.endswith(".pkl") else json.dumps(content).encode())
    return path


@pytest.mark.parametrize("name", FILES)
def test_the_list_counts_clauses_from_one(tmp_path: Path, name: str) -> None:
    passes = read_released(released(tmp_path, {"7": [2, 3], "8": []}, name))
    assert passes(DOCUMENT).tolist() == [False, True, True]
    assert passes(document_from_texts("8", ["a", "b"])).tolist() == [False, False]
    assert passes(document_from_texts("9", ["a", "b"])).tolist() == [True, True]  # not named: not filtered


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "made"),)

    with pytest.raises(CorpusError, match="mkdir, which is not read"):
        read_released(released(tmp_path, {"7": Harmful()}, FILES[0]))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [[], {}, {"7": 2}, {"7": [0]}, {"7": ["2"]}, {"7": [True]}, {"7": [1.0]}])
def test_other_content_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(CorpusError, match="document ids with lists of clause numbers from 1"):
        read_released(released(tmp_path, content))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_bytes(b"\x80\x04]")
        with pytest.raises(CorpusError, match="document ids"):
            read_released(tmp_path / name)


def test_a_clause_beyond_the_document_is_of_another_release(tmp_path: Path) -> None:
    passes = read_released(released(tmp_path, {"7": [1, 4]}))
    with pytest.raises(CorpusError, match="clauses from 1 to 3 for document 7, but got 4"):
        passes(DOCUMENT)


def test_the_filter_zeroes_emotions_and_their_pairs() -> None:
    scores = {
        "pair": np.arange(9, dtype=np.float32).reshape(3, 3),
        "emotion": np.ones(3, np.float32),
        "cause": np.ones(3, np.float32),
        "token_teacher_emotion": np.ones((3, 5), np.float32),
    }
    found = filtered(Prediction("7", scores, 2), np.array([False, True, False]))
    assert found.scores["pair"].tolist() == [[0, 0, 0], [3, 4, 5], [0, 0, 0]]
    assert found.scores["emotion"].tolist() == [0, 1, 0]
    assert found.scores["cause"].tolist() == [1, 1, 1]
    assert found.scores["token_teacher_emotion"].all()
    assert found.truncated == 2
    assert scores["emotion"].all()  # what was given stays


def test_words_are_those_of_the_training_documents() -> None:
    train = [Document("1", (Segment("I am so happy", keyword="happy"), Segment("sad it was")))]
    passes = emotion_filter("train_words", "bundled-ecpe", None, train)
    assert passes == WordList(frozenset({"happy"}))
    assert passes is not None
    assert passes(DOCUMENT).tolist() == [False, True, False]  # as a part of a longer word too
    with pytest.raises(ZooError, match="Expected emotion keywords in the training documents of 'reccon'"):
        emotion_filter("train_words", "reccon", None, [DOCUMENT])
    assert emotion_filter("none", "bundled-ecpe", None, train) is None


def test_a_corpus_without_the_list_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"Rank-Emotion-Cause there.*train_words"):
        emotion_filter("rankcp_file", "xia-ding-2019", tmp_path, [DOCUMENT])
    folder = tmp_path / "xia-ding-2019"
    folder.mkdir()
    path = released(folder, {"8": [1]})
    with pytest.raises(CorpusError, match="none of its training documents"):
        emotion_filter("rankcp_file", "xia-ding-2019", tmp_path, [DOCUMENT])
    assert lexicon_files("rankcp_file", "xia-ding-2019", tmp_path) == {path.name: file_sha256(path)}
    assert lexicon_files("train_words", "xia-ding-2019", tmp_path) == {}


def test_the_real_list_holds_every_gold_emotion_clause(real_data: Callable[[str], Path]) -> None:
    root = real_data("xia-ding-2019")
    try:
        passes = read_released(released_file("xia-ding-2019", root))
    except ZooError:
        pytest.skip("needs the released list in the corpus's folder")
    for document in load_corpus("xia-ding-2019", root, 1).test:
        assert passes(document)[sorted(document.emotion_indices)].all()

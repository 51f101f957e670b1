from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ecpe_zoo.corpora.registry import BUNDLED_FOLDER, load_corpus
from ecpe_zoo.corpora.rule import emotion_keywords, rule_f1, rule_pairs
from ecpe_zoo.corpora.splits import near_duplicates

ROOT = Path(__file__).parents[2]
GENERATORS = {
    "make_bundled_ecpe": {"zh_train.txt", "zh_test.txt", "en_train.txt", "en_test.txt"},
    "make_bundled_emotions": {
        "emotions_labels.txt",
        *(f"emotions_{part}.tsv" for part in ("train", "dev", "test")),
    },
    "make_bundled_conversations": {f"conversations_{part}.csv" for part in ("train", "dev", "test")},
}


@pytest.mark.parametrize("generator", GENERATORS)
def test_the_files_are_what_the_generator_writes(tmp_path: Path, generator: str) -> None:
    command = [sys.executable, "-m", f"experiments.{generator}", "--folder", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {name: (BUNDLED_FOLDER / name).read_bytes() for name in GENERATORS[generator]}


def test_every_file_has_a_generator() -> None:
    assert {path.name for path in BUNDLED_FOLDER.iterdir()} == set().union(*GENERATORS.values())


def test_it_cannot_be_guessed() -> None:
    corpus = load_corpus("bundled-ecpe")
    for precision in (0.0, 0.3, 0.5):
        assert rule_f1(corpus.train, corpus.test, precision) < 0.6
    # neither with the true emotion clauses
    gold = {(d.id, pair) for d in corpus.test for pair in d.pairs or ()}
    for offset in (0, 1, 2):
        found = {(d.id, (index, max(index - offset, 0))) for d in corpus.test for index in d.emotion_indices}
        assert 2 * len(found & gold) / (len(found) + len(gold)) < 0.6


def test_its_words_mislead() -> None:
    corpus = load_corpus("bundled-ecpe")
    keywords = emotion_keywords(corpus.train, precision=0)
    holding = [
        bool(segment.emotions)
        for document in corpus.test
        for segment in document.segments
        if any(word in segment.text for word in keywords)
    ]
    assert 0.3 < sum(holding) / len(holding) < 0.7


def test_its_shape() -> None:
    corpus = load_corpus("bundled-ecpe")
    documents = corpus.train + corpus.test
    assert len(documents) >= 120
    assert len({d.id for d in documents}) == len(documents)
    assert Counter(d.language for d in corpus.test) == {"zh": 30, "en": 30}
    assert {len(d) for d in documents} <= set(range(4, 10))
    offsets = Counter(cause - emotion for d in documents for emotion, cause in d.pairs or ())
    assert {-3, -2, -1, 0, 1, 2} <= set(offsets)
    assert offsets[-1] < 0.45 * offsets.total()
    assert sum(len(d.pairs or ()) > 1 for d in documents) > 60
    emotions = {emotion for d in corpus.test for segment in d.segments for emotion in segment.emotions}
    assert emotions == {"happiness", "sadness", "anger", "fear"}


def test_no_test_text_is_in_the_training_part() -> None:
    corpus = load_corpus("bundled-ecpe")
    assert near_duplicates(corpus.train + corpus.test) == []
    seen = {"".join(segment.text.split()) for d in corpus.train for segment in d.segments}
    own = ["".join(segment.text.split()) for d in corpus.test for segment in d.segments]
    assert not [text for text in own if len(text) >= 5 and text in seen]
    known = {word for d in corpus.train for segment in d.segments for word in segment.words}
    new = {word for d in corpus.test for segment in d.segments for word in segment.words} - known
    assert len(new) <= 3  # new combinations of known words


def test_the_rule_by_hand() -> None:
    document = load_corpus("bundled-ecpe").train[0]
    assert rule_pairs(document, frozenset({"恐惧", "难过"})) == {(2, 1), (4, 3)}

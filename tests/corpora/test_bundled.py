from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.registry import BUNDLED_FOLDER, load_corpus
from ecpe_zoo.corpora.rule import emotion_keywords, rule_f1, rule_pairs
from ecpe_zoo.corpora.splits import near_duplicates, partition

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


@pytest.mark.parametrize("name", ["bundled-conversations", "bundled-emotions"])
def test_no_text_stands_in_two_parts(name: str) -> None:
    corpus = load_corpus(name)
    parts = (corpus.train, corpus.validation or (), corpus.test)
    texts = [
        {"".join(s.text.split()).lower() for d in part for s in d.segments if len(s.words) > 3}
        for part in parts
    ]
    assert all(one.isdisjoint(other) for one, other in combinations(texts, 2))
    assert partition(corpus).twins_left_out == ()
    known = {word for segment in segments(corpus.train) for word in words(segment)}
    new = {word for segment in segments(corpus.test) for word in words(segment)} - known
    assert len(new) <= 3  # new combinations of known words
    size = sum((BUNDLED_FOLDER / file).stat().st_size for file in corpus.files)
    assert size < 150_000


def test_conversations_have_the_shape_of_melds() -> None:
    corpus = load_corpus("bundled-conversations")
    assert (len(corpus.train), len(corpus.validation or ()), len(corpus.test)) == (150, 25, 30)
    documents = corpus.train + (corpus.validation or ()) + corpus.test
    assert {len(d) for d in documents} == set(range(4, 11))
    assert {len({s.speaker for s in d.segments}) for d in documents} <= {1, 2, 3, 4}
    found = Counter(s.emotions[0] for d in documents for s in d.segments)
    assert set(found) == set(corpus.labels)
    assert 0.3 < found["neutral"] / found.total() < 0.4
    assert min(found.values()) > 0.03 * found.total()
    replies = Counter(s.text for d in documents for s in d.segments)
    short = {text: count for text, count in replies.items() if count > 1}
    assert set(short) == {"Me too.", "So do I!", "Same here.", "I still do.", "As I said."} | {
        "Really?",
        "Oh?",
        "Not me.",
        "I see.",
    }
    assert 0.15 < sum(short.values()) / found.total() < 0.25


def segments(documents: tuple[Document, ...]) -> list[Segment]:
    return [segment for document in documents for segment in document.segments]


def words(segment: Segment) -> list[str]:
    return re.findall(r"\w+", segment.text.lower())


def words_alone(train: list[Segment], test: list[Segment]) -> float:
    """Share of segments whose labels follow from the one word that tells most in the training part."""
    given: dict[str, Counter[str]] = defaultdict(Counter)
    for segment in train:
        for word in set(words(segment)):
            given[word][" ".join(segment.emotions)] += 1
    sure = {
        word: (counts.most_common(1)[0][1] / (counts.total() + 2), counts.most_common(1)[0][0])
        for word, counts in given.items()
    }
    guessed = [
        max((sure[word] for word in words(segment) if word in sure), default=(0.0, ""))[1] for segment in test
    ]
    return sum(guess == " ".join(s.emotions) for guess, s in zip(guessed, test, strict=True)) / len(test)


def test_emotions_cannot_be_read_off_a_word() -> None:
    corpus = load_corpus("bundled-conversations")
    assert 0.4 < words_alone(segments(corpus.train), segments(corpus.test)) < 0.75


def test_replies_take_their_emotion_from_what_was_said() -> None:
    corpus = load_corpus("bundled-conversations")
    echoes: set[str] = set()
    for document in corpus.train:
        for before, segment in pairwise(document.segments):
            if segment.text in ("Me too.", "So do I!", "Same here."):
                assert segment.emotions == before.emotions
                echoes.update(segment.emotions)
            if segment.text in ("Really?", "Oh?"):
                assert segment.emotions == ("neutral" if before.emotions == ("neutral",) else "surprise",)
    assert echoes == set(corpus.labels)


def test_comments_have_the_shape_of_goemotions() -> None:
    corpus = load_corpus("bundled-emotions")
    assert (len(corpus.train), len(corpus.validation or ()), len(corpus.test)) == (900, 120, 150)
    documents = corpus.train + (corpus.validation or ()) + corpus.test
    found = Counter(label for d in documents for label in d.segments[0].emotions)
    assert set(found) == set(corpus.labels)
    many = sum(len(d.segments[0].emotions) == 2 for d in documents) / len(documents)
    assert 0.18 < many < 0.25
    assert words_alone(segments(corpus.train), segments(corpus.test)) < 0.75

"""Answers, prompts, the taxonomy, near-duplicates and overlap."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis import duplicates
from ecpe_zoo.synthesis.answers import AnswerError, Cast, Judgement, Rewriting, read_answer
from ecpe_zoo.synthesis.duplicates import NEAR_WORDS, NearDuplicates, Overlap, grams, words
from ecpe_zoo.synthesis.prompting import PROMPTS, VARIABLES, Prompts
from ecpe_zoo.synthesis.subsets import split_narratives
from ecpe_zoo.synthesis.taxonomy import EMOTIONS, SYNONYMS


def test_the_taxonomy_has_28_labels_and_synonyms_lead_into_it() -> None:
    assert len(EMOTIONS) == 28
    assert set(SYNONYMS.values()) <= set(EMOTIONS)
    assert not set(SYNONYMS) & set(EMOTIONS)


def test_labels_are_those_of_the_goemotions_file(real_data: object) -> None:
    folder = real_data("goemotions") / "goemotions"  # type: ignore[operator]
    assert (folder / "labels.txt").read_text().split() == list(EMOTIONS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected a JSON object, but got none"),
        ('{"labels": {"joy": 0.5}, "expressiveness": ', "labels: Field required"),
        (
            '{"labels": {"joy": 1.5}, "expressiveness": 1}',
            "labels.joy: Input should be less than or equal to 1",
        ),
        ('{"labels": {"joy": NaN}, "expressiveness": 1}', "labels.joy: Input should be a finite number"),
        ('{"labels": {"joy": "much"}, "expressiveness": 1}', "labels.joy: Input should be a valid number"),
        ('{"labels": ["joy"], "expressiveness": 1}', "labels: Input should be a valid dictionary"),
        ('{"expressiveness": 1}', "labels: Field required"),
        ("[" * 5000 + "{" * 5000, "expected a JSON object, but got none"),
    ],
)
def test_a_judgement_that_does_not_serve(text: str, told: str) -> None:
    with pytest.raises(AnswerError) as caught:
        read_answer(text, Judgement)
    assert told in str(caught.value)


def test_a_judgement_in_many_forms() -> None:
    wanted = Judgement(labels={"joy": 0.5}, expressiveness=0.25)
    forms = [
        '{"labels": {"joy": 0.5}, "expressiveness": 0.25, "reason": "{}"}',
        '{"labels": [{"label": "joy", "score": "0.5"}], "expressiveness": 0.25}',
        'For {this}: ```{"labels": {"joy": 0.5},\n "expressiveness": 0.25}``` ok {',
        '<think>{"labels": {"fear": 1}, "expressiveness": 1}</think>{"labels": {"joy": 0.5}, "expressiveness": 0.25}',
        '{"example": 1} {"labels": {"joy": 0.5}, "expressiveness": 0.25}',
    ]
    assert [read_answer(form, Judgement) for form in forms] == [wanted] * len(forms)
    person = '{"name": "A", "description": "d", "events": ["e"]}'
    with pytest.raises(AnswerError, match="expected every character once"):
        read_answer(f'{{"characters": [{person}, {person}]}}', Cast)
    with pytest.raises(AnswerError, match="no good"):
        read_answer('{"utterance": "a"}', Rewriting, lambda answer: "no good")


def test_prompts_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    good = Prompts()
    assert set(good.hashes) == set(PROMPTS) == set(VARIABLES)
    for text, told in [
        ("{% block system %}{% endblock %}", "the blocks system and user, but user is missing"),
        (
            "{% block system %}a{% endblock %}\n{% block user %}{{ oops }}{% endblock %}",
            "only the variables emotions",
        ),
        ("a\n{% block system %}", r"labels\.jinja:2: expected a Jinja template"),
    ]:
        (tmp_path / "labels.jinja").write_text(text)
        with pytest.raises(ZooError, match=told):
            Prompts(tmp_path)
    (tmp_path / "labels.jinja").write_text(
        "{% block system %}a{% endblock %}{% block user %}{{ utterance }}{% endblock %}"
    )
    own = Prompts(tmp_path)
    assert own.render("labels", emotions=EMOTIONS, utterance="<b> {{ x }}") == ("a", "<b> {{ x }}")
    assert own.hashes["labels"] != good.hashes["labels"]
    assert own.hashes["cast"] == good.hashes["cast"]
    (tmp_path / "label.jinja").write_text("")
    with pytest.raises(ZooError, match="one of: cast, utterances"):
        Prompts(tmp_path)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 1.0])
def test_near_duplicates_are_those_of_a_search_through_all(
    threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "SAMPLE", 40)  # the order of the index changes on the way
    draw = random.Random(7)
    texts = [" ".join(draw.choices("abcd", k=draw.randint(1, 9))) for _ in range(300)]
    index = NearDuplicates(threshold)
    kept: list[set[int]] = []
    for number, text in enumerate(texts):
        mine = grams(words(text), NEAR_WORDS)
        best = max((len(mine & other) / len(mine | other) for other in kept), default=0.0)
        found = index.add(str(number), text)
        assert (found is not None) == (best >= threshold - 1e-9)
        if found is None:
            kept.append(mine)
        else:
            assert found[1] >= threshold - 1e-9
    assert 3 < len(kept) < 300


def test_overlap_counts_texts_on_both_sides() -> None:
    test = Overlap(["a b c d e f g h i", "one two three four", "too short", "今天下雨了他很难过"])
    assert test.texts == 4
    assert test.shared("x b c d e f g h i y") == 1
    assert test.shared("a b c d e f g x") == 0
    assert test.shared("well: One, two; three four!") == 1
    assert test.shared("too short") == 0
    assert test.shared("因为今天下雨了他很难过") == 1
    assert test.touched == 3


def test_small_sets_of_narratives_are_split_too() -> None:
    assert set(split_narratives([1, 2], 0.1, 0.1).values()) == {"train"}
    assert split_narratives([3, 1, 2], 0.1, 0.1) == {1: "test", 2: "validation", 3: "train"}
    assert set(split_narratives(range(9), 0.0, 0.0).values()) == {"train"}

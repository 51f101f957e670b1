"""Answers, prompts, the taxonomy, near-duplicates and overlap."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis import duplicates, loose_json
from ecpe_zoo.synthesis.answers import AnswerError, Cast, Judgement, Lines, Rewriting, read_answer
from ecpe_zoo.synthesis.checks import named_emotion, quoted_words
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
        ('{"labels": {"joy": 0.5}, "expressiveness": ', "expressiveness: Field required"),
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
    assert [read_answer(form, Judgement)[0] for form in forms] == [wanted] * len(forms)
    person = '{"name": "A", "description": "d", "events": ["e"]}'
    with pytest.raises(AnswerError, match="expected every character once"):
        read_answer(f'{{"characters": [{person}, {person}]}}', Cast)
    with pytest.raises(AnswerError, match="no good"):
        read_answer('{"utterance": "a"}', Rewriting, lambda answer: "no good")


JUDGED = '{"labels": {"joy": 0.5}, "expressiveness": 0.5}'
SCENE = '{"scene": 1, "context": "c", "utterance": "u"}'
SECOND = '{"scene": 2, "context": "d", "utterance": "v"}'


@pytest.mark.parametrize(
    ("text", "wanted", "mended"),
    [
        ('{"utterance": "a\nb\tc"}', {"utterance": "a\nb\tc"}, {"line break in a string"}),
        ('{"utterance": "a",\n}', {"utterance": "a"}, {"trailing comma"}),
        (r'{"utterance": "I\'m \ud83d\ude00 a\_b"}', {"utterance": "I'm \U0001f600 a_b"}, {"invalid escape"}),
        (
            r'{"utterance": "He said "no", and \"maybe", then left", "why": ""Yes"", "n": 1}',
            {"utterance": 'He said "no", and "maybe", then left'},
            {"unescaped quotation mark"},
        ),
        ('{"utterance": "He said "no""}', {"utterance": 'He said "no"'}, {"unescaped quotation mark"}),
        ('[{"utterance": "a"}]', {"utterance": "a"}, {"bare list"}),
        ('{"utterance": "a", "why": "beca', {"utterance": "a"}, {"cut answer"}),
        ('{"utterance": "a"', {"utterance": "a"}, {"cut answer"}),
        (
            '{"labels": [{"label": "joy", "score": 0.5}], "expressiveness": 0.5}',
            JUDGED,
            {"labels as a list"},
        ),
        ('{"labels": {"joy": 5, "fear": 0}, "expressiveness": 5}', None, {"scores from 0 to 10"}),
        ('{"labels": {"joy": "5", "fear": 0}, "expressiveness": 0.5}', None, {"scores from 0 to 10"}),
        ('{"labels": {"joy": 0.5, "fear": 0}, "expressiveness": 5}', None, {"scores from 0 to 10"}),
        (f'{{"utterances": [{SCENE}, {{"scene": 2, "context": "At', f"[{SCENE}]", {"cut answer"}),
        (f'{{"utterances": [{SCENE}, {SECOND}', f"[{SCENE}, {SECOND}]", {"cut answer"}),
        (f"[{SCENE}, {SECOND}]", f"[{SCENE}, {SECOND}]", {"bare list"}),
        (f"[{SCENE}, {SECOND[:30]}", f"[{SCENE}]", {"bare list", "cut answer"}),
        (f"{SCENE}\n{SECOND}", f"[{SCENE}, {SECOND}]", {"single objects"}),
        (
            f'{{"utterances": [{SCENE}, {{"scene": 2, "context": d}}]}}',
            f"[{SCENE}]",
            {"single objects"},
        ),
    ],
)
def test_what_small_models_get_wrong_is_mended(text: str, wanted: object, mended: set[str]) -> None:
    schema: type[Rewriting | Judgement | Lines]
    schema = Judgement if "labels" in text else Lines if "scene" in text else Rewriting
    if wanted is None:
        wanted = '{"labels": {"joy": 0.5, "fear": 0}, "expressiveness": 0.5}'
    if isinstance(wanted, str):
        wanted = json.loads(wanted)
    if isinstance(wanted, list):
        wanted = {"utterances": wanted}
    for before in ("", "{see} [1] below: ```"):
        answer, kinds = read_answer(before + text, schema)
        assert answer == schema.model_validate(wanted)
        assert kinds == mended


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"labels": {"joy": 0.5, "fear": 0.', "labels: Field required"),
        ('{"expressiveness": 0.5, "labels": {"joy": 0.5, "fear": 0.', "labels: Field required"),
        ('{"labels": {"joy": high}, "expressiveness": 0.5}', "got none"),
        ("{'labels': {'joy': 0.5}, 'expressiveness': 0.5}", "got none"),
        (
            '{"expressiveness": 0.5, "labels": [{"label": "joy", "score": 0.5}, {"label',
            "labels: Field required",
        ),
        ('{"labels": {"joy": 0.5}, "expressiveness": 0.5', "expressiveness: Field required"),
        ('{"labels": {"joy": 1}, "expressiveness": 7}', "expressiveness: Input should be less than"),
        ('{"labels": {"joy": 7}, "expressiveness": 1}', "labels.joy: Input should be less than"),
        ('{"labels": {"joy": 70}, "expressiveness": 60}', "labels.joy: Input should be less than"),
        ('{"labels": {"joy": 7, "fear": -1}, "expressiveness": 6}', "labels.joy: Input should be less than"),
    ],
)
def test_scores_are_not_guessed(text: str, told: str) -> None:
    with pytest.raises(AnswerError, match=told):
        read_answer(text, Judgement)


@pytest.mark.parametrize(
    "piece", ['{"a":', '[{"a":', "[", "{", '{"{":', '{"a": [1,', "<think>", '{"a\\x', '{"a":"b"c']
)
@pytest.mark.parametrize("end", ["", "x"])
def test_reading_takes_linear_time(piece: str, end: str) -> None:
    """Scanned characters, not seconds: an answer of nested brackets took time that grew with the square."""
    read: list[int] = []
    for size in (4_000, 16_000):
        scanned = 0

        class Counted(loose_json._Scan):
            def _peek(self) -> str:
                nonlocal scanned
                scanned += 1
                return super()._peek()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loose_json, "_Scan", Counted)
            with pytest.raises(AnswerError):
                read_answer(piece * size + end, Lines)
        read.append(scanned)
    assert read[1] <= 4.5 * read[0] + 100


def _random_json(draw: random.Random, depth: int = 0) -> Any:
    kind = draw.randrange(4 if depth < 3 else 2)
    if kind == 0:
        return draw.choice([0, -7, 1.5e-3, 10**20, True, False, None])
    if kind == 1:
        return "".join(draw.choices('ab "{}[],:\\\n\u00e9\u4e2d\U0001f600', k=draw.randrange(8)))
    values = [_random_json(draw, depth + 1) for _ in range(draw.randrange(4))]
    return values if kind == 2 else {f'k{index}"': value for index, value in enumerate(values)}


def test_json_is_read_as_the_standard_library_reads_it_and_prefixes_are_kept_in_part() -> None:
    draw = random.Random(3)
    for _ in range(300):
        value = {"first": _random_json(draw), "then": [_random_json(draw) for _ in range(2)], "last": 1}
        text = json.dumps(value, indent=draw.choice([None, 1]), ensure_ascii=draw.random() < 0.5)
        (found,) = loose_json.find_json(f"So: {text} !")
        assert found == loose_json.Found(value)
        cut = text[: draw.randrange(1, len(text))]
        for part in loose_json.find_json(cut):
            if isinstance(part.value, dict) and "first" in part.value:
                assert part.value["first"] == value["first"] or part.partial == "first"
                assert part.value.get("then", []) == value["then"][: len(part.value.get("then", []))]
            break


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_emotion_is_found_by_its_name(emotion: str) -> None:
    assert named_emotion(f"It was {emotion.upper()}, she thought.", emotion) == emotion.upper()
    assert named_emotion("The kettle stood on the table.", emotion) is None


@pytest.mark.parametrize(
    ("context", "emotion", "found"),
    [
        ("He was angry with her.", "anger", "angry"),
        ("A surprising turn.", "surprise", "surprising"),
        ("He disapproves.", "approval", None),
        ("She put on her gloves; a lovely day.", "love", None),
        ("She saddled the horse.", "sadness", None),
        ("Joyce came by.", "joy", None),
        ("The fearless crew.", "fear", None),
        ("She was happy.", "joy", None),
        ("她很害怕。", "fear", "害怕"),
        ("他不赞成。", "approval", None),
    ],
)
def test_names_of_emotions_are_words_and_their_inflections(
    context: str, emotion: str, found: str | None
) -> None:
    assert named_emotion(context, emotion) == found


@pytest.mark.parametrize(
    ("context", "utterance", "found"),
    [
        (
            "She says: I never liked that house.",
            "I NEVER liked that house! Never.",
            "i never liked that house",
        ),
        ("Ada said, 'Get out', and left.", "Get out!", "get out"),
        ("Ada said “Don’t go” twice.", "Don't go.", "don t go"),
        ("Ada told him to get out, and left.", "Get out!", None),
        ("It rained in the morning. Ada left.", "It rained in the evening. What now?", None),
        ("So b c d e f g h i it went", "well b c d e f g h i then", "b c d e f g h i"),
        ("他说今天下雨了。", "今天下雨了！", "今 天 下 雨 了"),
    ],
)
def test_quotations_are_found(context: str, utterance: str, found: str | None) -> None:
    assert quoted_words(context, utterance) == found


def test_examples_of_the_prompts_pass_the_checks() -> None:
    prompts = Prompts()
    read_answer(prompts.example("cast"), Cast)
    for example in (prompts.example("labels"), prompts.example("labels_in_context")):
        assert set(read_answer(example, Judgement)[0].labels) <= set(EMOTIONS)
    (line,) = read_answer(prompts.example("utterances"), Lines)[0].utterances
    rewritten = read_answer(prompts.example("rewrite"), Rewriting)[0].utterance
    assert line.utterance in prompts.example("rewrite")
    assert named_emotion(line.context, "relief") is None
    assert quoted_words(line.context, line.utterance) is quoted_words(line.context, rewritten) is None


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


@pytest.mark.parametrize("text", ['{"utterance": half', '{"utterance": "hal', '{"utterance": half}', "half"])
def test_texts_are_not_completed(text: str) -> None:
    with pytest.raises(AnswerError):
        read_answer(text, Rewriting)

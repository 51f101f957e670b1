"""Published JSON forms of conversations: small files in the true form, and what is wrong with each damaged one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.emorynlp import read_scenes
from ecpe_zoo.corpora.iemocap import read_iemocap
from ecpe_zoo.corpora.published import FORMS
from ecpe_zoo.corpora.readers.lines import Reader
from ecpe_zoo.corpora.reccon import read_reccon, read_reccon_iemocap
from ecpe_zoo.corpora.registry import find_corpus, load_corpus
from ecpe_zoo.errors import CorpusError, ZooError

SCENES = """{
  "season_id": "trn",
  "episodes": [
    {
      "episode_id": "s01_e02",
      "scenes": [
        {
          "scene_id": "s01_e02_c01",
          "utterances": [
            {
              "utterance_id": "s01_e02_c01_u002",
              "speakers": ["Ann Lee"],
              "transcript": "Yeah, right!",
              "tokens": [["Yeah", ",", "right", "!"]],
              "emotion": "Joyful"
            },
            {
              "utterance_id": "s01_e02_c01_u003",
              "speakers": ["Ann Lee", "Bob O'Neil"],
              "transcript": "Hi!",
              "tokens": [["Hi", "!"]],
              "emotion": "Mad"
            },
            {"utterance_id": "s01_e02_c01_u004", "speakers": [], "transcript": "Hm.", "tokens": [["Hm", "."]]}
          ]
        },
        {
          "scene_id": "s01_e02_c02",
          "utterances": [
            {"utterance_id": "s01_e02_c02_u001", "speakers": ["Cem"], "transcript": "No.", "emotion": "Neutral"},
            {"utterance_id": "s01_e02_c02_u002", "speakers": ["Cem"], "transcript": " ", "emotion": "Sad"}
          ]
        }
      ]
    },
    {
      "episode_id": "s01_e03",
      "scenes": [
        {"scene_id": "s01_e03_c01", "utterances": [
          {"utterance_id": "s01_e03_c01_u001", "speakers": ["Dee"], "transcript": "Boo!", "emotion": "Scared"}]}
      ]
    }
  ]
}
"""

IEMOCAP_CAUSES = """{
  "Ses02F_script01_1b": [[
    {"turn": 1, "speaker": "A", "utterance": "You won !", "emotion": "excited",
     "expanded emotion cause evidence": [1, "b"], "expanded emotion cause span": ["won", "b"],
     "type": ["latent", "no-context"]},
    {"turn": 2, "speaker": "B", "utterance": "So what .", "emotion": "frustrated",
     "expanded emotion cause evidence": [1, 2, 9], "explanation": "tired"}
  ]],
  "Ses05M_impro03": [[
    {"turn": 1, "speaker": "A", "utterance": "Hello .", "emotion": "neutral"},
    {"turn": 2, "speaker": "B", "utterance": "Hi .", "emotion": "happy", "expanded emotion cause evidence": [2]}
  ]],
  "Ses01F_impro01": [[
    {"turn": 1, "speaker": "A", "utterance": "Go .", "emotion": "anger", "expanded emotion cause evidence": ["b"]}
  ]]
}
"""

QUESTIONS = json.dumps(
    [
        {
            "context": "Hello . Hi .",
            "qas": [
                {
                    "id": "iemocap_x_utt_2_true_cause_utt_1_impossible",
                    "question": "The target utterance is Hi .",
                    "answers": [{"text": "", "answer_start": -1}],
                    "is_impossible": True,
                }
            ],
        }
    ]
)

TURNS = """[
  [
    {"text": "Excuse me. [LAUGHTER]", "speaker": "f", "label": "exc"},
    {"text": "Do [LAUGHTER] you", "speaker": "M"},
    {"text": "[LAUGHTER]", "speaker": "F", "label": "hap"}
  ],
  [
    {"text": "No.", "speaker": "M", "label": "fru"}
  ],
  [
    {"text": "Yes.", "speaker": "F", "label": null}
  ]
]
"""


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_scenes_of_emorynlp_give_exact_documents(tmp_path: Path) -> None:
    reading = read_scenes(put(tmp_path, "a.json", SCENES))
    assert reading.documents == (
        Document(
            "s01_e02_c01",
            (
                Segment("Yeah, right!", "Ann Lee", ("joyful",)),
                Segment("Hi!", "Ann Lee and Bob O'Neil", ("mad",)),
                Segment("Hm.", judged=False),
            ),
            language="en",
        ),
        Document("s01_e02_c02", (Segment("No.", "Cem", ("neutral",)),), language="en"),
        Document("s01_e03_c01", (Segment("Boo!", "Dee", ("scared",)),), language="en"),
    )
    assert reading.counts == {
        "empty_texts": 1,
        "utterances_of_nobody": 1,
        "utterances_of_several": 1,
        "utterances_without_emotion": 1,
    }


def test_the_iemocap_part_of_reccon_gives_exact_documents(tmp_path: Path) -> None:
    reading = read_reccon_iemocap(put(tmp_path, "a.json", IEMOCAP_CAUSES))
    assert reading.documents == (
        Document(
            "Ses02F_script01_1b",
            (Segment("You won !", "A", ("excited",)), Segment("So what .", "B", ("frustrated",))),
            frozenset({(0, 0), (1, 0), (1, 1)}),
            "en",
        ),
        Document(
            "Ses05M_impro03",
            (Segment("Hello .", "A", ("neutral",)), Segment("Hi .", "B", ("happiness",))),
            frozenset({(1, 1)}),
            "en",
        ),
        Document("Ses01F_impro01", (Segment("Go .", "A", ("anger",)),), frozenset(), "en"),
    )
    assert reading.counts == {
        "annotated_pairs": 4,
        "background_causes": 2,
        "outside_causes": 1,
        "respelled_emotions": 1,
    }


def test_turns_of_iemocap_as_eacl_reads_them(tmp_path: Path) -> None:
    reading = read_iemocap(put(tmp_path, "a.json", TURNS))
    assert reading.documents[0].segments == (
        Segment("Excuse me.", "Mary", ("excited",)),
        Segment("Do you", "James", judged=False),
        Segment("[LAUGHTER]", "Mary", ("happy",)),
    )
    assert [segment.judged for document in reading.documents for segment in document.segments] == [
        True,
        False,
        True,
        True,
        False,
    ]
    assert reading.counts == {"laughter_marks": 3}


# what is replaced by what, the line of the error, what is expected and found
MALFORMED: list[tuple[Reader, str, str, str, int, str, str]] = [
    (read_scenes, SCENES, '"Joyful"', '"Glad"', 10, "one of joyful, mad.*u002", "'Glad'"),
    (read_scenes, SCENES, '"Joyful"', "[1]", 10, "one of joyful, mad", r"\[1\]"),
    (read_scenes, SCENES, '["Ann Lee"]', '"Ann Lee"', 10, "a list of names as `speakers`", "Ann Lee"),
    (read_scenes, SCENES, '["Ann Lee"]', "[null]", 10, "a list of names as `speakers`", "None"),
    (read_scenes, SCENES, '"transcript": "Hi!"', '"text": "Hi!"', 17, "text as `transcript` of", "None"),
    (read_scenes, SCENES, '"scene_id": "s01_e02_c02"', '"scene_id": 2', 27, "a name as `scene_id`", "2"),
    (read_scenes, SCENES, '_c02",', '_c01",', 27, "every scene_id once", "as in line 7"),
    (
        read_scenes,
        SCENES,
        '{"utterance_id": "s01_e02_c02_u001"',
        '7, {"u": 1',
        30,
        "an utterance: an object",
        "7",
    ),
    (read_reccon_iemocap, IEMOCAP_CAUSES, '"excited"', '"bored"', 3, "one of neutral, anger", "'bored'"),
    (read_reccon_iemocap, IEMOCAP_CAUSES, '[1, "b"]', '[1, "c"]', 3, 'turns or "b"', "'c'"),
    (read_reccon_iemocap, IEMOCAP_CAUSES, '"turn": 2', '"turn": 3', 6, "2 as turn of utterance 2", "3"),
    (read_iemocap, TURNS, '"f"', '"X"', 3, "F or M as speaker", "'X'"),
    (read_iemocap, TURNS, '"fru"', '"xxx"', 8, "one of neu, exc.* or null as label", "'xxx'"),
]


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_items_are_named_and_skipped(
    tmp_path: Path, case: tuple[Reader, str, str, str, int, str, str]
) -> None:
    reader, text, old, new, line, expected, found = case
    assert old in text
    path = put(tmp_path, "a.json", text.replace(old, new, 1))
    with pytest.raises(CorpusError, match=rf"a\.json:{line}: expected .*({expected}).*, but got .*{found}"):
        reader(path)
    reading = reader(path, on_error="skip")
    assert len(reading.documents) == 2
    assert reading.counts["skipped_documents"] == 1


@pytest.mark.parametrize(
    ("reader", "text"),
    [(read_scenes, SCENES), (read_reccon_iemocap, IEMOCAP_CAUSES), (read_iemocap, TURNS)],
)
def test_broken_json_has_its_line_even_under_skip(tmp_path: Path, reader: Reader, text: str) -> None:
    with pytest.raises(CorpusError, match="truncated"):
        reader(put(tmp_path, "a.json", text.rstrip()[:-1]), on_error="skip")
    with pytest.raises(CorpusError, match="the end of the file after the last"):
        reader(put(tmp_path, "a.json", text + "]"), on_error="skip")
    with pytest.raises(CorpusError, match=r":1: expected `.` before"):
        reader(put(tmp_path, "a.json", "7"), on_error="skip")


def test_a_scene_that_is_none_and_a_field_without_a_name(tmp_path: Path) -> None:
    path = put(
        tmp_path, "a.json", SCENES.replace('{\n          "scene_id": "s01_e02_c02"', '7, {"scene_id": "x"')
    )
    with pytest.raises(CorpusError, match=r":27: expected a scene: an object with `scene_id`.*but got '7'"):
        read_scenes(path)
    path = put(tmp_path, "a.json", SCENES.replace('"season_id"', "season_id"))
    with pytest.raises(CorpusError, match=r":2: expected the name of a field in quotes"):
        read_scenes(path)


def test_question_files_of_reccon_are_refused_with_the_way_out(tmp_path: Path) -> None:
    for reader in (read_reccon, read_reccon_iemocap):
        with pytest.raises(CorpusError, match=r":1: .*but got a list\. Question files.*original_annotation"):
            reader(put(tmp_path, "iemocap_qa_test_with_context.json", QUESTIONS))


def test_own_copies_are_corpora(tmp_path: Path) -> None:
    for name, folder in (("emorynlp-json", "emorynlp"), ("reccon-iemocap", "reccon")):
        with pytest.raises(ZooError, match=rf"{name} .*the zoo has nothing to fetch.*DIR/{folder}"):
            load_corpus(name, tmp_path)
    for part, scene in (("trn", "s01"), ("dev", "s02"), ("tst", "s03")):
        text = SCENES.replace('"scene_id": "s01', f'"scene_id": "{scene}')
        put(tmp_path, f"emorynlp/emotion-detection-{part}.json", text)
    corpus = load_corpus("emorynlp-json", tmp_path)
    assert corpus.labels == FORMS["emorynlp"].labels
    assert [part[0].id for part in (corpus.train, corpus.validation or (), corpus.test)] == [
        "s01_e02_c01",
        "s02_e02_c01",
        "s03_e02_c01",
    ]
    turn = {"turn": 1, "speaker": "A", "utterance": "I won .", "emotion": "excited"}
    for part in ("train", "valid"):
        put(tmp_path, f"reccon/dailydialog_{part}.json", json.dumps({part: [[turn]]}))
    put(tmp_path, "reccon/iemocap_test.json", IEMOCAP_CAUSES)
    corpus = load_corpus("reccon-iemocap", tmp_path)
    assert corpus.train[0].segments[0].emotions == ("happiness",)  # as RECCON writes it in its main part
    assert corpus.test[0].segments[0].emotions == ("excited",)
    assert {e for d in corpus.test for s in d.segments for e in s.emotions} <= set(corpus.labels)


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_a_description_names_the_form(tmp_path: Path, kind: str) -> None:
    text = {"emorynlp": SCENES, "iemocap": TURNS, "reccon-iemocap": IEMOCAP_CAUSES}.get(kind, "")
    text = text or IEMOCAP_CAUSES.replace("frustrated", "anger")
    put(tmp_path, "a.json", text)
    other = text.replace("s01_e0", "s02_e0").replace("Ses0", "Ses1")
    put(tmp_path, "b.json", other)
    path = put(tmp_path, "c.yaml", f"format: {{kind: {kind}}}\nfiles: {{train: a.json, test: [b.json]}}\n")
    corpus, form = find_corpus(str(path)), FORMS[kind]
    assert (corpus.labels, corpus.tasks) == (form.labels, form.tasks)
    loaded = load_corpus(str(path))
    assert [len(loaded.train), len(loaded.test)] == [3, 3]
    assert all(set(s.emotions) <= set(form.labels) for d in loaded.train for s in d.segments)
    path.write_text(path.read_text() + "unlabelled_test: true\n")
    assert not any(s.emotions for d in load_corpus(str(path)).test for s in d.segments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("format: {kind: emorynlp, encoding: gb18030}", "expected no other option beside `kind: emorynlp`"),
        (
            "labels: [joy]\nformat: {kind: reccon}",
            "expected neither `labels` nor another language.*neutral, anger",
        ),
        ("language: zh\nformat: {kind: iemocap}", "expected neither `labels` nor another language"),
        ("tasks: [ecpe]\nformat: {kind: emorynlp}", r"tasks of `kind: emorynlp` \(erc\), but got ecpe"),
        ("tasks: [ecpe]\nformat: {kind: csv}", "one of: clauses, json, jsonl, ecac, reccon, reccon-iemocap"),
    ],
)
def test_descriptions_that_do_not_fit_the_form(tmp_path: Path, text: str, message: str) -> None:
    path = put(tmp_path, "c.yaml", f"{text}\nfiles: {{train: a.json}}\n")
    with pytest.raises(ZooError, match=message):
        find_corpus(str(path))

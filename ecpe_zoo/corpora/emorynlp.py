"""EmoryNLP (Zahiri and Choi, 2018) as conversation papers use it: scenes in a CSV file, one utterance a row.

    Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time
    "Yeah, right!","['Joey Tribbiani']",Neutral,1,2,1,2,00:00:04.504,00:00:07.548

`Speaker` is a Python list literal, read as a literal and never evaluated; several speakers of one utterance
are joined with " and ". A conversation is the run of rows of one season, episode and scene. Labels are
lower-cased, as label words are in all other corpora.

Its authors (emorynlp/emotion-detection) publish other parts of it, in JSON:

    {"season_id": "trn", "episodes": [{"episode_id": "s01_e02", "scenes": [{"scene_id": "s01_e02_c01", "utterances": [
      {"utterance_id": "s01_e02_c01_u002", "speakers": ["Joey Tribbiani"], "transcript": "Yeah, right!",
       "tokens": [["Yeah", ",", "right", "!"]], "emotion": "Neutral"}, ...]}, ...]}, ...]}

An utterance without an emotion is context only there, and one may have no speaker.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ecpe_zoo.corpora.corpus import Corpus, one_file_each
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers.conversations import Conversations
from ecpe_zoo.corpora.readers.json_text import Cursor, Item
from ecpe_zoo.corpora.readers.lines import Collector, OnError, Reading, shown
from ecpe_zoo.corpora.readers.mending import mended
from ecpe_zoo.corpora.readers.rows import Row, table_rows

LABELS = ("joyful", "mad", "peaceful", "neutral", "sad", "powerful", "scared")
"""In the order of the published baselines."""
_SCENE = ("Season", "Episode", "Scene_ID")


def read_emorynlp(path: Path, on_error: OnError = "raise") -> Reading:
    """Read scenes: an utterance is a segment with a speaker and one emotion; ids are `season-episode-scene`.

    Raises:
        CorpusError: The file does not follow its format.
    """
    columns = ("Utterance", "Speaker", "Emotion", "Utterance_ID", *_SCENE)
    return _SCENES.read(path, on_error, table_rows(path, columns, loose=True))


def _utterance(row: Row, counts: Counter[str]) -> Segment | None:
    emotion = row.label(row.fields["Emotion"].strip().lower(), LABELS)
    text = row.mended("Utterance", counts)
    if not text:
        return None
    return Segment(text, speaker=_speaker(row, counts), emotions=(emotion,))


def _speaker(row: Row, counts: Counter[str]) -> str:
    literal = row.text("Speaker", "a list of speakers")
    expected = "a list of names like ['Joey Tribbiani'] in column Speaker"
    try:
        listed = ast.literal_eval(literal)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise row.error(expected, shown(literal)) from None
    if not (isinstance(listed, list) and listed):
        raise row.error(expected, shown(literal))
    names = _names(listed, counts)
    if names is None:
        raise row.error(expected, shown(literal))
    return names


def _names(listed: Sequence[Any], counts: Counter[str]) -> str | None:
    """The speakers of an utterance as one; None if they are no names."""
    names = [mended(name)[0].strip() for name in listed if isinstance(name, str)]
    if len(names) < len(listed) or not all(names):
        return None
    counts["utterances_of_several"] += len(names) > 1
    return " and ".join(names)


_SCENES = Conversations(
    key=_SCENE,
    name=lambda row: "-".join(str(row.number(column)) for column in _SCENE),
    utterance=_utterance,
    unit="scene",
    number="Utterance_ID",
)


def read_scenes(path: Path, on_error: OnError = "raise") -> Reading:
    """Read scenes in JSON: an utterance is a segment with a speaker and one emotion; the id is that of the scene.

    Raises:
        CorpusError: The file does not follow its format. If the JSON itself is broken, `skip` raises too: nothing after
            the break can be read.
    """
    cursor = Cursor.of(path)
    collector = Collector(path, on_error, "scene_id")
    for part in cursor.fields("a season: an object with `episodes`"):
        if part != "episodes":
            cursor.value(f"a value of {part!r}")
            continue
        for _ in cursor.items("[", "]", "episodes"):
            for inner in cursor.fields("an episode: an object with `scenes`"):
                if inner != "scenes":
                    cursor.value(f"a value of {inner!r}")
                    continue
                for _ in cursor.items("[", "]", "scenes"):
                    scene = _scene(cursor)
                    collector.add(partial(_scene_document, scene), scene.line)
    cursor.end("season")
    return collector.reading("scenes in `episodes`")


def _scene(cursor: Cursor) -> Item:
    """The fields of a scene; its utterances are items with lines of their own."""
    line = cursor.line()
    if cursor.peek() != "{":
        return Item(cursor.path, line, cursor.value("a scene"))
    scene: dict[str, Any] = {}
    for name in cursor.fields("a scene"):
        listed = name == "utterances" and cursor.peek() == "["
        scene[name] = list(cursor.listed(name, "an utterance")) if listed else cursor.value(f"{name!r}")
    return Item(cursor.path, line, scene)


def _scene_document(scene: Item, counts: Counter[str]) -> Document | None:
    value = scene.mapping("a scene: an object with `scene_id` and `utterances`")
    name, utterances = value.get("scene_id"), value.get("utterances")
    if not (isinstance(name, str) and name.strip()):
        raise scene.error("a name as `scene_id`", shown(repr(name)))
    if not isinstance(utterances, list):
        raise scene.error(f"a list as `utterances` of {name}", shown(repr(utterances)))
    taken = [_scene_segment(item, counts) for item in utterances]
    segments = tuple(segment for segment in taken if segment is not None)
    counts["empty_texts"] += len(taken) - len(segments)
    if not segments:
        counts["empty_documents"] += 1
        return None
    return Document(name.strip(), segments, language="en")


def _scene_segment(item: Item, counts: Counter[str]) -> Segment | None:
    value = item.mapping("an utterance: an object with `speakers`, `transcript` and `emotion`")
    name = shown(str(value.get("utterance_id", "without `utterance_id`")))
    text, speakers, emotion = (value.get(key) for key in ("transcript", "speakers", "emotion"))
    if not isinstance(text, str):
        raise item.error(f"text as `transcript` of utterance {name}", shown(repr(text)))
    speaker = _names(speakers, counts) if isinstance(speakers, list) else None
    if speaker is None:
        raise item.error(f"a list of names as `speakers` of utterance {name}", shown(repr(speakers)))
    label = emotion.strip().lower() if isinstance(emotion, str) else emotion
    if label is not None and label not in LABELS:
        expected = f"one of {', '.join(LABELS)}, or none, as `emotion` of utterance {name}"
        raise item.error(expected, shown(repr(emotion)))
    text, wrong = mended(text)
    counts["mended_texts"] += wrong > 0
    if not text.strip():
        return None
    counts["utterances_of_nobody"] += not speaker
    counts["utterances_without_emotion"] += label is None
    emotions = () if label is None else (label,)
    return Segment(text.strip(), speaker or None, emotions, judged=label is not None)


CORPORA = (
    Corpus(
        id="emorynlp",
        description="Friends scenes with an emotion of each utterance (EmoryNLP, Zahiri and Choi 2018)",
        languages=("en",),
        tasks=("erc",),
        licence="Apache-2.0 (EmoryNLP)",
        splits=one_file_each(
            read_emorynlp,
            "emorynlp_train_final.csv",
            "emorynlp_test_final.csv",
            "emorynlp_dev_final.csv",
            renumbered=True,
        ),
        labels=LABELS,
        repository="declare-lab/MELD",
        commit="2d2011b409d3ca2d7e94460cd007d434b1d0a102",
    ),
    Corpus(
        id="emorynlp-json",
        description="EmoryNLP in the parts that its authors publish, as JSON: own files",
        languages=("en",),
        tasks=("erc",),
        licence="comes from emorynlp/emotion-detection on GitHub, folder json",
        splits=one_file_each(
            read_scenes,
            "emotion-detection-trn.json",
            "emotion-detection-tst.json",
            "emotion-detection-dev.json",
        ),
        labels=LABELS,
        own=True,
        stored="emorynlp",
    ),
)

"""The user's own files in the forms in which people have them: exact documents, and a way out of each mistake."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.corpora.audit import audit
from ecpe_zoo.corpora.description import read_description
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.ecac import ConversationReader
from ecpe_zoo.corpora.readers.table import TableFormat, read_table
from ecpe_zoo.corpora.registry import find_corpus, load_corpus
from ecpe_zoo.corpora.splits import partition
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import CorpusError, ZooError

LABELS = ("joy", "anger", "none")


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def emotions(path: Path, **options: Any) -> list[tuple[str, ...]]:
    format = TableFormat(**{"label": "label", "labels": LABELS, **options})
    return [document.segments[-1].emotions for document in read_table(path, format).documents]


# --- files


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-8-sig"])
def test_other_encodings(tmp_path: Path, encoding: str) -> None:
    path = put(tmp_path, "a.csv", "text,label\nCafé – déjà,joy\n".encode(encoding))
    format = TableFormat(label="label", labels=LABELS, encoding=encoding)
    assert read_table(path, format).documents[0].segments[0].text == "Café – déjà"


def test_bytes_of_another_encoding_have_a_line_and_a_way_out(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "text\nok\nCafé\n".encode("cp1252"))
    with pytest.raises(CorpusError, match=r"a.csv:3: expected UTF-8 text, .*0xe9.*name its encoding"):
        read_table(path, TableFormat())
    chinese = put(tmp_path, "b.csv", "text\n好的\n".encode("gb18030") + b"\xff\n")
    with pytest.raises(CorpusError, match=r"b.csv:3: expected gb18030 text"):
        read_table(chinese, TableFormat(encoding="gb18030"))
    assert len(read_table(chinese, TableFormat(encoding="gb18030"), "skip").documents) == 1
    wide = put(tmp_path, "c.csv", "text\nok\n".encode("utf-16"))
    with pytest.raises(CorpusError, match=r"c.csv:1: .*it looks like utf-16"):
        read_table(wide, TableFormat())
    half = put(tmp_path, "d.csv", "text\nok\nso".encode("utf-16-le") + b"\x00")
    with pytest.raises(CorpusError, match=r"d.csv:3: expected utf-16-le text"):
        read_table(half, TableFormat(encoding="utf-16-le"))


@pytest.mark.parametrize("name", ["latin-99", "rot13", "idna", "unicode_escape"])
def test_an_unknown_encoding_is_an_error_of_the_description(name: str) -> None:
    with pytest.raises(ZooError, match=f"an encoding that Python knows.*{name}"):
        TableFormat(encoding=name)


def test_packed_files_give_the_same(tmp_path: Path) -> None:
    text = "text,label\nA,joy\n"
    put(tmp_path, "train.csv", text)
    put(tmp_path, "test.csv.gz", gzip.compress(text.replace("A", "B").encode()))
    description = "labels: [joy]\nformat: {label: label}\nfiles: {train: train.csv, test: test.csv.gz}\n"
    loaded = load_corpus(str(put(tmp_path, "c.yaml", description)))
    assert (loaded.train[0].id, loaded.test[0].id) == ("train-2", "test-2")
    assert loaded.test[0].segments == (Segment("B", emotions=("joy",)),)
    for broken in (b"no gzip", gzip.compress(text.encode())[:-9]):
        put(tmp_path, "test.csv.gz", broken)
        with pytest.raises(CorpusError, match=r"test.csv.gz: expected a complete gzip file"):
            load_corpus(str(tmp_path / "c.yaml"))


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(CorpusError, match="a file that can be read, but got Is a directory"):
        read_table(tmp_path / "a.csv", TableFormat())


def test_tables_without_a_header(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", '4,1467,"Oh, well"\n0,1468,No\n')
    header = ("label", "id", "text")
    format = TableFormat(
        header=header, label="label", labels=("0", "4"), synonyms=(), text="text", id="id", delimiter=","
    )
    assert [
        (d.id, d.segments[0].text, d.segments[0].emotions) for d in read_table(path, format).documents
    ] == [
        ("1467", "Oh, well", ("4",)),
        ("1468", "No", ("0",)),
    ]
    with pytest.raises(
        CorpusError, match=r"a.csv:1: expected 2 fields for the columns that were named, but got 3"
    ):
        read_table(path, TableFormat(header=("label", "text"), label="label", labels=("0",)))
    with pytest.raises(ZooError, match="header to name the columns body"):
        TableFormat(header=("label", "text"), text="body")


def test_a_json_list_of_rows(tmp_path: Path) -> None:
    rows: list[Any] = [{"text": "A", "label": ["joy"]}, {"text": "B", "label": "anger"}]
    path = put(tmp_path, "a.json", json.dumps(rows, indent=1))
    assert emotions(path) == [("joy",), ("anger",)]
    put(tmp_path, "a.json", json.dumps([*rows, {"text": "C", "label": "rage"}, 3], indent=1))
    with pytest.raises(CorpusError, match=r"a.json:12: expected a label of joy, anger, none"):
        emotions(path)
    format = TableFormat(label="label", labels=LABELS)
    assert read_table(path, format, "skip").counts == {"skipped_documents": 2}
    with pytest.raises(CorpusError, match="`\\[` before a list of rows"):
        emotions(put(tmp_path, "b.json", '{"data": []}'))


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_a_field_that_no_object_has_is_named(tmp_path: Path, kind: str) -> None:
    rows = [{"text": "A", "feeling": "joy"}, {"text": "B", "feeling": "anger"}]
    content = json.dumps(rows) if kind == "json" else "".join(json.dumps(row) + "\n" for row in rows)
    path = put(tmp_path, f"a.{kind}", content)
    wrongs: tuple[tuple[str, dict[str, Any]], ...]
    wrongs = (("said", {"text": "said"}), ("whom", {"speaker": "whom", "conversation": "text"}))
    for name, wrong in wrongs:
        format = TableFormat(**({"label": "feeling", "labels": LABELS} | wrong))
        message = rf"a\.{kind}:1: expected a field '{name}', but got text, feeling\. .*`format`"
        for on_error in ("raise", "skip"):
            with pytest.raises(CorpusError, match=message):
                read_table(path, format, on_error)  # type: ignore[arg-type]
    some = put(tmp_path, f"b.{kind}", content.replace('"text": "B", ', ""))  # an object may lack one
    assert read_table(some, TableFormat(label="feeling", labels=LABELS)).counts["empty_documents"] == 1


def test_a_table_with_carriage_returns_or_in_utf_16_says_so(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "text,label\rA,joy\r")
    with pytest.raises(
        CorpusError, match=r"a\.csv:1: .*carriage return .*Save the file with line ends of LF"
    ):
        emotions(path)
    path.write_bytes('text,label\n"A",joy\n'.encode("utf-16"))
    with pytest.raises(CorpusError, match=r"a\.csv:1: .*it looks like utf-16"):
        emotions(path)


@pytest.mark.parametrize("scale", [0, 5])
@pytest.mark.parametrize("gap", ["", "NaN"])
def test_an_empty_cell_among_labels_says_what_to_write(tmp_path: Path, scale: float, gap: str) -> None:
    path = put(tmp_path, "a.csv", f"text,joy,anger\nA,1,{gap}\n")
    format = TableFormat(columns=("joy", "anger"), labels=("joy", "anger"), scale=scale)
    with pytest.raises(CorpusError, match=r"a\.csv:2: .* in column anger, but got .*Write 0 where the label"):
        read_table(path, format)


def test_one_training_document_is_too_few() -> None:
    whole = load_corpus("bundled-ecpe")
    loaded = replace(whole, train=whole.train[:1], validation=None)
    with pytest.raises(
        ZooError, match="at least two training documents, one of them for validation, but got 1"
    ):
        partition(loaded)


# --- labels


@pytest.mark.parametrize(
    ("field", "options", "expected"),
    [
        ("1", {"numbers_from": 0}, ("anger",)),
        ("1.0", {"numbers_from": 0}, ("anger",)),
        ("1", {"numbers_from": 1}, ("joy",)),
        ("2;0", {"numbers_from": 0, "separator": ";"}, ("joy", "none")),
        ("[0, 2]", {"numbers_from": 0}, ("joy", "none")),
        ("0 1 1", {"multi_hot": True}, ("anger", "none")),
        ("[1, 0, 1]", {"multi_hot": True}, ("joy", "none")),
        ("010", {"multi_hot": True}, ("anger",)),
        ("True,False,False", {"multi_hot": True}, ("joy",)),
        ("000", {"multi_hot": True}, ()),
        ("['joy', 'anger']", {}, ("joy", "anger")),
        ('["joy"]', {}, ("joy",)),
        ("['joy' 'none']", {}, ("joy", "none")),
        ("[joy, none]", {}, ("joy", "none")),
        ("('joy',)", {}, ("joy",)),
        ("{'joy'}", {}, ("joy",)),
        ("[]", {}, ()),
        ("Joy", {"any_case": True}, ("joy",)),
        ("HAPPY", {"any_case": True, "synonyms": (("happy", "joy"),)}, ("joy",)),
        ("neural", {"synonyms": (("neural", "none"),)}, ("none",)),
    ],
)
def test_labels_in_other_forms(
    tmp_path: Path, field: str, options: dict[str, Any], expected: tuple[str, ...]
) -> None:
    path = put(tmp_path, "a.tsv", f"text\tlabel\nA\t{field}\n")
    document = read_table(path, TableFormat(label="label", labels=LABELS, **options)).documents[0]
    none: dict[str, float] | None = {} if expected == () else None  # annotated: no label applies
    assert document.segments == (Segment("A", emotions=expected, intensities=none),)


@pytest.mark.parametrize(
    ("field", "options", "expected", "hint"),
    [
        ("3", {"numbers_from": 0}, r"a label number from 0 to 2 \(joy, anger, none\)", ""),
        ("0", {"numbers_from": 1}, "a label number from 1 to 3", ""),
        ("9" * 5000, {"numbers_from": 0}, "a label number from 0 to 2", ""),
        ("joy", {"numbers_from": 0}, "a label number from 0 to 2", ""),
        ("01", {"multi_hot": True}, "3 times 0 or 1, for joy, anger, none", ""),
        ("0 1 2", {"multi_hot": True}, "3 times 0 or 1", ""),
        ("Joy", {}, "a label of joy", "`any_case: true`"),
        ("1", {}, "a label of joy", "`numbers_from: 0`"),
        ("joy;anger", {}, "a label of joy", "`separator: ';'`"),
        ("angr", {}, "a label of joy", r"`synonyms` in the format. Did you mean anger\?"),
        ("['joy', 'rage']", {}, "a label of joy.*'rage'", "`synonyms`"),
        ("['joy\", 'x']", {}, "a list of labels like", ""),
    ],
)
def test_labels_that_are_none_name_the_option(
    tmp_path: Path, field: str, options: dict[str, Any], expected: str, hint: str
) -> None:
    path = put(tmp_path, "a.tsv", f"text\tlabel\nA\t{field}\n")
    with pytest.raises(CorpusError, match=f"a.tsv:2: expected {expected}.*{hint}"):
        emotions(path, **options)


def test_columns_of_true_and_false(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "text,joy,anger\nA,True,FALSE\nB,false,true\n")
    assert emotions(path, label="", columns=("joy", "anger"), labels=()) == [("joy",), ("anger",)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multi_hot": True, "numbers_from": 0}, "as numbers, as rows of 0 and 1, or as names"),
        ({"synonyms": (("happy", "bliss"),)}, "synonyms of joy, anger, none, but got 'happy' for 'bliss'"),
        ({"synonyms": (("joy", "anger"),)}, "each spelling for one label"),
        ({"any_case": True, "labels": ("joy", "Joy")}, "under `any_case: true`"),
        ({"label": "", "numbers_from": 0, "labels": ()}, "a label column for the option numbers_from"),
        ({"interleaved": True}, "a conversation column for the option interleaved"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ZooError, match=message):
        TableFormat(**{"label": "label", "labels": LABELS, **options})


def test_synonyms_in_a_description_are_a_mapping_of_texts(tmp_path: Path) -> None:
    text = "labels: [joy]\nformat: {label: l, synonyms: {1: joy}}\nfiles: {train: a.csv}\n"
    with pytest.raises(ZooError, match=r"c.yaml:2: format.synonyms: expected a mapping of texts"):
        read_description(put(tmp_path, "c.yaml", text))
    text = text.replace("{1:", "{'1':")
    put(tmp_path, "a.csv", "text,l\nA,1\n")
    assert load_corpus(str(put(tmp_path, "c.yaml", text))).train[0].segments[0].emotions == ("joy",)


# --- conversations


TALKS = "talk,who,text,label\n1,Ann,Hi,joy\n2,Cem,No,anger\n1,,Hm,none\n2,Cem,So,none\n"


def test_interleaved_conversations_and_rows_without_a_speaker(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", TALKS)
    options: dict[str, Any] = {"label": "label", "labels": LABELS, "conversation": "talk", "speaker": "who"}
    with pytest.raises(CorpusError, match=r"a.csv:4: .*in one piece.*set `interleaved: true`"):
        read_table(path, TableFormat(**options))
    reading = read_table(path, TableFormat(**options, interleaved=True))
    assert reading.documents == (
        Document("1", (Segment("Hi", "Ann", ("joy",)), Segment("Hm", None, ("none",))), language="en"),
        Document("2", (Segment("No", "Cem", ("anger",)), Segment("So", "Cem", ("none",))), language="en"),
    )
    assert reading.counts == {"texts_without_speaker": 1}
    put(tmp_path, "a.csv", TALKS + "2,Cem\n")  # of any conversation: it cannot be left out
    with pytest.raises(CorpusError, match=r"a.csv:6: expected 4 fields"):
        read_table(path, TableFormat(**options, interleaved=True), "skip")


def test_conversations_of_several_files_do_not_collide(tmp_path: Path) -> None:
    for name in ("a/x", "b/x", "test"):
        put(tmp_path, f"{name}.csv", f"talk,text,label\n1,{name},joy\n")
    files = "files: {train: [a/x.csv, b/x.csv], test: test.csv}\n"
    path = put(tmp_path, "c.yaml", f"labels: [joy]\nformat: {{label: label, conversation: talk}}\n{files}")
    loaded = load_corpus(str(path))
    assert [d.id for d in loaded.train + loaded.test] == ["train-a/x-1", "train-b/x-1", "test-1"]
    assert audit(find_corpus(str(path))).refused == ()


@pytest.mark.parametrize("form", ["['joy', 'anger']", "joy;anger"])
def test_several_labels_of_an_utterance_are_kept_or_refused(tmp_path: Path, form: str) -> None:
    put(tmp_path, "a.tsv", f"talk\ttext\tlabel\n1\tA\t{form}\n")
    text = "labels: [joy, anger]\nformat: {label: label, conversation: talk, separator: ';'}\nfiles: {train: a.tsv}\n"
    kept = put(tmp_path, "kept.yaml", f"tasks: [emotions]\n{text}")
    assert load_corpus(str(kept)).train[0].segments[0].emotions == ("joy", "anger")
    with pytest.raises(CorpusError, match=r"a.tsv:2: expected one label.*joy, anger"):
        load_corpus(str(put(tmp_path, "refused.yaml", f"tasks: [erc]\n{text}")))


# --- parts


@pytest.mark.parametrize(("columns", "row"), [("text", ""), ("text,label", ","), ("text,label", ",unknown")])
def test_unlabelled_test_files(tmp_path: Path, columns: str, row: str) -> None:
    put(tmp_path, "train.csv", "text,label\n" + "".join(f"A {n},joy\n" for n in range(20)))
    put(tmp_path, "test.csv", f"{columns}\nB{row}\n")
    text = "labels: [joy, anger]\nformat: {label: label}\nfiles: {train: train.csv, test: test.csv}\n"
    with pytest.raises(CorpusError, match=r"test.csv:[12]: "):
        load_corpus(str(put(tmp_path, "c.yaml", text)))
    path = put(tmp_path, "c.yaml", f"unlabelled_test: true\n{text}")
    assert load_corpus(str(path)).test == (Document("test-2", (Segment("B"),), language="en"),)
    data = EmotionDataModule(str(path))
    data.tests = False
    data.setup("fit")
    data.setup("predict")
    data.tests = True
    with pytest.raises(ZooError, match=r"test documents with gold.*--test false"):
        data.setup("fit")


def test_training_without_a_test_part(tmp_path: Path) -> None:
    put(tmp_path, "train.csv", "text,label\n" + "".join(f"A {n},joy\n" for n in range(20)))
    path = put(tmp_path, "c.yaml", "labels: [joy]\nformat: {label: label}\nfiles: {train: train.csv}\n")
    data = EmotionDataModule(str(path))
    with pytest.raises(ZooError, match=r"the test part .* is empty. Name files.*--test false"):
        data.setup("fit")
    data = EmotionDataModule(str(path))
    data.tests = False
    data.setup("fit")
    assert (len(data.documents("train")), len(data.documents("validation"))) == (18, 2)


def test_a_description_of_files_to_predict_needs_no_training_part(tmp_path: Path) -> None:
    put(tmp_path, "test.csv", "text\nB\n")
    text = "labels: [joy]\nunlabelled_test: true\nformat: {label: label}\nfiles: {test: test.csv}\n"
    path = put(tmp_path, "c.yaml", text)
    assert partition(load_corpus(str(path))).train == ()
    EmotionDataModule(str(path)).setup("predict")
    with pytest.raises(ZooError, match=r"d.yaml:4: files: expected files for test"):
        read_description(put(tmp_path, "d.yaml", text.replace("test: test", "train: test")))


def test_unlabelled_test_files_of_pairs(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", '{"id": "x", "segments": [{"text": "A", "emotions": ["?"]}]}\n')
    put(tmp_path, "b.txt", "y 1\n(1,1)\n1,joy,glad,B\n")
    text = "tasks: [ecpe]\nlanguage: en\nunlabelled_test: true\nfiles: {test: [a.jsonl, b.txt]}\n"
    assert load_corpus(str(put(tmp_path, "c.yaml", text))).test == (
        Document("x", (Segment("A"),), None, "en"),
        Document("y", (Segment("B"),), None, "en"),
    )


def test_pairs_with_other_spellings_and_encodings(tmp_path: Path) -> None:
    document = {"id": 1, "segments": [{"text": "Café", "emotions": ["Happy"]}], "pairs": [[1, 1]]}
    put(tmp_path, "a.json", json.dumps([document], ensure_ascii=False).encode("utf-16"))
    format = "{encoding: utf-16, any_case: true, synonyms: {happy: joy}}"
    text = f"tasks: [ecpe, erc]\nlabels: [joy]\nlanguage: en\nformat: {format}\nfiles: {{train: a.json}}\n"
    loaded = load_corpus(str(put(tmp_path, "c.yaml", text)))
    assert loaded.train[0].segments == (Segment("Café", emotions=("joy",)),)
    with pytest.raises(ZooError, match=r"c.yaml:3: format: expected labels for the option any_case"):
        read_description(
            put(
                tmp_path,
                "c.yaml",
                "tasks: [ecpe]\nlanguage: en\nformat: {any_case: true}\nfiles: {train: a.json}\n",
            )
        )


# --- SemEval-2024 task 3

ECAC: list[dict[str, Any]] = [
    {
        "conversation_ID": 1,
        "conversation": [
            {"utterance_ID": 1, "text": "I won", "speaker": "Ann", "emotion": "joy"},
            {"utterance_ID": 2, "text": "Oh", "speaker": "Bob", "emotion": "neutral", "video_name": "x.mp4"},
        ],
        "emotion-cause_pairs": [["1_joy", "1_I won"], ["1_joy", "1_won"], ["1_joy", "2"]],
    },
    {
        "conversation_ID": 2,
        "conversation": [{"utterance_ID": 1, "text": "No", "speaker": "Cem", "emotion": "anger"}],
        "emotion-cause_pairs": [],
    },
]


def test_ecac_gives_exact_documents(tmp_path: Path) -> None:
    path = put(tmp_path, "a.json", json.dumps(ECAC, indent=1))
    segments = (Segment("I won", "Ann", ("joy",)), Segment("Oh", "Bob", ("neutral",)))
    reading = ConversationReader()(path)
    assert reading.documents == (
        Document("1", segments, frozenset({(0, 0), (0, 1)}), "en"),
        Document("2", (Segment("No", "Cem", ("anger",)),), frozenset(), "en"),
    )
    assert reading.counts == {"annotated_pairs": 3, "duplicate_pairs": 1}
    blind = ConversationReader(unlabelled=True)(path).documents
    assert blind[1] == Document("2", (Segment("No", "Cem"),), None, "en")
    put(tmp_path, "Subtask_1_train.json", json.dumps(ECAC))
    text = "tasks: [ecpe, erc]\nlanguage: en\nformat: {kind: ecac}\nfiles: {train: a.json}\n"
    assert load_corpus(str(put(tmp_path, "c.yaml", text))).train == reading.documents
    assert find_corpus(str(tmp_path / "c.yaml")).labels == find_corpus("ecac").labels


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('"1_joy", "2"', '"1_joy", "3"', 1, r'pairs like \["3_joy", "1_text"\] of utterances 1 to 2'),
        ('"1_joy", "2"', '"joy", "2"', 1, "pairs like"),
        ('"utterance_ID": 2', '"utterance_ID": 3', 1, "2 as `utterance_ID` of utterance 2 of conversation 1"),
        ('"emotion": "joy"', '"emotion": "joyful"', 1, "one of neutral.*Did you mean joy"),
        ('"emotion-cause_pairs": []', '"pairs": []', 2, "`unlabelled_test: true`"),
        ('"text": "No"', '"text": ""', 2, "text as `text` of utterance 1 of conversation 2"),
        ('"conversation_ID": 2', '"conversation_ID": 1', 2, "1 again, as in line 1"),
        ('"speaker": "Cem"', '"speaker": null', 2, "a name as `speaker`"),
    ],
)
def test_malformed_conversations_are_named(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    text = "[" + ",\n".join(map(json.dumps, ECAC)) + "]"
    assert old in text
    path = put(tmp_path, "a.json", text.replace(old, new))
    with pytest.raises(CorpusError, match=f"a.json:{line}: expected .*{message}"):
        ConversationReader()(path)
    assert len(ConversationReader()(path, "skip").documents) == 1


# --- data check


def test_suspicious_texts_and_labels_are_found(tmp_path: Path) -> None:
    rows = [
        {"text": text, "label": "joy"} for text in ('"Oh no"', "['so', 'sad']", "nan", "17.5", "a fine text")
    ]
    put(tmp_path, "a.json", json.dumps(rows))
    text = "labels: [joy, anger]\nformat: {label: label}\nfiles: {train: a.json}\n"
    found = audit(find_corpus(str(put(tmp_path, "c.yaml", text))))
    assert found.finding("texts inside quotes").listed == ("a-1",)
    assert found.finding("texts that look like lists").listed == ("a-2",)
    assert found.finding("texts that are numbers").count == 2
    assert found.finding("parts with one label only").listed == ("train: joy",)
    assert found.finding("labels that no text has").listed == ("anger",)

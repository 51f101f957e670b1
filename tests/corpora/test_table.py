from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.corpora.description import read_description
from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.corpora.readers.table import TableFormat, read_table
from ecpe_zoo.corpora.registry import find_corpus, load_corpus
from ecpe_zoo.corpora.splits import partition
from ecpe_zoo.errors import CorpusError, ZooError

LETTERS = TableFormat(text="body", label="feeling", separator=";", labels=("joy", "anger", "none"), id="key")


def single(name: str, text: str, *labels: str, **options: Any) -> Document:
    return Document(name, (Segment(text, emotions=labels, **options),), language="en")


def file(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_one_column_of_labels(tmp_path: Path) -> None:
    path = file(
        tmp_path, "a.csv", 'key,body,feeling,more\nx,"Oh, well",anger; joy,1\ny,Fine,none,2\nz, ,joy,3\n'
    )
    reading = read_table(path, LETTERS)
    assert reading.documents == (single("x", "Oh, well", "joy", "anger"), single("y", "Fine", "none"))
    assert reading.counts == {"empty_documents": 1}


def test_the_three_kinds_of_files_give_the_same(tmp_path: Path) -> None:
    tsv = file(tmp_path, "a.tsv", 'key\tbody\tfeeling\nx\tOh, "well\tjoy;anger\n')
    rows = [{"key": "x", "body": 'Oh, "well', "feeling": ["joy", "anger"], "more": {"a": 1}}]
    jsonl = file(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n")
    csv = file(tmp_path, "a.txt", 'key,body,feeling\nx,"Oh, ""well",joy;anger\n')
    format = TableFormat(
        text="body", label="feeling", separator=";", labels=LETTERS.labels, id="key", kind="csv"
    )
    expected = (single("x", 'Oh, "well', "joy", "anger"),)
    assert read_table(tsv, LETTERS).documents == expected
    assert read_table(jsonl, LETTERS).documents == expected
    assert read_table(csv, format).documents == expected
    with pytest.raises(ZooError, match=r"the kind of a.txt .* one of: csv, tsv, json, jsonl"):
        read_table(csv, LETTERS)


def test_columns_of_zeros_and_ones(tmp_path: Path) -> None:
    path = file(tmp_path, "rows.csv", "text,joy,anger\nA,1,1\nB,0,0\nC,0,1.0\n")
    assert read_table(path, TableFormat(columns=("joy", "anger"))).documents == (
        single("rows-2", "A", "joy", "anger"),
        single("rows-3", "B", intensities={}),  # annotated: no label applies
        single("rows-4", "C", "anger"),
    )


def test_the_words_of_a_text_are_joined_by_blanks(tmp_path: Path) -> None:
    path = file(tmp_path, "rows.jsonl", '{"text": ["so", "sad", "."], "label": ["joy", "anger"]}\n')
    format = TableFormat(label="label", labels=("joy", "anger"))
    assert read_table(path, format).documents == (single("rows-1", "so sad .", "joy", "anger"),)


@pytest.mark.parametrize(
    ("format", "header", "row"),
    [
        ("{label: label, separator: ';'}", "label", "joy;anger"),
        ("{columns: [joy, anger]}", "joy,anger", "1,1"),
        ("{columns: [joy, anger], scale: 5}", "joy,anger", "4,3"),
    ],
)
def test_several_labels_are_refused_where_methods_learn_one(
    tmp_path: Path, format: str, header: str, row: str
) -> None:
    """The first of two labels was scored, and the second dropped in silence."""
    for name in ("rows", "test"):
        file(tmp_path, f"{name}.csv", f"text,{header}\nA,{row}\n")
    described = f"labels: [joy, anger]\nformat: {format}\nfiles: {{train: rows.csv, test: test.csv}}\n"
    path = file(tmp_path, "mine.yaml", f"tasks: [erc]\n{described}")
    with pytest.raises(CorpusError, match=r"rows.csv:2: expected one label.*joy, anger.*tasks: \[emotions\]"):
        load_corpus(str(path))
    several = file(tmp_path, "several.yaml", f"tasks: [emotions]\n{described}")
    assert load_corpus(str(several)).train[0].segments[0].emotions == ("joy", "anger")


def test_columns_of_strengths_become_intensities(tmp_path: Path) -> None:
    path = file(tmp_path, "rows.jsonl", '{"text": "A", "joy": 4, "anger": 1.5}\n')
    format = TableFormat(columns=("joy", "anger"), scale=5, least=0.3, labels=("anger", "joy"))
    assert read_table(path, format).documents == (
        single("rows-1", "A", "anger", "joy", intensities={"anger": 3.0, "joy": 8.0}),
    )


def test_context_stands_before_the_text(tmp_path: Path) -> None:
    path = file(tmp_path, "rows.csv", "first,second,text,label,who\nHi,,Bye,joy,Ann\n,,Alone,anger,Bob\n")
    format = TableFormat(label="label", labels=("joy", "anger"), context=("first", "second"), speaker="who")
    assert read_table(path, format).documents == (
        Document("rows-2", (Segment("Hi", judged=False), Segment("Bye", "Ann", ("joy",))), language="en"),
        Document("rows-3", (Segment("Alone", "Bob", ("anger",)),), language="en"),
    )


def test_conversations_and_texts_without_labels(tmp_path: Path) -> None:
    path = file(tmp_path, "rows.csv", "talk,who,text,label\n1,Ann,Hi,joy\n1,Bob,Hm,\n2,Ann,No,anger\n")
    format = TableFormat(label="label", labels=("joy", "anger"), conversation="talk", speaker="who")
    assert read_table(path, format).documents == (
        Document("1", (Segment("Hi", "Ann", ("joy",)), Segment("Hm", "Bob", judged=False)), language="en"),
        Document("2", (Segment("No", "Ann", ("anger",)),), language="en"),
    )
    plain = read_table(file(tmp_path, "plain.csv", "text\nSo\n"), TableFormat(language="zh")).documents
    assert plain == (Document("plain-2", (Segment("So", judged=False),), language="zh"),)


@pytest.mark.parametrize(
    ("format", "text", "line", "expected", "found"),
    [
        (LETTERS, "key,body,feeling\nx,A,joy\ny,B,rage\n", 3, "a label of joy, anger, none", "'rage'"),
        (LETTERS, "key,body,feeling\nx,A,joy\ny,B,\n", 3, "a label in column feeling", "an empty field"),
        (LETTERS, "key,body,feeling\nx,A,joy\nx,B,joy\n", 3, "every id once", "as in line 2"),
        (LETTERS, "key,body,feeling\nx,A,joy\n,B,joy\n", 3, "an id in column key", "an empty field"),
        (LETTERS, "key,body,feeling\nx,A,joy\ny,B\n", 3, "3 fields", "2, the first of them 'y'"),
        (TableFormat(columns=("joy",)), "text,joy\nA,1\nB,2\n", 3, "0 or 1 in column joy", "'2'"),
        (TableFormat(columns=("joy",)), "text,joy\nA,1\nB,x\n", 3, "0 or 1 in column joy", "'x'"),
        (TableFormat(columns=("joy",), scale=3), "text,joy\nA,1\nB,4\n", 3, "from 0 to 3", "'4'"),
        (TableFormat(columns=("joy",), scale=3), "text,joy\nA,1\nB,nan\n", 3, "from 0 to 3", "'nan'"),
        (TableFormat(columns=("joy",)), "text,joy\nA,1\nB,\n", 3, "a label in column joy", "an empty field"),
    ],
)
def test_malformed_rows_are_named(
    tmp_path: Path, format: TableFormat, text: str, line: int, expected: str, found: str
) -> None:
    path = file(tmp_path, "a.csv", text)
    with pytest.raises(CorpusError) as caught:
        read_table(path, format)
    assert caught.value.line == line
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert read_table(path, format, "skip").counts == {"skipped_documents": 1}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("[1]", "a JSON object"),
        ('{"text": ', "a JSON object"),
        ('{"text": {"a": 1}}', "text, a number"),
        ('{"text": "A", "n": ' + "9" * 5000 + "}", "a JSON object (a number of at most"),
        ("[" * 100_000, "a JSON object (fewer brackets"),
        ('{"text": "A\\ud800"}', "a JSON object (whole characters"),
    ],
)
def test_malformed_json_lines_are_named(tmp_path: Path, row: str, expected: str) -> None:
    path = file(tmp_path, "a.jsonl", f'{{"text": "A"}}\n{row}\n')
    with pytest.raises(CorpusError, match=r"a.jsonl:2: ") as caught:
        read_table(path, TableFormat())
    assert expected in caught.value.expected
    assert read_table(path, TableFormat(), "skip").counts == {"skipped_documents": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "a", "columns": ("b",)}, "but got both"),
        ({"label": "a"}, "Expected labels, the list"),
        ({"columns": ("a",), "labels": ("b",)}, "they differ"),
        ({"columns": ("a", "a")}, "every label once"),
        ({"separator": ";"}, "a label column"),
        ({"scale": 2.0}, "only with columns"),
        ({"least": 0.0}, "Expected least"),
        ({"conversation": "a", "context": ("b",)}, "but got both"),
        ({"kind": "xls"}, "kind to be one of: csv, tsv, json, jsonl"),
        ({"language": "fr"}, "language to be one of: zh, en"),
    ],
)
def test_formats_that_contradict_themselves(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ZooError, match=message):
        TableFormat(**options)


DESCRIPTION = """\
name: letters
labels: [joy, anger]
format:
  text: body
  label: feeling
files:
  train: [a.csv, b.csv]
  test: test.csv
"""


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    for part, start in (("a", 0), ("b", 20), ("test", 40)):
        rows = [f"letter number {n},{('joy', 'anger')[n % 2]}" for n in range(start, start + 20)]
        file(tmp_path, f"{part}.csv", "\n".join(["body,feeling", *rows]))
    return file(tmp_path, "letters.yaml", DESCRIPTION)


def test_a_described_corpus_is_a_corpus(letters: Path, tmp_path: Path) -> None:
    corpus = find_corpus(str(letters))
    assert (corpus.id, corpus.tasks, corpus.labels) == ("letters", ("emotions",), ("joy", "anger"))
    assert (corpus.own, corpus.bundled) == (True, False)
    loaded = load_corpus(str(letters), tmp_path / "elsewhere")
    assert loaded.corpus == "letters"
    assert set(loaded.files) == {"a.csv", "b.csv", "test.csv", "letters.yaml"}  # what its columns mean counts
    assert loaded.train[20].id == "b-2"
    parts = partition(loaded)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (36, 4, 20)


def test_a_description_in_json_with_conversations(tmp_path: Path) -> None:
    for part in ("train", "test"):
        file(tmp_path, f"{part}.csv", f"talk,text,label\n1,{part},joy\n1,Bye,\n")
    values = {
        "labels": ["joy"],
        "format": {"label": "label", "conversation": "talk"},
        "files": {"train": "train.csv", "test": "test.csv"},
    }
    path = file(tmp_path, "talks.json", json.dumps(values))
    corpus = load_corpus(str(path))
    assert [d.id for d in corpus.train + corpus.test] == ["train-1", "test-1"]
    assert find_corpus(str(path)).tasks == ("erc",)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("name: letters", "name: my/letters", 1, "letters, digits"),
        ("name: letters", "nam: letters", 1, "nam: expected one of the fields name, description"),
        ("[joy, anger]", "[joy, no]", 2, "write words like yes, no"),
        ("[joy, anger]", "joy", 2, "labels: expected a list of texts"),
        ("[joy, anger]", "[joy, anger", 3, "expected YAML"),
        ("  label: feeling", "  labels: feeling", 5, "format.labels: expected one of the fields text, label"),
        ("  label: feeling", "  scale: much", 5, "format.scale: expected a number"),
        ("  label: feeling", "  columns: feeling", 5, "format.columns: expected a list of texts"),
        ("  label: feeling", "  quoted: much", 5, "format.quoted: expected true or false"),
        ("  label: feeling", "  label: 3", 5, "format.label: expected text"),
        ("  label: feeling", "  separator: ';'", 3, "a label column for the option separator"),
        ("files:", "tasks: [ecp]\nfiles:", 6, "tasks.0: expected 'ecpe', 'erc' or 'emotions'"),
        ("files:", "language: fr\nfiles:", 6, "language: expected 'zh' or 'en'"),
        ("  test: test.csv", "  text: test.csv", 8, "expected one of the fields train, validation, test"),
        ("  test: test.csv", "  test: /test.csv", 8, "from the folder of the description on"),
        ("  test: test.csv", f"  test: {'x' * 256}.csv", 8, "names of at most 255 bytes"),
        ("  test: test.csv", "  test: []", 8, "files.test: expected a list of texts"),
        (
            DESCRIPTION[DESCRIPTION.index("  train") :],
            "",
            6,
            "files: expected the fields train, validation, test",
        ),
        (DESCRIPTION, "words", 1, "the fields name, description"),
    ],
)
def test_descriptions_that_cannot_be_used_are_named(
    letters: Path, old: str, new: str, line: int, message: str
) -> None:
    assert old in DESCRIPTION
    letters.write_text(DESCRIPTION.replace(old, new))
    with pytest.raises(ZooError) as caught:
        read_description(letters)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{letters}:{line}: ")


def test_missing_descriptions_and_files(letters: Path) -> None:
    with pytest.raises(ZooError, match="Expected a description of a corpus at"):
        find_corpus(str(letters.with_name("other.yml")))
    letters.with_name("b.csv").unlink()
    with pytest.raises(ZooError, match=r"Expected b.csv in .* as the description of letters says"):
        load_corpus(str(letters))
    broken = file(letters.parent, "broken.json", "{\n'a'")
    with pytest.raises(ZooError, match=r"broken.json:2: expected JSON"):
        find_corpus(str(broken))


def parts(
    folder: Path, names: dict[str, str], format: str, text: str = "text,label\nA,joy\nB,anger\n"
) -> Path:
    """A described corpus whose files all have this content."""
    for name in names.values():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text.replace("A", f"So {name}"), encoding="utf-8")
    files = ", ".join(f"{part}: {name}" for part, name in names.items())
    return file(folder, "c.yaml", f"labels: [joy, anger]\nformat: {format}\nfiles: {{{files}}}\n")


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (("train/data.csv", "test/data.csv"), ("train/data-2", "test/data-2")),
        (("data.csv", "data.tsv"), ("data.csv-2", "data.tsv-2")),
        (("a/x.csv", "b/y.csv"), ("x-2", "y-2")),  # ids of stored records stay
        (("a/x.csv", "a/b/x.csv"), ("a/x-2", "a/b/x-2")),
    ],
)
def test_ids_made_by_the_zoo_do_not_collide(
    tmp_path: Path, names: tuple[str, str], ids: tuple[str, str]
) -> None:
    (tmp_path / "a").mkdir()
    path = parts(tmp_path, dict(zip(("train", "test"), names, strict=True)), "{label: label, delimiter: ','}")
    loaded = load_corpus(str(path))
    assert (loaded.train[0].id, loaded.test[0].id) == ids


@pytest.mark.parametrize(
    ("header", "format", "hint"),
    [
        ("text;label", "{label: label, separator: ';'}", r"between ';'.*`delimiter: \";\"`"),
        ('"text";"label"', "{label: label}", r"between ';'.*`delimiter: \";\"`"),
        ("text|label", "{label: label}", r"`delimiter: \"\|\"`"),
        ("text\tlabel", "{label: label}", r"`delimiter: \"\\t\"`"),
        ('"text","label"', "{label: label, quoted: false}", "`quoted: true`"),
    ],
)
def test_a_header_between_other_delimiters_is_recognised(
    tmp_path: Path, header: str, format: str, hint: str
) -> None:
    path = parts(tmp_path, {"train": "a.csv", "test": "b.csv"}, format, f"{header}\nA,joy\n")
    with pytest.raises(CorpusError, match=rf"a.csv:1: expected a header.*{hint}"):
        load_corpus(str(path))


def test_a_delimiter_can_be_given(tmp_path: Path) -> None:
    format = TableFormat(label="label", labels=("joy", "anger"), delimiter=";")
    path = file(tmp_path, "rows.csv", 'text;label\n"Oh; well, yes";joy\n')
    assert read_table(path, format).documents == (single("rows-2", "Oh; well, yes", "joy"),)


def test_texts_with_the_quotes_of_csv_are_counted(tmp_path: Path) -> None:
    rows = ["text\tlabel", '"She said ""yes"" A"\tjoy', '"No" and "yes"\tjoy', '"A"" B\tanger']
    path = file(tmp_path, "rows.tsv", "\n".join(rows))
    format = TableFormat(label="label", labels=("joy", "anger"))
    assert read_table(path, format).counts == {"quoted_texts": 1}
    quoted = file(tmp_path, "more.tsv", "\n".join(rows[:2]))
    reading = read_table(quoted, TableFormat(label="label", labels=("joy",), quoted=True))
    assert reading.documents == (single("more-2", 'She said "yes" A', "joy"),)
    assert reading.counts == {}
    cut = file(tmp_path, "cut.tsv", 'text\tlabel\n"She said\nyes"\tjoy\n')
    with pytest.raises(CorpusError, match=r"cut.tsv:2: expected 2 fields.*`quoted: true`"):
        read_table(cut, format)

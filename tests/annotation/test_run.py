"""Files in and out: forms, malformed lines, windows, constant memory, killed runs."""

from __future__ import annotations

import csv
import gzip
import io
import json
import multiprocessing
import re
import signal
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecpe_zoo.annotation import inputs
from ecpe_zoo.annotation.annotator import Annotator, Options, Prepared
from ecpe_zoo.annotation.answers import Row
from ecpe_zoo.annotation.inputs import Entry, Kind, Source
from ecpe_zoo.annotation.outputs import FORMS, File, Form, files_of, form_of
from ecpe_zoo.annotation.run import annotate
from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.files import check_apart
from ecpe_zoo.methods.base import Method
from ecpe_zoo.tasks import EMOTIONS
from tests.annotation.making import built, save


class Batch:
    """Documents, opaque to Lightning."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = documents


class Lengths(Method):
    """Scores a text by its length and by its batch-mates, as last digits are."""

    id = "lengths"
    task = EMOTIONS

    def tokens(self, document: Document) -> int:
        return len(document.segments[0].text)

    def collator(self, training: bool) -> Callable[[Sequence[Document]], Any]:
        return Batch

    def decode(self, batch: Batch) -> list[Prediction]:
        longest = max(self.tokens(document) for document in batch.documents)
        return [
            Prediction(
                d.id,
                {"emotions": np.array([[self.tokens(d) % 10 / 10, longest % 7 / 7]], dtype=np.float32)},
                labels=("joy", "fear"),
            )
            for d in batch.documents
        ]


def annotator(batch_tokens: int = 60) -> Annotator:
    method = Lengths()
    method.facts["labels"] = ["joy", "fear"]
    return Annotator(method, Options(batch_tokens=batch_tokens))


def entries(path: Path, content: str | bytes, kind: Kind | None = None, column: str = "text") -> list[Entry]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(Source(path, kind, column))


def file_of(path: Path, identity: dict[str, Any] | None = None, overwrite: bool = False) -> File:
    return File(path, annotator().answers, "jsonl", identity or {"options": 1}, overwrite)


# --- inputs


def test_lines_and_their_ids(tmp_path: Path) -> None:
    found = entries(tmp_path / "a.txt", "\ufeffI won\r\n\n他 输 了")
    assert [(e.number, e.line, e.id, e.texts, e.whole) for e in found] == [
        (1, 1, "1", ("I won",), True),
        (2, 2, "2", ("",), True),
        (3, 3, "3", ("他 输 了",), True),
    ]


def test_json_lines_are_recognised_and_may_hold_segments(tmp_path: Path) -> None:
    segments = [{"text": "Hi", "speaker": "Ann"}, "Hello", {"text": "hm", "judged": False, "speaker": None}]
    rows = [{"id": 7, "text": "I won"}, {"segments": segments}, {"id": "x", "text": "\ud83d half"}]
    content = "\n" + "".join(json.dumps(row) + "\n" for row in rows)
    blank, text, conversation, half = entries(tmp_path / "a", content)
    assert (blank.texts, blank.line) == (("",), 1)
    assert (text.id, text.texts, text.whole) == ("7", ("I won",), True)
    assert conversation[2:7] == ("3", ("Hi", "Hello", "hm"), ("Ann", None, None), (True, True, False), False)
    assert half.texts == ("\ufffd half",)


def test_tables_have_a_column_of_texts_and_perhaps_ids(tmp_path: Path) -> None:
    content = 'id,body\na,"I won,\nyes"\n\n,plain\nc,\n'
    found = entries(tmp_path / "a.csv", content, column="body")
    assert [(e.id, e.line, e.texts[0]) for e in found] == [
        ("a", 2, "I won,\nyes"),
        ("5", 5, "plain"),
        ("c", 6, ""),
    ]
    found = entries(tmp_path / "a.tsv", 'text\tn\n"so\t1\n\n')
    assert [(e.id, e.texts[0]) for e in found] == [("2", '"so')]


@pytest.mark.parametrize(
    ("kind", "content", "line", "message"),
    [
        ("lines", b"good\n\xffbad\n", 2, "UTF-8 text"),
        ("jsonl", b'{"text": "a"}\n{"text"\n', 2, "a JSON object"),
        ("jsonl", b"[1]\n", 1, '"text" or "segments"'),
        ("jsonl", b'{"body": "a"}\n', 1, "--text"),
        ("jsonl", b'{"text": 3}\n', 1, 'a text as "text"'),
        ("jsonl", b'{"id": [], "text": "a"}\n', 1, 'a text or a number as "id"'),
        ("jsonl", b'{"segments": "a"}\n', 1, "a list"),
        ("jsonl", b'{"segments": [{"text": "a"}, {"text": 1}]}\n', 1, "segment 2"),
        ("jsonl", b'{"segments": [{"text": "a", "judged": 1}]}\n', 1, "true or false"),
        ("csv", b"text,n\na\n", 2, "2 fields"),
        ("csv", b"text\n\xff\n", 2, "UTF-8"),
        ("tsv", b"text\na\tb\n", 2, "1 fields"),
        ("lines", b"good\n\x00l\x00o\x00s\x00t\n", 2, "UTF-8 text, but got a NUL byte at column 1"),
        ("jsonl", b'{"text": "a"}\n{"text": "b\x00"}\n', 2, "NUL byte"),
        ("csv", b'text,n\n"a\nb\x00",1\n', 3, "NUL byte"),
        ("tsv", b"text\na\nb\x00\n", 3, "NUL byte"),
        ("jsonl", b"[" * 100_000 + b"\n", 1, "too deep"),
        ("jsonl", b'{"text": "a", "id": ' + b"9" * 5000 + b"}\n", 1, "a JSON object"),
    ],
)
def test_a_malformed_line_has_a_problem_with_its_number(
    kind: Kind, content: bytes, line: int, message: str, tmp_path: Path
) -> None:
    (problem,) = [e.problem for e in entries(tmp_path / "a", content, kind) if e.problem]
    assert problem.line == line
    assert message in str(problem)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "an empty file"),
        ("a,b\n", "--text"),
        ('text\n"a', "double quotes"),
        ("text,text\n", "one column"),
        ("te\0xt\n", "NUL byte"),
    ],
)
def test_a_table_of_which_nothing_can_be_told_stops(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=message):
        entries(tmp_path / "a.csv", content)


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "LONGEST_LINE", 10)
    first, second = entries(tmp_path / "a", "x" * 95 + "\nshort\n", "lines")
    assert "at most 10 bytes" in str(first.problem)
    assert second.texts == ("short",)


def test_a_first_line_of_very_many_brackets_is_a_text(tmp_path: Path) -> None:
    (found,) = entries(tmp_path / "a.dat", "[" * 100_000)
    assert found.whole
    assert len(found.texts[0]) == 100_000


def source(path: Path, content: bytes, **options: Any) -> list[Entry]:
    path.write_bytes(content)
    return list(Source(path, **options))


def test_tables_in_other_forms(tmp_path: Path) -> None:
    content = "7;Café – déjà\n8;non\n".encode("cp1252")
    options = {"header": ["id", "text"], "delimiter": ";", "encoding": "cp1252"}
    for name, given in (("a.csv", content), ("a.csv.gz", gzip.compress(content))):
        found = source(tmp_path / name, given, **options)
        assert [(e.id, e.line, e.texts[0]) for e in found] == [("7", 1, "Café – déjà"), ("8", 2, "non")]
    with pytest.raises(CorpusError, match="between ';': give it as --delimiter"):
        source(tmp_path / "b.csv", b"id;text\n1;a\n")
    (short,) = source(tmp_path / "c.csv", b"1;2;3\n", header=["id", "text"], delimiter=";")
    assert "2 fields for the columns that were named, but got 3" in str(short.problem)


def test_a_json_list(tmp_path: Path) -> None:
    rows = [
        {"id": 7, "text": "I won"},
        {"segments": ["Hi", {"text": "ok", "speaker": "Ann"}]},
        3,
        {"text": 4},
    ]
    first, second, third, fourth = source(tmp_path / "a.json", json.dumps(rows, indent=1).encode())
    assert (first.id, first.texts, first.whole) == ("7", ("I won",), True)
    assert (second.texts, second.speakers, second.whole) == (("Hi", "ok"), (None, "Ann"), False)
    assert third.problem is not None
    assert third.problem.line == 15
    assert (third.raw, fourth.raw) == ("3", '{"text": 4}')
    with pytest.raises(CorpusError, match=r"a.json:1: expected `,` or `\]`.*truncated"):
        source(tmp_path / "a.json", b'[{"text": "a"}')


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        (
            "a.txt",
            b"a\n",
            {"delimiter": ";"},
            "--delimiter and --header with csv or tsv, but the input is lines",
        ),
        ("a.csv", b"a\n", {"delimiter": ";;"}, "one character"),
        ("a.csv", b"a\n", {"header": ["body"]}, "--header to name the column 'text'"),
        ("a.csv", b"a\n", {"encoding": "x-none"}, "an encoding that Python knows"),
        ("a.txt.gz", b"a\n", {}, "a complete gzip file"),
        ("a.txt.gz", gzip.compress(b"a\n" * 99, mtime=0)[:-9], {}, "a complete gzip file"),
    ],
)
def test_options_and_files_that_do_not_fit(
    tmp_path: Path, name: str, content: bytes, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ZooError, match=message):
        source(tmp_path / name, content, **options)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_lines_of_wide_encodings(tmp_path: Path, encoding: str) -> None:
    """In UTF-16 the byte 0x0A need not be the end of a line: U+0A0A has it twice."""
    content = 'id,text\n1,"he won,\r\nshe \u0a0a"\n2,他\n'.encode(encoding)
    found = list(source(tmp_path / "a.csv", content, encoding=encoding))
    assert [(entry.id, entry.texts) for entry in found] == [("1", ("he won,\nshe \u0a0a",)), ("2", ("他",))]
    with pytest.raises(CorpusError, match=r"b\.txt:\d: expected utf-16 text"):
        source(tmp_path / "b.txt", "a\n".encode("utf-16") + b"\x00", encoding="utf-16")


def test_a_wide_table_without_its_encoding_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="it looks like utf-16"):
        list(source(tmp_path / "a.csv", 'text\n"a"\n'.encode("utf-16")))


def test_a_table_with_other_line_ends_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"carriage return .*Save the file with line ends of LF"):
        list(source(tmp_path / "a.csv", b"text\ra\rb\r"))


def test_numbers_as_ids_and_speakers(tmp_path: Path) -> None:
    segments = [{"text": "hi", "speaker": 1}, {"text": "ho", "speaker": 2.0}]
    rows = json.dumps({"id": 4.0, "text": "a"}) + "\n" + json.dumps({"id": 5, "segments": segments})
    first, second = entries(tmp_path / "a.jsonl", rows)
    assert (first.id, second.id, second.speakers) == ("4.0", "5", ("1", "2.0"))
    with pytest.raises(CorpusError, match="a name or number"):
        raise (
            entries(tmp_path / "a.jsonl", '{"segments": [{"text": "a", "speaker": true}]}')[0].problem
            or ValueError
        )


def test_an_input_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"no\.txt: expected a file of texts"):
        Source(tmp_path / "no.txt")
    with pytest.raises(ZooError, match="jsonl, json, csv, tsv, lines"):
        Source(tmp_path, "xml")  # type: ignore[arg-type]


# --- runs


def texts(count: int) -> str:
    return "".join(f"{'word ' * (number % 9)}{number}\n" for number in range(count))


def test_rows_keep_the_order_of_the_input_whatever_the_window(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text(texts(50))
    for window in (1, 7, 100):
        out = tmp_path / f"{window}.jsonl"
        counts = annotate(annotator(), Source(tmp_path / "in.txt"), file_of(out), window=window)
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        assert [row["text"] for row in rows] == texts(50).splitlines()
        assert counts["texts"] == 50
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.jsonl", "100.jsonl", "7.jsonl", "in.txt"]


class Stop(Exception):
    """In place of a signal."""


def stopping(after: int) -> Callable[[int, int], None]:
    def progress(records: int, position: int) -> None:
        if records >= after:
            raise Stop

    return progress


def test_a_run_that_stopped_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    source, whole, out = tmp_path / "in.jsonl", tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    lines = [json.dumps({"text": text}) for text in texts(60).splitlines()]
    lines[5] = lines[44] = "{"
    source.write_text("\n".join(lines) + "\n")
    counts = annotate(annotator(), Source(source), file_of(whole), window=8, on_error="skip")
    assert dict(counts) == {"texts": 58, "rejected": 2, "empty": 0, "truncated": 0}
    for after in (8, 24, 48):
        with pytest.raises(Stop):
            annotate(
                annotator(), Source(source), file_of(out), window=8, on_error="skip", progress=stopping(after)
            )
        assert not out.exists()
        with (tmp_path / "out.jsonl.part").open("ab") as part:
            part.write(b'{"torn')  # what a kill leaves behind the last whole window
        with (tmp_path / "out.jsonl.part.journal").open("ab") as journal:
            journal.write(b'{"records": 9')
    writer = file_of(out)
    assert writer.state.records == 48
    assert annotate(annotator(), Source(source), writer, window=8, on_error="skip") == counts
    assert out.read_bytes() == whole.read_bytes()
    rejected = tmp_path / "out.jsonl.rejected.jsonl"
    assert rejected.read_bytes() == (tmp_path / "whole.jsonl.rejected.jsonl").read_bytes()
    assert [json.loads(line)["line"] for line in rejected.read_text().splitlines()] == [6, 45]
    assert len(list(tmp_path.iterdir())) == 5


def test_a_malformed_line_stops_behind_what_is_written_and_the_mended_file_goes_on(tmp_path: Path) -> None:
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_bytes(texts(20).encode() + b"\xff\n")
    with pytest.raises(CorpusError, match=r"in\.txt:21"):
        annotate(annotator(), Source(source), file_of(out), window=8)
    source.write_text(texts(30))
    writer = file_of(out)
    assert writer.state.records == 16
    assert annotate(annotator(), Source(source), writer, window=8)["texts"] == 30
    assert len(out.read_text().splitlines()) == 30


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_rows_without_a_note_in_the_journal_leave_no_bytes(
    tmp_path: Path, form: Form, overwrite: bool
) -> None:
    """After a kill or a full disk in the first window the finished file began with NUL bytes."""
    (tmp_path / "in.txt").write_text(texts(3))
    worker, out = annotator(), tmp_path / "out"
    left = File(out, worker.answers, form, {"options": 1}, False)
    left.write([], [Entry(1, 1, "1", problem=CorpusError("in.txt", 1, "a text", "none"))])
    left._rows.write(b"torn " * 9)
    left.close()
    writer = File(out, worker.answers, form, {"options": 2 if overwrite else 1}, overwrite)
    annotate(worker, Source(tmp_path / "in.txt"), writer)
    annotate(worker, Source(tmp_path / "in.txt"), File(tmp_path / "whole", worker.answers, form, {}, False))
    assert out.read_bytes() == (tmp_path / "whole").read_bytes() != b""
    assert not (tmp_path / "out.rejected.jsonl").exists()


def test_a_run_that_was_killed_twice_goes_on(tmp_path: Path) -> None:
    """What was cut off in the first run was counted as written by the second."""
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text(texts(30))
    for after in (8, 16):
        with pytest.raises(Stop):
            annotate(annotator(), Source(source), file_of(out), window=8, progress=stopping(after))
        if after == 8:
            (tmp_path / "out.jsonl.rejected.jsonl.part").write_bytes(b'{"line": 9')
    assert annotate(annotator(), Source(source), file_of(out), window=8)["texts"] == 30
    assert len(out.read_text().splitlines()) == 30


def test_another_input_or_other_options_do_not_go_on(tmp_path: Path) -> None:
    source, out = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text(texts(20))
    with pytest.raises(Stop):
        annotate(annotator(), Source(source), file_of(out), window=8, progress=stopping(16))
    with pytest.raises(ZooError, match=r"options 1 there, 2 here.*--overwrite"):
        file_of(out, {"options": 2})
    for content, message in ((texts(20).replace("1", "2"), "but got others"), (texts(3), "only 3 in all")):
        source.write_text(content)
        with pytest.raises(ZooError, match=message):
            annotate(annotator(), Source(source), file_of(out), window=8)
    writer = file_of(out, {"options": 2}, overwrite=True)
    assert writer.state.records == 0
    assert annotate(annotator(), Source(source), writer)["texts"] == 3
    with pytest.raises(ZooError, match="--overwrite to replace"):
        file_of(out)
    annotate(annotator(), Source(source), file_of(out, overwrite=True))


def test_files_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    part, journal = tmp_path / "out.jsonl.part", tmp_path / "out.jsonl.part.journal"
    part.write_text("a letter\n")
    with pytest.raises(ZooError, match="has none"):
        file_of(out)
    for other in ("no json\n", "[1]\n"):
        journal.write_text(other)
        with pytest.raises(ZooError, match="expected a journal"):
            file_of(out)
    state = {"records": 3, "digest": "", "part": 99, "rejected": 0, "counts": {}}
    journal.write_text(f"{json.dumps({'options': 1})}\n{json.dumps(state)}\n")
    with pytest.raises(ZooError, match="at least 99 bytes"):
        file_of(out)
    assert part.read_text() == "a letter\n"


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    writer = file_of(tmp_path / "out.jsonl")
    with pytest.raises(ZooError, match="another run writes it"):
        file_of(tmp_path / "out.jsonl")
    writer.close()
    file_of(tmp_path / "out.jsonl").close()


@pytest.mark.no_cover  # coverage's own memory would count
def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        (tmp_path / "in.txt").write_text("".join(f"{number} {'x' * 2000}\n" for number in range(count)))
        writer = file_of(tmp_path / f"{count}.jsonl")
        tracemalloc.start()
        try:
            annotate(annotator(99999), Source(tmp_path / "in.txt"), writer, window=64)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(1200) < 1.3 * peak(300)


def test_tables_have_a_row_a_segment(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('text\n"a,b"\nlonger\n')
    out = tmp_path / "out.csv"
    worker = annotator()
    annotate(worker, Source(tmp_path / "in.csv"), File(out, worker.answers, "csv", {}, False), window=1)
    header, first, second = csv.reader(io.StringIO(out.read_text()))
    assert header == list(worker.answers.columns)
    assert first[:4] == ["2", "1", "", "a,b"]
    assert first[4:] == ["fear", "4.2857", "false", "0"]
    assert second[4:] == ["fear; joy", "8.5714; 6.0", "true", "0"]


def test_a_carriage_return_in_a_text_breaks_no_row(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": "a\rb", "text": "first\rsecond"}) + "\n")
    out = tmp_path / "out.csv"
    worker = annotator()
    annotate(worker, Source(tmp_path / "in.jsonl"), File(out, worker.answers, "csv", {}, False), window=1)
    _, row = csv.reader(io.StringIO(out.read_bytes().decode(), newline=""))
    assert (row[0], row[3]) == ("a\rb", "first\rsecond")


@pytest.mark.parametrize(
    ("name", "given", "form"),
    [
        ("a", None, "jsonl"),
        ("a.ndjson", None, "jsonl"),
        ("a.CSV", None, "csv"),
        ("a.json", "tsv", "tsv"),
        ("a.csv.gz", "csv", "csv"),
    ],
)
def test_the_form_is_as_given_or_by_the_name(name: str, given: str | None, form: str) -> None:
    assert form_of(Path(name), given) == form


@pytest.mark.parametrize("name", ["a.csv.gz", "a.json", "a.parquet", "a.txt"])
def test_a_name_that_promises_another_form_is_refused(name: str) -> None:
    with pytest.raises(
        ZooError, match=rf"in \.jsonl, \.csv or \.tsv, but got {re.escape(name)}\. .*--output-format"
    ):
        form_of(Path(name))


@pytest.mark.parametrize("name", ["in.txt", "in.txt.rejected.jsonl", "in.txt.part"])
def test_an_output_replaces_nothing_that_is_read(tmp_path: Path, name: str) -> None:
    read = tmp_path / name
    read.write_text("he won\n")
    (tmp_path / "link").symlink_to(read)
    for given in (read, tmp_path / "link"):
        with pytest.raises(ZooError, match=f"{re.escape(name)} is read here"):
            check_apart(files_of(tmp_path / "in.txt"), given)
    check_apart(files_of(tmp_path / "in.txt"), None, tmp_path / "no.txt", tmp_path)
    check_apart(files_of(tmp_path / "other.txt"), read)


# --- a real kill


def command(checkpoint: Path, source: Path, out: Path) -> list[str]:
    return [
        "annotate",
        "--ckpt_path",
        str(checkpoint),
        "--input",
        str(source),
        "--output",
        str(out),
        "--window",
        "40",
        "--scores",
        "all",
        "--device",
        "cpu",
    ]


def slowly(arguments: list[str]) -> None:
    """Run the command with a pause behind each window."""
    quick = Annotator.answer

    def answer(self: Annotator, prepared: Prepared) -> list[Row]:
        time.sleep(0.1)
        return quick(self, prepared)

    Annotator.answer = answer  # type: ignore[method-assign]
    main(arguments)


def test_killed_and_started_again_gives_what_an_unbroken_run_gives(tmp_path: Path) -> None:
    checkpoint = save(built("eqn"), tmp_path / "some.ckpt")
    source, out, whole = tmp_path / "in.txt", tmp_path / "killed.jsonl", tmp_path / "whole.jsonl"
    source.write_text(texts(600))
    part, journal = tmp_path / "killed.jsonl.part", tmp_path / "killed.jsonl.part.journal"
    process = multiprocessing.get_context("fork").Process(
        target=slowly, args=[command(checkpoint, source, out)]
    )
    process.start()
    until = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 3):
        assert time.monotonic() < until
        assert process.is_alive()
        time.sleep(0.02)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    left = part.read_bytes()
    assert 120 <= left.count(b"\n") < 600
    assert not out.exists()
    for path in (out, whole):
        assert main(command(checkpoint, source, path)) == 0
    assert whole.read_bytes().count(b"\n") == 600
    assert out.read_bytes() == whole.read_bytes()
    assert whole.read_bytes().startswith(left[: left.rindex(b"\n")])

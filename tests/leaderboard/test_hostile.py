"""Records of other people: what their options, labels and file names hold is text in every output, and no more."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import unicodedata
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.escaping import has_hidden, visible
from ecpe_zoo.leaderboard.board import build_boards
from ecpe_zoo.leaderboard.figures import write_board_picture
from ecpe_zoo.leaderboard.method_page import command
from ecpe_zoo.leaderboard.rows import Board, slug_of
from ecpe_zoo.leaderboard.tables import END, START
from ecpe_zoo.results.store import find_records
from tests.results.making import raw, write, write_failure

HOSTILE = (
    '"><img src=q onerror="alert(1)">',
    "</script><script>alert(1)</script>",
    "a | b\n\n# Heading <!-- leaderboard:end -->",
    "[click](http://127.0.0.1) ![x](http://127.0.0.1) `x` *y*",
    "}\\input{secret}\\label{",
    '=HYPERLINK("http://127.0.0.1","x")',
    "\x1b]0;title\x07\x1b[2J[bold red]a[/b]",
    "$(touch RAN); `touch RAN` ' && touch RAN #",
    "../../../up",
    "\u202egnp.exe",
)


class Tags(HTMLParser):
    """The tags of a page, and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(f"@{name}" for name, _ in attributes)}


@pytest.fixture(params=HOSTILE, ids=range(len(HOSTILE)))
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A text, and records that hold it wherever a record may: in options, files, metrics, notes of failures."""
    text: str = request.param
    folder = tmp_path / "records"
    for seed, encoder in enumerate((text, "embedded")):
        record = raw(
            0.4,
            task="emotions",
            corpus="own 情感",
            seed=seed,
            model={"encoder": encoder},
            inputs={text: "0" * 64},
        )
        record["config"]["model"]["class_path"] = "ecpe_zoo.methods.emo_pillars.EmoPillars"
        record["config"]["trainer"][text] = text
        record["metrics"][f"emotions.class_{text}_f1.v1"] = 0.5
        record["corpus"]["files"] = {f"{text}.csv": str(seed)}
        record["corpus"]["twins_left_out"] = [text]
        write(folder / f"{seed}.json", record)
    write_failure(folder / "cell.failed.json", text, text)
    return text, tmp_path


def built(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    """The site of the records, and what the terminal showed."""
    (folder / "README.md").write_text(f"before\n{START}\n{END}\nafter\n")
    site = folder / "out" / "site"
    arguments = ["leaderboard", "build", str(folder / "records"), "--output", str(site)]
    for _ in range(2):  # the second time it finds its own table
        assert main([*arguments, "--readme", str(folder / "README.md")]) == 0
    return site, "".join(capsys.readouterr())


def test_it_is_text_in_every_output(
    hostile: tuple[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text, folder = hostile
    monkeypatch.chdir(folder)
    site, shown = built(folder, capsys)
    made = {path for path in folder.rglob("*") if path.is_file() and "records" not in path.parts}
    assert made == {folder / "README.md"} | {path for path in site.rglob("*") if path.is_file()}
    pages = sorted(site.rglob("*.html"))
    assert len(pages) == 3
    for page in pages:
        tags = Tags()
        tags.feed(page.read_text(encoding="utf-8"))
        assert not tags.found & {"img", "@onerror", "iframe", "object"}
        assert page.read_text(encoding="utf-8").count("<script>") == (page.name == "index.html")
    markdown = (folder / "README.md").read_text(encoding="utf-8")
    assert markdown.count(START) == markdown.count(END) == 1
    table = markdown[markdown.index("| | method") :].split("\n\n")[0].splitlines()
    assert len(table) == 2 + 1 + 2
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {9}
    assert not re.search(r"^#|<(?!!-- leaderboard:)|\]\(http", markdown, re.MULTILINE)
    latex = (site / "leaderboard.tex").read_text(encoding="utf-8")
    assert not re.search(r"\\(input|write|href)", latex)
    assert re.findall(r"\\label\{(.*?)\}", latex) == [f"tab:{slug_of('emotions-own 情感')}"]
    rows = list(csv.reader(io.StringIO((site / "leaderboard.csv").read_text(encoding="utf-8"))))
    assert not [cell for row in rows for cell in row if re.match(r"[=@+]|-(?![\d.])", cell)]
    assert main(["results", "show", str(folder / "records")]) == 0
    shown += capsys.readouterr().out
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown)
    if "[bold red]" in text:
        assert "[bold red]a[/b]" in shown


def test_hidden_characters_are_those_of_these_unicode_categories() -> None:
    directions = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    marks = list(map(chr, range(sys.maxunicode + 1)))
    expected = {
        mark for mark in marks if mark in directions or unicodedata.category(mark) in ("Cc", "Cs", "Zl", "Zp")
    }
    assert {mark for mark in marks if has_hidden(mark)} == expected
    assert all(visible(mark) == mark.encode("unicode_escape").decode() for mark in expected)


def test_the_command_to_copy_runs_nothing_else(hostile: tuple[str, Path]) -> None:
    text, folder = hostile
    vectors = raw(0.4, model={"encoder": {"name": "words", "vectors": text}}, inputs={text: "0" * 64})
    vectors["config"]["model"] |= {"class_path": "ecpe_zoo.methods.rankcp.RANKCP"}
    write(folder / "one" / "0.json", vectors)
    (board, *_) = build_boards(find_records([folder / "one"]), resamples=100)
    line = command(board.rows[0].cells["strict"].group, "configs/a.yaml")
    assert "--model.encoder.vectors=PATH/TO/" in line
    printed = subprocess.run(
        ["bash", "-c", line.replace("ecpe-zoo fit", "printf '%s\\n'")],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert printed.stdout.splitlines()[2].startswith("--model.encoder.vectors=PATH/TO/")
    assert len(printed.stdout.splitlines()) == 7
    assert not (folder / "RAN").exists()
    assert unescape(line) == line or "&" in text


def test_a_picture_of_its_own_is_well_formed(hostile: tuple[str, Path]) -> None:
    from xml.etree import ElementTree

    _, folder = hostile
    boards: list[Board] = build_boards(find_records([folder / "records"]), resamples=100)
    write_board_picture(boards, "own 情感", folder / "board.svg")
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(folder / "board.svg").iter()}
    assert tags <= {"svg", "g", "title", "desc", "style", "rect", "line", "text", "circle", "path"}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["corpus", "method", "task", "stage", "class_path"])
def test_names_with_it_are_refused_in_one_line(
    text: str, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = raw(0.4)
    match place:
        case "corpus":
            record["corpus"]["id"] = text
        case "method":
            record["method"] = text
        case "task":
            record["metrics"] = {f"{text}.pair_f1.v1": 0.5}
        case "stage":
            record["stages"] = [
                {"name": text, "epochs": 1, "steps": 1, "seconds": 1.0, "trainable_parameters": 1}
            ]
        case _:
            record["config"]["model"]["class_path"] = f"ecpe_zoo.methods.{text}"
    path = write(tmp_path / "records" / "a.json", record)
    output = tmp_path / "out" / "site"
    assert main(["leaderboard", "build", str(tmp_path / "records"), "--output", str(output)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"ecpe-zoo: {path}: expected ")
    assert said.err.count("\n") == 1
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", said.err + said.out)
    assert not output.exists()


def test_names_of_any_script_and_with_blanks_are_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, corpus in enumerate(["情感 语料", "Briefe (Köln)", "भावना", "a.b_c+d-e", "A"]):
        write(tmp_path / "records" / f"{number}.json", raw(0.4, corpus=corpus, method="über-1"))
    output = tmp_path / "site"
    assert main(["leaderboard", "build", str(tmp_path / "records"), "--output", str(output)]) == 0
    assert len(list((output / "methods").iterdir())) == 5
    assert "情感 语料" in (output / "index.html").read_text(encoding="utf-8")
    capsys.readouterr()

"""`ecpe-zoo annotate` as it is typed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from ecpe_zoo.annotation import annotate_texts
from ecpe_zoo.cli.main import main
from tests.annotation.making import built, save
from tests.methods.contract import CONTRACT

TEXTS = ["I am glad that he won, but she is sad.", "", "他很高兴，因为他赢了。", "He lost his phone."]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {id: save(built(id), folder / f"{id}.ckpt") for id in CONTRACT}


def run(checkpoint: Path, source: Path | str, output: Path | str = "-", *options: str) -> int:
    return main(
        [
            "annotate",
            "--ckpt_path",
            str(checkpoint),
            "--input",
            str(source),
            "--output",
            str(output),
            "--device",
            "cpu",
            *options,
        ]
    )


@pytest.mark.parametrize("id", sorted(CONTRACT))
def test_lines_of_text_by_every_method(
    id: str, checkpoints: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if id in ("e2eecpe", "two_stage"):  # they read words
        pytest.importorskip("jieba")
    source, output = tmp_path / "in.txt", tmp_path / "sub" / "out.jsonl"
    source.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    assert run(checkpoints[id], source, output) == 0
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert rows == annotate_texts(checkpoints[id], TEXTS)
    told = capsys.readouterr()
    assert not told.out
    assert f"{id}, stage" in told.err
    assert "4 texts, 1 of them empty" in told.err
    # a table of the same
    table = tmp_path / "out.tsv"
    assert run(checkpoints[id], source, table, "--scores", "all") == 0
    header, *cells = csv.reader(
        io.StringIO(table.read_text(encoding="utf-8")), delimiter="\t", quoting=csv.QUOTE_NONE
    )
    assert all(len(row) == len(header) for row in cells)
    assert list(dict.fromkeys(row[0] for row in cells)) == ["1", "2", "3", "4"]


def test_conversations_from_standard_input_to_standard_output(
    checkpoints: dict[str, Path], capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = [{"text": "I won!", "speaker": "Ann"}, {"text": "Oh.", "speaker": "Bob"}]
    given = io.TextIOWrapper(io.BytesIO(json.dumps({"id": "c", "segments": segments}).encode() + b"\n"))
    monkeypatch.setattr("sys.stdin", given)
    assert run(checkpoints["eacl"], "-", "-", "--top", "2", "--window", "1", "--precision", "bf16") == 0
    (row,) = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert row["id"] == "c"
    assert [segment["speaker"] for segment in row["segments"]] == ["Ann", "Bob"]
    assert all(len(segment["emotions"]) == 2 for segment in row["segments"])


def test_columns_and_malformed_rows(
    checkpoints: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text('id,body\na,"I won, yes"\nbroken\nc,I lost\n')
    assert run(checkpoints["eqn"], source, output, "--text", "body") == 1
    error = capsys.readouterr().err
    assert "in.csv:3: expected 2 fields" in error
    assert "Traceback" not in error
    assert run(checkpoints["eqn"], source, output, "--text", "body", "--on_error", "skip") == 0
    header, *rows = csv.reader(io.StringIO(output.read_text()))
    assert [row[header.index("id")] for row in rows] == ["a", "c"]
    told = capsys.readouterr().err
    assert "1 malformed ones left out" in told
    assert json.loads((tmp_path / "out.csv.rejected.jsonl").read_text())["line"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "5"], "from 0 to below 1"),
        (["--text", "body"], "expected a text as"),
        (["--window", "0"], "--window"),
        (["--format", "csv"], "a header with one column"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    options: list[str],
    message: str,
    checkpoints: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").write_text('{"text": "I won"}\n')
    assert run(checkpoints["eqn"], tmp_path / "in", tmp_path / "out", *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_what_is_there_is_kept_and_an_unreadable_checkpoint_told(
    checkpoints: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").write_text("I won\n")
    (tmp_path / "out").write_text("mine\n")
    assert run(checkpoints["eqn"], tmp_path / "in", tmp_path / "out") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine\n"
    assert run(checkpoints["eqn"], tmp_path / "in", tmp_path / "out", "--overwrite") == 0
    assert json.loads((tmp_path / "out").read_text())["text"] == "I won"
    assert run(tmp_path / "no.ckpt", tmp_path / "in") == 1
    assert "no such file" in capsys.readouterr().err

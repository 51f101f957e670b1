"""`ecpe-zoo annotate` as it is typed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import huggingface_hub
import pytest
import torch

from ecpe_zoo.annotation import annotate_texts
from ecpe_zoo.cli.main import main
from ecpe_zoo.methods.exported import write_folder
from ecpe_zoo.methods.loading import read_checkpoint
from ecpe_zoo.text.profile import profile_of
from tests.annotation.making import built, save, some_documents
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


@pytest.mark.parametrize(
    ("scripts", "said"), [(None, True), ({"Latin": 0.5, "Han": 0.5}, True), ({"Latin": 1.0}, False)]
)
def test_models_that_know_chinese_say_how_it_is_cut(
    scripts: dict[str, float] | None, said: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    method = built("e2eecpe")
    method.profile = scripts and {"corpus": "reccon", "unknown": {}, "scripts": scripts}
    (tmp_path / "in").write_text("I won, and I was glad.\n")
    assert run(save(method, tmp_path / "c.ckpt"), tmp_path / "in") == 0
    told = capsys.readouterr().err
    assert ("Chinese text without spaces is cut" in told) == said
    assert "; fp32 on cpu" in told


def test_texts_unlike_those_of_training_are_warned_of_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecpe_zoo.annotation.run.ENOUGH", 2)
    method = built("eqn")
    documents = some_documents("emotions")
    method.profile = profile_of("goemotions", {"train": documents}, method.token_counter())
    path = save(method, tmp_path / "a.ckpt")
    foreign, own = tmp_path / "foreign.txt", tmp_path / "own.txt"
    foreign.write_text("今天我很高兴\n" * 5, encoding="utf-8")
    own.write_text("".join(f"{document.segments[0].text}\n" for document in documents), encoding="utf-8")
    assert run(path, foreign, tmp_path / "f.jsonl", "--window", "1") == 0
    told = capsys.readouterr().err
    assert (
        told.count("WARNING: the texts are unlike those of the model's training: 100.0 % of their words") == 1
    )
    assert "5 texts, unlike the training texts" in told
    assert "NOTE" not in told  # of a real corpus
    assert run(path, own, tmp_path / "o.jsonl") == 0
    assert "unlike the training" not in capsys.readouterr().err
    # an older checkpoint has no numbers
    content = torch.load(path, weights_only=True)
    del content["ecpe_zoo"]["texts"]
    torch.save(content, path)
    assert run(path, foreign, tmp_path / "g.jsonl") == 0
    assert "unlike the training" not in capsys.readouterr().err


def test_a_resumed_run_remembers_what_its_texts_are_like(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    method = built("eqn")
    method.profile = profile_of("goemotions", {"train": some_documents("emotions")}, method.token_counter())
    path, source, output = save(method, tmp_path / "a.ckpt"), tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("今天我很高兴\n" * 3 + "\x00\n", encoding="utf-8")
    assert run(path, source, output, "--window", "2") == 1
    assert "in.txt:4" in capsys.readouterr().err
    source.write_text("今天我很高兴\n" * 3 + "I\n", encoding="utf-8")
    assert run(path, source, output, "--window", "2") == 0
    assert "94.7 % of their words" in capsys.readouterr().err  # 18 of 19


def test_one_clause_says_what_to_do(
    checkpoints: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").write_text("When he left I cried\nI cried because he left\nI won. He lost.\n")
    assert run(checkpoints["mgcl"], tmp_path / "in", tmp_path / "out") == 0
    told = capsys.readouterr().err
    assert "1 of them one clause" in told
    assert '{"segments": [' in told
    rows = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert [len(row["clauses"]) for row in rows] == [1, 2, 2]
    assert run(checkpoints["eqn"], tmp_path / "in", tmp_path / "out2") == 0
    assert "one clause" not in capsys.readouterr().err


def test_a_model_of_the_hub(
    checkpoints: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_folder(tmp_path / "m", read_checkpoint(checkpoints["eqn"]), "card")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(tmp_path / "m"))
    (tmp_path / "in").write_text("I won\n")
    for name, output in (("hf://me/model", "a"), (str(checkpoints["eqn"]), "b")):
        options = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / output), "--device", "cpu"]
        assert main(["annotate", "--ckpt_path", name, *options]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert "hf://me/model: eqn" in capsys.readouterr().err

"""`ecpe-zoo export`: from a fit to a folder with its card, and back through `annotate`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import yaml

from ecpe_zoo import load_method
from ecpe_zoo.cli.main import main
from ecpe_zoo.metrics.counts import Counts
from ecpe_zoo.results.card import Evidence, evidence_beside, model_card
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.evidence import document_counts
from ecpe_zoo.results.record import read_record
from ecpe_zoo.results.resampling import bootstrap
from ecpe_zoo.results.store import each_record
from tests.annotation.making import built, save
from tests.results.making import write, write_scored


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run: the rule learns the bundled corpus in a second."""
    root = tmp_path_factory.mktemp("run")
    options = [
        "--trainer.default_root_dir",
        str(root),
        "--trainer.accelerator",
        "cpu",
        "--seed_everything",
        "1",
    ]
    assert main(["fit", "--config", "rule", "--trainer.enable_progress_bar", "false", *options]) == 0
    (record,) = root.rglob("record.json")
    return record.parent


def checkpoint_of(run: Path) -> Path:
    return next((run / "checkpoints").glob("best*.ckpt"))


def front_of(card: str) -> dict[str, Any]:
    front: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return front


def test_a_fit_becomes_a_folder_that_annotates_alike(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = checkpoint_of(run), tmp_path / "model"
    assert main(["export", str(path), str(folder), "--format", "hf"]) == 0
    assert "WARNING" not in capsys.readouterr().out
    profile = torch.load(path, weights_only=True)["ecpe_zoo"]["texts"]
    assert profile["corpus"] == "bundled-ecpe"
    assert profile["scripts"].keys() == {"Han", "Latin"}

    card = (folder / "README.md").read_text("utf-8")
    data: Any = huggingface_hub.ModelCard(card).data  # as the hub reads it
    record = read_record(run / "record.json")
    assert data.language == ["zh", "en"]
    assert data.license == "apache-2.0"
    assert data.datasets == ["bundled-ecpe"]
    values = {result.metric_name: result.metric_value for result in data.eval_results}
    assert values["pair_f1"] == round(record.metrics["ecpe.pair_f1.v1"], 4)
    (entry,) = each_record([run / "record.json"])
    low, high = bootstrap(document_counts(entry).counts)
    f1 = 100 * record.metrics["ecpe.pair_f1.v1"]
    assert f"| pair F1 | {f1:.1f} | {100 * low:.1f} to {100 * high:.1f} |" in card
    precision, recall = (100 * record.metrics[f"ecpe.pair_{kind}.v1"] for kind in ("precision", "recall"))
    assert f"| {precision:.1f} | {recall:.1f} | {f1:.1f} |" in card
    for words in (
        "strict",
        "validation part",
        "seed",
        record.config_hash,
        "Apache-2.0, part of this package",
    ):
        assert words in card
    assert "bundled-ecpe is invented text" in card
    assert str(run) not in card + (folder / "config.json").read_text("utf-8")

    (tmp_path / "in.txt").write_text("老人丢了钱包。老人很伤心。\nI won, so I am happy.\n", encoding="utf-8")
    rows = []
    for number, given in enumerate((path, folder)):
        output = tmp_path / f"{number}.jsonl"
        options = ["--input", str(tmp_path / "in.txt"), "--output", str(output), "--device", "cpu"]
        assert main(["annotate", "--ckpt_path", str(given), *options, "--scores", "all"]) == 0
        assert (
            "NOTE: the model was trained on bundled-ecpe, which is invented text" in capsys.readouterr().err
        )
        rows.append(output.read_bytes())
    assert rows[0] == rows[1]


def test_a_folder_is_never_written_over(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("mine")
    assert main(["export", str(checkpoint_of(run)), str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert main(["export", str(tmp_path / "no.ckpt"), str(tmp_path / "new")]) == 1
    assert "no such file" in capsys.readouterr().err


def test_training_commands_say_that_they_take_no_folder(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(checkpoint_of(run)), str(tmp_path / "m")]) == 0
    options = ["--ckpt_path", str(tmp_path / "m"), "--trainer.default_root_dir", str(tmp_path)]
    assert main(["test", "--config", "rule", *options]) == 1
    assert "expected a checkpoint file of `ecpe-zoo fit`, but got a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: None, "no record.json in the run's folder"),
        (lambda record: record.update(epoch=7), "about other weights: epoch 7 there, 0 here"),
        (lambda record: record.update(method="mgcl"), "about other weights: method mgcl there, rule here"),
        (
            lambda record: record["protocol"].update(tuned_threshold=0.123),
            "about other weights: tuned threshold 0.123 there",
        ),
        (lambda record: record.update(method="<b>"), "expected method to be a name"),
    ],
)
def test_a_record_of_other_weights_gives_no_score(
    change: Any, reason: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoints" / "some.ckpt"
    path.parent.mkdir()
    shutil.copy(checkpoint_of(run), path)
    record = json.loads((run / "record.json").read_text("utf-8"))
    change(record)
    if "no record" not in reason:
        (tmp_path / "record.json").write_text(json.dumps(record), encoding="utf-8")
    assert main(["export", str(path), str(tmp_path / "m")]) == 0
    assert reason in capsys.readouterr().out
    card = (tmp_path / "m" / "README.md").read_text("utf-8")
    assert "## Protocol and scores\n\nMissing: " in card
    assert "model-index" not in front_of(card)
    assert "bundled-ecpe" in card  # the checkpoint names it


def test_the_interval_is_of_a_bootstrap_over_documents(tmp_path: Path) -> None:
    (entry,) = each_record([write_scored(tmp_path / "a.json")])
    counts = document_counts(entry).counts
    low, high = bootstrap(counts)
    found = float(Counts(*counts.sum(axis=0)[0]).f1)
    assert low < found < high
    assert bootstrap(counts) == (low, high)
    assert 0.02 < high - low < 0.5


def entry_for(path: Path, **changes: Any) -> Entry:
    """A record on the bundled corpus, with parts changed."""
    write_scored(path)
    content = json.loads(path.read_text("utf-8"))
    for part, values in changes.items():
        content[part] |= values
    write(path, content)
    (entry,) = each_record([path])
    return entry


def test_limits_name_what_makes_a_score_too_high(tmp_path: Path) -> None:
    changes = {
        "protocol": {"name": "paper", "selection": "test fold"},
        "corpus": {"scored": 3},
    }
    entry = entry_for(tmp_path / "a.json", **changes)
    card = model_card(content(tmp_path), Evidence(entry))
    assert "The test fold chose the epoch" in card
    assert "Only 3 of" in card


def content(folder: Path) -> dict[str, Any]:
    stored: dict[str, Any] = torch.load(save(built("mgcl"), folder / "a.ckpt"), weights_only=True)
    return stored


def test_a_card_without_corpus_files_says_that_the_interval_is_missing(tmp_path: Path) -> None:
    entry = entry_for(tmp_path / "a.json", corpus={"id": "xia-ding-2019"})
    card = model_card(content(tmp_path), Evidence(entry), tmp_path / "no corpora")
    assert "The interval is missing: " in card
    assert front_of(card)["license"] == "other"
    assert "none stated; released for research" in card


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    stored = content(tmp_path)
    hostile = "x\n---\n# [a](javascript:b) <script>| \x1b[2J"
    stored["ecpe_zoo"] |= {"method": hostile, "stage": hostile}
    stored["ecpe_zoo"]["texts"] = {"corpus": hostile, "unknown": {}, "scripts": {}}
    card = model_card(stored, evidence_beside(tmp_path / "c" / "a.ckpt", stored))
    front = front_of(card)
    assert "\x1b" not in card
    assert "<script>" not in card.split("---\n", 2)[2]
    assert "](javascript" not in card.split("---\n", 2)[2]
    assert [line for line in card.splitlines() if line.startswith("# ")] == [
        line for line in card.splitlines() if line.startswith("# x\\\\n")
    ]
    assert front["datasets"] == [hostile.replace("\n", "\\n").replace("\x1b", "\\x1b")]


def test_the_paths_of_this_machine_stay_here(tmp_path: Path) -> None:
    stored = content(tmp_path)
    stored["hyper_parameters"]["encoder"] |= {"vectors": str(tmp_path / "w2v.txt")}
    (tmp_path / "c").mkdir()
    torch.save(stored, tmp_path / "c" / "b.ckpt")
    assert main(["export", str(tmp_path / "c" / "b.ckpt"), str(tmp_path / "m")]) == 0
    assert str(tmp_path) not in (tmp_path / "m" / "config.json").read_text("utf-8")
    assert load_method(tmp_path / "m").id == "mgcl"

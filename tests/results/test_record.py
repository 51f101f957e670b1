"""Records: strict when read, never overwritten, with a hash of what decides."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.errors import ZooError
from ecpe_zoo.results.choosing import chosen_on, not_strict
from ecpe_zoo.results.evidence import recompute
from ecpe_zoo.results.identity import config_hash
from ecpe_zoo.results.origin import code_state
from ecpe_zoo.results.record import Choice, RunRecord, Stage, read_record, versioned
from ecpe_zoo.results.store import find_records
from tests.conftest import ROOT


def record() -> dict[str, Any]:
    return {
        "method": "mgcl",
        "config": {"model": {}},
        "config_hash": "a",
        "inputs": {},
        "seed": 1,
        "epoch": 0,
        "epochs": 1,
        "steps": 2,
        "metrics": {"ecpe.pair_f1.v1": 0.5},
        "metrics_default": {},
        "history": [],
        "predictions": "b",
        "status": "ok",
        "corpus": {
            "id": "x",
            "fold": 1,
            "files": {},
            "train": 1,
            "validation": 1,
            "test": 1,
            "scored": 1,
            "twins_left_out": [],
            "left_out": {},
        },
        "protocol": {
            "name": "strict",
            "selection": "validation part",
            "default_threshold": 0.5,
            "tuned_threshold": None,
            "tuned_on": None,
            "headline": "default",
            "truncated_segments": 0,
            "test_reads": 0,
            "validation_share": 0.1,
            "split_seed": 1,
        },
        "machine": {
            "seconds": 1.0,
            "peak_memory_bytes": 1,
            "parameters": 1,
            "trainable_parameters": 1,
            "hardware": "x",
            "precision": "32",
            "world_size": 1,
            "threads": 1,
            "versions": {},
        },
        "code": {"version": "0", "commit": None, "dirty": None},
    }


def test_round_trip_and_never_overwritten(tmp_path: Path) -> None:
    made = RunRecord.model_validate(record())
    path = tmp_path / "record.json"
    made.write(path)
    assert read_record(path) == made
    with pytest.raises(ZooError, match="never overwritten"):
        made.write(path)
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_a_record_from_before_the_overlap_was_counted_is_valid() -> None:
    made = RunRecord.model_validate(record())
    assert made.corpus.overlap is None
    with_it = record()
    with_it["corpus"]["overlap"] = {"texts": 200, "held": 3, "share": 0.015}
    overlap = RunRecord.model_validate(with_it).corpus.overlap
    assert overlap is not None
    assert overlap.notable
    assert overlap.in_words == "training holds 3 of the 200 scored texts of five words or more (1.5 %)"


def test_of_two_writers_at_once_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other's record appears between the look and the write."""
    made = RunRecord.model_validate(record())
    path = tmp_path / "record.json"
    link = os.link

    def late(source: Path, target: Path) -> None:
        target.write_text("the other's")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(ZooError, match="never overwritten"):
        made.write(path)
    assert path.read_text() == "the other's"
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_a_record_is_written_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "not here")

    monkeypatch.setattr(os, "link", refused)
    made = RunRecord.model_validate(record())
    made.write(tmp_path / "record.json")
    assert read_record(tmp_path / "record.json") == made
    with pytest.raises(ZooError, match="never overwritten"):
        made.write(tmp_path / "record.json")


def test_what_is_undefined_is_no_metric(tmp_path: Path) -> None:
    """JSON has no nan: such a record could be written and never read."""
    assert versioned("ecpe", {"pair_f1": 0.5, "odd": math.nan}) == {"ecpe.pair_f1.v1": 0.5}
    with pytest.raises(ValueError, match="finite"):
        RunRecord.model_validate(record() | {"metrics": {"ecpe.pair_f1.v1": math.nan}})


def test_a_wrong_record_says_where_and_what(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ZooError, match=r"record\.json: expected a result record") as error:
        read_record(path)
    assert "method" in str(error.value)
    with pytest.raises(ZooError, match="expected a result record"):
        read_record(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("machine", "peak_memory_bytes", 10**400),
        ("metrics", "ecpe.pair_f1.v1", 1e300),
        ("corpus", "test", -(10**16)),
    ],
)
def test_a_number_that_nothing_can_have_is_refused(
    tmp_path: Path, part: str, field: str, value: float
) -> None:
    """Pages and pictures stumbled on them."""
    content = record()
    (tmp_path / "r.json").write_text(
        json.dumps(content | {part: content[part] | {field: value}}), encoding="utf-8"
    )
    with pytest.raises(
        ZooError, match=rf"r\.json: expected {part}.* to be a finite number of at most 1e\+15"
    ):
        read_record(tmp_path / "r.json")


def test_the_hash_follows_decisions_and_not_places() -> None:
    config = {
        "seed_everything": 1,
        "model": {"lr": 1},
        "data": {"root": "a", "fold": 1},
        "trainer": {"logger": True},
    }
    same = {**config, "data": {"root": "b", "fold": 1, "num_workers": 4}, "trainer": {"logger": False}}
    other = {**config, "data": {"root": "a", "fold": 2}}
    assert config_hash(config) == config_hash(same)
    assert config_hash(config) != config_hash(other)


OLD = {
    "seed_everything": 1,
    "model": {
        "class_path": "ecpe_zoo.methods.mgcl.MGCL",
        "init_args": {"encoder": "embedded", "vectors": None},
    },
    "data": {"corpus": "bundled-ecpe", "root": "/data", "fold": 1, "protocol": "strict"},
    "trainer": {
        "accelerator": "cpu",
        "callbacks": None,
        "enable_checkpointing": None,
        "max_epochs": 3,
        "plugins": None,
        "use_distributed_sampler": False,
    },
    "early_stopping": {"monitor": "val/pair_f1", "mode": "max", "patience": 15, "strict": False},
    "checkpoint": {"monitor": "val/pair_f1", "mode": "max", "save_top_k": 1, "dirpath": None},
}


def changed(section: str, **options: Any) -> dict[str, Any]:
    return OLD | {section: OLD[section] | options}  # type: ignore[operator]


def callback(name: str, **options: Any) -> dict[str, Any]:
    return {"class_path": f"lightning.pytorch.callbacks.{name}", "init_args": options}


def test_the_hash_of_an_old_config_stays() -> None:
    """Computed before callbacks counted; records that are committed keep theirs."""
    assert config_hash(OLD) == "10e99bdb87f2636aa902682be780dfad14e42951309d7baf1aa3f54af376657c"
    assert config_hash(changed("data", lexicon="none", truncation="lengths")) == config_hash(OLD)


@pytest.mark.parametrize(
    "config",
    [
        changed("checkpoint", monitor=None),
        changed("checkpoint", monitor="train/loss"),
        changed("checkpoint", save_top_k=0),
        changed("trainer", enable_checkpointing=False),
        changed("trainer", use_distributed_sampler=True),
        changed("trainer", plugins=["x"]),
        changed("trainer", callbacks=[callback("ModelCheckpoint", monitor="val/pair_f1")]),
        changed("trainer", callbacks=[callback("StochasticWeightAveraging", swa_lrs=0.1)]),
        changed("trainer", callbacks=[callback("StochasticWeightAveraging", swa_lrs=0.2)]),
        changed("trainer", callbacks=callback("Timer")),
        changed("early_stopping", counts_from="first-score"),
        changed("data", lexicon="train_words"),
        changed("data", truncation="gold"),
    ],
)
def test_what_changes_a_number_changes_the_hash(config: dict[str, Any]) -> None:
    assert config_hash(config) != config_hash(OLD)


@pytest.mark.parametrize(
    "config",
    [
        changed("trainer", enable_checkpointing=True),
        changed("trainer", callbacks=[]),
        changed(
            "trainer", callbacks=[callback("LearningRateMonitor"), callback("RichProgressBar", leave=True)]
        ),
        changed("trainer", callbacks=callback("DeviceStatsMonitor")),
        changed("checkpoint", save_top_k=3, save_last=True, dirpath="/elsewhere"),
    ],
)
def test_what_only_shows_or_saves_does_not(config: dict[str, Any]) -> None:
    assert config_hash(config) == config_hash(OLD)


def claiming(config: dict[str, Any], **protocol: Any) -> RunRecord:
    """A record of version 2, whose `selection` says what its protocol is for."""
    old = record()
    return RunRecord.model_validate(
        old | {"schema_version": 2, "config": config, "protocol": old["protocol"] | protocol}
    )


@pytest.mark.parametrize(
    ("config", "on", "reason"),
    [
        ({}, "validation part", ""),
        (OLD, "validation part", ""),
        (
            changed("checkpoint", monitor="watched_test/pair_f1"),
            "test fold",
            "the test fold chose the epoch (watched_test/pair_f1)",
        ),
        (
            changed("checkpoint", monitor="train/loss"),
            "training documents",
            "the training documents chose the epoch (train/loss)",
        ),
        (
            changed("early_stopping", monitor="watched_test/pair_f1"),
            "validation part",
            "early stopping read the test fold (watched_test/pair_f1)",
        ),
        (
            changed("trainer", callbacks=[callback("ModelCheckpoint", monitor="watched_test/pair_f1")]),
            "test fold",
            "the test fold chose the epoch (watched_test/pair_f1)",
        ),
    ],
)
def test_an_old_strict_record_is_held_against_its_config(
    config: dict[str, Any], on: str, reason: str
) -> None:
    claimed = claiming(config)
    assert (chosen_on(claimed), not_strict(claimed)) == (on, reason)


def test_what_a_record_states_decides_since_version_3() -> None:
    read = [Choice(metric="watched_test/pair_f1", mode="max", documents="test fold")]
    stage = Stage(name="fit", epochs=1, steps=1, seconds=1.0, trainable_parameters=1, stopped_by=read)
    stated = claiming(changed("checkpoint", monitor="train/loss")).model_copy(update={"schema_version": 3})
    assert not_strict(stated) == ""
    assert not_strict(stated.model_copy(update={"stages": [stage]})) == (
        "early stopping read the test fold (watched_test/pair_f1)"
    )
    chosen = stage.model_copy(update={"name": "one", "chosen_by": read[0], "stopped_by": []})
    assert "stage one" in not_strict(stated.model_copy(update={"stages": [chosen]}))
    last = claiming(OLD, selection="none: the last epoch")
    assert not_strict(last) == "no metric chose the epoch: the last one was scored"
    assert not_strict(claiming(OLD, name="paper", selection="test fold")) == ""


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")
def test_the_commit_is_known() -> None:
    state = code_state()
    assert state.commit is not None
    assert len(state.commit) == 40


RECORDS = sorted(
    path
    for path in (ROOT / "experiments" / "records").rglob("*.json")
    if not path.name.endswith(".failed.json")
)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_committed_records_follow_from_their_predictions(
    path: Path, real_data: Callable[[str], Path]
) -> None:
    (entry,) = find_records([path])
    compared, differences = recompute(entry, real_data(entry.record.corpus.id))
    assert compared >= 2 * len(entry.record.metrics_default)
    assert not differences

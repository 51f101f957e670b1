"""Records made for tests: plausible, complete, with predictions where asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import Prediction, write_predictions
from ecpe_zoo.files import file_sha256
from ecpe_zoo.results.record import RunRecord, versioned
from ecpe_zoo.results.store import Failure
from ecpe_zoo.tasks import TASKS

BUNDLED = {"ecpe": "bundled-ecpe", "erc": "bundled-conversations", "emotions": "bundled-emotions"}


def raw(
    f1: float | None = 0.5,
    *,
    task: str = "ecpe",
    method: str = "mgcl",
    model: dict[str, Any] | None = None,
    trainer: dict[str, Any] | None = None,
    corpus: str = "xia-ding-2019",
    fold: int = 1,
    seed: int = 1,
    protocol: str = "strict",
    status: str = "ok",
    history: list[dict[str, Any]] | None = None,
    inputs: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A record as JSON would have it."""
    headline = TASKS[task].headline
    metrics = {f"{task}.{headline}.v1": f1} if f1 is not None else {}
    return {
        "schema_version": 1,
        "method": method,
        "config_hash": "a",
        "inputs": inputs or {},
        "seed": seed,
        "config": {
            "seed_everything": seed,
            "model": {
                "class_path": "ecpe_zoo.methods.mgcl.MGCL",
                "init_args": {"encoder": "embedded", **(model or {})},
            },
            "data": {"corpus": corpus, "fold": fold, "protocol": protocol, "root": f"somewhere{seed}"},
            "trainer": {"max_epochs": 3, **(trainer or {})},
        },
        "epoch": 0,
        "epochs": 1,
        "steps": 2,
        "metrics": metrics,
        "metrics_default": metrics,
        "history": history or [],
        "predictions": "b",
        "status": status,
        "corpus": {
            "id": corpus,
            "fold": fold,
            "files": {},
            "train": 90,
            "validation": 10,
            "test": 10,
            "scored": 10,
            "twins_left_out": [],
            "left_out": {},
        },
        "protocol": {
            "name": protocol,
            "selection": "validation part" if protocol == "strict" else "test fold",
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
            "seconds": 60.0,
            "peak_memory_bytes": 1000000,
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


def history(rows: list[tuple[float, float]], stage: str = "fit") -> list[dict[str, Any]]:
    """Rows of a stage from (validation, test) of each epoch."""
    return [
        {
            "stage": stage,
            "epoch": epoch,
            "step": epoch,
            "validation": {"pair_f1": validation},
            "watched_test": {"pair_f1": test},
            "watched_test_at_tuned": {"pair_f1": test + 0.01},
        }
        for epoch, (validation, test) in enumerate(rows)
    ]


def write(path: Path, record: dict[str, Any]) -> Path:
    """Write a record, checked."""
    RunRecord.model_validate(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def write_failure(path: Path, cell: str, reason: str) -> None:
    """Write the note of a failed cell."""
    note = Failure(
        cell=cell,
        reason=reason,
        exit_status=1,
        started=0.0,
        ended=1.0,
        host="x",
        command=[],
        config_hash="a",
        commit=None,
        last_lines=[],
    )
    path.write_text(note.model_dump_json(), encoding="utf-8")


def write_scored(path: Path, task: str = "ecpe", skill: float = 0.5, **options: Any) -> Path:
    """Write a record on the task's bundled corpus with random predictions, some right, and the metrics they give."""
    corpus = load_corpus(BUNDLED[task])
    random = np.random.default_rng(options.get("seed", 1))
    documents = {document.id: document for document in corpus.test}
    labels = tuple(sorted({name for d in corpus.test for s in d.segments for name in s.emotions}))
    made = []
    for document in corpus.test:
        size = len(document)
        if task == "ecpe":
            scores = (random.random((size, size)) * 0.55).astype(np.float32)
            for pair in document.pairs or ():
                scores[pair] = 0.9 if random.random() < skill else 0.1
            made.append(Prediction(document.id, {"pair": scores}))
            continue
        emotions = (random.random((size, len(labels))) * 0.55).astype(np.float32)
        for place, segment in enumerate(document.segments):
            if segment.emotions and random.random() < skill:
                emotions[place, labels.index(segment.emotions[0])] = 0.9
        made.append(Prediction(document.id, {"emotions": emotions}, labels=labels))
    path.parent.mkdir(parents=True, exist_ok=True)
    predictions = (
        path.parent / "predictions" / "test.npz" if path.stem == "record" else path.with_suffix(".npz")
    )
    write_predictions(predictions, made)
    threshold = 0.5 if TASKS[task].thresholded else None
    record = raw(task=task, corpus=BUNDLED[task], **options)
    metrics = versioned(task, TASKS[task].score(made, documents, threshold))
    record["metrics"] = record["metrics_default"] = metrics
    record["predictions"] = file_sha256(predictions)
    record["corpus"] |= {"files": corpus.files, "test": len(documents), "scored": len(documents)}
    record["protocol"]["default_threshold"] = threshold
    if threshold is None:
        record["schema_version"] = 2
    return write(path, record)

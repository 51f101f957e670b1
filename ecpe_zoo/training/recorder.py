"""Writes the record of a run when its test is over."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.lexicon import RECORDED as LEXICONS
from ecpe_zoo.corpora.overlap import long_texts, text_overlap
from ecpe_zoo.data.gold_view import RECORDED as TRUNCATIONS
from ecpe_zoo.files import file_sha256
from ecpe_zoo.results import identity, origin, record
from ecpe_zoo.training.checkpoints import best_checkpoint, chosen_by, stopped_by
from ecpe_zoo.training.folders import predictions_folder
from ecpe_zoo.training.scorer import Scorer, threshold_of, zoo_parts


class Recorder(Callback):
    """Collects what a record needs while a run trains, and writes `record.json` after its test.

    A test without a fit in the same command writes no record: nobody then knows how the weights were made.

    Args:
        config: Config of the run, resolved.
        seed: Seed of the run.
        scorer: Scorer whose results are recorded.
    """

    def __init__(self, config: dict[str, Any], seed: int, scorer: Scorer) -> None:
        self.config, self.seed, self.scorer = config, seed, scorer
        self.seconds = 0.0
        self.fitted = False
        self.stages: list[dict[str, Any]] = []  # finished stages
        self.written: record.RunRecord | None = None
        self.path: Path | None = None

    def state_dict(self) -> dict[str, Any]:
        """Seconds of the runs before a resume count too."""
        return {"seconds": self._elapsed(), "stages": self.stages}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the clock of a fit that resumes; a later test loads a state that is older than ours."""
        if not self.fitted:
            self.seconds, self.stages = state_dict["seconds"], list(state_dict.get("stages", []))

    def _elapsed(self) -> float:
        return self.seconds + (time.monotonic() - self.started if hasattr(self, "started") else 0.0)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; it runs through all stages."""
        if not hasattr(self, "started"):
            if torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
            self.started = time.monotonic()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note what the stage took, and what chose its weights."""
        data, method = zoo_parts(trainer, pl_module)
        before = sum(stage["seconds"] for stage in self.stages)
        self.stages.append(
            {
                "name": method.stage,
                "epochs": trainer.current_epoch,
                "steps": trainer.global_step,
                "seconds": round(self._elapsed() - before, 2),
                "trainable_parameters": sum(p.numel() for p in method.parameters() if p.requires_grad),
                "chosen_by": chosen_by(trainer, data.protocol).model_dump(),  # plain: it is in the checkpoint
                "stopped_by": [choice.model_dump() for choice in stopped_by(trainer, data.protocol)],
            }
        )
        self.fitted = True

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the record."""
        folder = predictions_folder(trainer)  # collective: before ranks part
        if not self.fitted or not trainer.is_global_zero:
            return
        data, method = zoo_parts(trainer, pl_module)
        scorer = self.scorer
        assert data.loaded is not None
        assert data.parts is not None
        headline = scorer.headline(data, method)
        metrics = scorer.results[headline]
        choice = _choice_of(trainer, data.protocol)
        made = record.RunRecord(
            method=method.id,
            config=identity.portable(self.config),
            config_hash=identity.config_hash(self.config),
            inputs=identity.input_hashes(method.hparams) | data.lexicon_files,
            corpus=record.Corpus(
                id=data.loaded.corpus,
                fold=data.fold,
                files=dict(data.loaded.files),
                train=len(data.documents("train")),
                validation=len(data.documents("validation")),
                test=len(data.documents("test")),
                scored=scorer.test_documents,
                twins_left_out=list(data.parts.twins_left_out),
                near_left_out=list(data.parts.near_left_out),
                overlap=_overlap_of(data.documents("train"), scorer.gold.values()),
                left_out=dict(data.loaded.counts),
            ),
            protocol=record.Protocol(
                name=data.protocol,
                selection=choice.documents,
                selection_metric=choice.metric,
                default_threshold=threshold_of(method),
                tuned_threshold=method.tuned,
                tuned_on=None if method.tuned is None else "validation part",
                tuned_options=method.tuned_options,
                headline=headline,
                lexicon=LEXICONS[data.lexicon],
                truncation=TRUNCATIONS[data.truncation],
                truncated_segments=scorer.truncated_segments,
                test_reads=scorer.test_reads,
                validation_share=data.validation_share,
                split_seed=data.split_seed,
                split_version=data.split_version,
            ),
            seed=self.seed,
            epoch=_epoch_of(trainer),
            epochs=sum(stage["epochs"] for stage in self.stages),
            steps=sum(stage["steps"] for stage in self.stages),
            stages=[record.Stage(**stage) for stage in self.stages],
            metrics=record.versioned(method.task.id, metrics),
            metrics_default=record.versioned(method.task.id, scorer.results["default"]),
            predictions=file_sha256(folder / "test.npz"),
            machine=record.Machine(
                seconds=round(sum(stage["seconds"] for stage in self.stages), 2),
                peak_memory_bytes=origin.peak_memory(),
                parameters=sum(p.numel() for p in method.parameters()),
                trainable_parameters=max(stage["trainable_parameters"] for stage in self.stages),
                hardware=origin.hardware(),
                precision=str(trainer.precision),
                world_size=trainer.world_size,
                threads=torch.get_num_threads(),
                versions=origin.installed_versions(),
            ),
            code=origin.code_state(),
            status="collapsed" if method.task.collapsed(metrics) else "ok",
        )
        path = folder.parent / "record.json"
        made.write(path)
        self.written, self.path = made, path


def _overlap_of(train: Iterable[Document], scored: Iterable[Document]) -> record.Overlap:
    """The longer scored texts that training holds. Stages that replace training documents change labels, no texts."""
    found = long_texts(text_overlap(train, scored))
    return record.Overlap(texts=found.texts, held=found.held, share=found.share)


def _choice_of(trainer: Trainer, protocol: str) -> record.Choice:
    """What chose the weights that were just tested: the option's checkpoint, or nothing."""
    best = best_checkpoint(trainer)
    path = trainer.ckpt_path
    if path is None:
        return record.Choice(metric=None, mode=None, documents=record.LAST_EPOCH)
    if best is None or str(path) != best.best_model_path:
        return record.Choice(metric=None, mode=None, documents=record.UNKNOWN_DOCUMENTS)
    return chosen_by(trainer, protocol)


def _epoch_of(trainer: Trainer) -> int | None:
    """The epoch whose weights were tested: read from the checkpoint, the trainer has forgotten."""
    path = trainer.ckpt_path
    if path is None:
        return None
    return int(torch.load(path, map_location="cpu", weights_only=True)["epoch"])

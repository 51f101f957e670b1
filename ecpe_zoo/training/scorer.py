"""The scorer: gathers predictions over batches and processes, and computes all metrics."""

from __future__ import annotations

from typing import Any, Literal

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule, Split
from ecpe_zoo.data.predictions import Prediction, rounded, write_predictions
from ecpe_zoo.errors import ZooError, first_few
from ecpe_zoo.layers.distributed import gather_objects
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.stages import FIT
from ecpe_zoo.tasks import Metrics
from ecpe_zoo.training.checkpoints import epoch_metric
from ecpe_zoo.training.folders import predictions_folder

WATCHED = "watched_test"
"""Prefix of test scores of every epoch, which choose nothing."""


class Scorer(Callback):
    """Scores validation and test documents, each exactly once, and saves the scores before thresholds.

    What is computed depends on the method's task alone (`tasks.Task`). If scores are cut at a threshold,
    each validation under `strict` also tunes it and leaves it in the method, so that every checkpoint holds the
    threshold that its own validation chose; the epoch is chosen at the default threshold. Test metrics are
    computed at both: the tuned one is the headline under `strict`, the default under `paper`.

    Args:
        watch_test: Score the test documents at every validation too, under names of their own that nothing
            chooses by, so that the price of choosing on test can be measured later. The record counts it. Models that
            only predict training documents are not watched.
    """

    def __init__(self, watch_test: bool = False) -> None:
        self.watch_test = watch_test
        self.gathered: dict[Split, list[Prediction]] = {}
        self.tested: list[Prediction] = []  # of the last test, sorted by id
        self.gold: dict[str, Document] = {}  # of the same
        self.history: list[
            dict[str, Any]
        ] = []  # one row per validation; plain values: it is in the checkpoint
        self.test_reads = 0
        self.results: dict[str, Metrics] = {}  # of the last test: at the tuned and at the default threshold
        self.best_validation: dict[str, float] = {}  # stage -> the metric that chooses its epoch
        self.function = ""
        self.truncated_segments = 0

    # --- where the documents come from

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Ask the data module for the test documents beside the validation ones if they are watched."""
        data, method = zoo_parts(trainer, pl_module)
        if self.watch_test and data.protocol == "paper":
            raise ZooError(
                "Expected --scorer.watch_test with --data.protocol strict, but got the paper protocol, whose "
                "validation is the test fold: its scores are in the log already."
            )
        self.function = stage
        watched = {stage.name for stage in method.stages() if stage.watched}
        data.watch_test = self.watch_test and stage == "fit" and method.stage in watched

    def state_dict(self) -> dict[str, Any]:
        """History and counters, for a fit that resumes."""
        return {
            "history": self.history,
            "test_reads": self.test_reads,
            "best_validation": self.best_validation,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue a fit; a test that loads the best checkpoint must not forget the epochs after it."""
        if self.function == "fit":
            self.history, self.test_reads = list(state_dict["history"]), state_dict["test_reads"]
            self.best_validation = dict(state_dict["best_validation"])

    # --- gathering

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget what an interrupted loop left."""
        self.gathered = {"validation": [], "test": []}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the predictions of a batch."""
        splits: tuple[Split, Split] = ("validation", "test")
        self.gathered[splits[dataloader_idx]].extend(outputs)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget what an interrupted loop left."""
        self.gathered = {"test": []}

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the predictions of a batch."""
        self.gathered["test"].extend(outputs)

    def on_predict_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget what an interrupted loop left."""
        self.gathered = {"test": []}

    on_predict_batch_end = on_test_batch_end  # type: ignore[assignment]

    def _complete(
        self, trainer: Trainer, split: Split, limit: float | int, data: EmotionDataModule
    ) -> tuple[list[Prediction], dict[str, Document]]:
        """The predictions of all ranks as they are scored (`as_scored`), and the documents they are scored on.

        Every document is expected once; if Lightning was made to stop early (`limit_*_batches`), only
        documents that were reached are scored.
        """
        gathered = data.as_scored(gather_over_ranks(self.gathered.pop(split)), split)
        predictions = [rounded(prediction) for prediction in gathered]
        by_id = {document.id: document for document in data.documents(split)}
        reached = {prediction.id for prediction in predictions}
        everything = isinstance(limit, float) and limit == 1.0  # the int 1 is one batch
        if everything and not trainer.fast_dev_run and not trainer.sanity_checking:
            if missing := by_id.keys() - reached:
                raise ZooError(
                    f"Expected each of {len(by_id)} {split} documents to be scored, but {len(missing)} were "
                    f"not: {first_few(sorted(missing))}."
                )
        else:
            by_id = {id: document for id, document in by_id.items() if id in reached}
        return sorted(predictions, key=lambda prediction: prediction.id), by_id

    # --- scoring

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the validation documents, tune the threshold under `strict`, log and remember."""
        data, method = zoo_parts(trainer, pl_module)
        task = method.task
        limit = trainer.limit_val_batches
        fitting = trainer.state.fn == "fit"  # else a finished checkpoint is validated: show, change nothing
        predictions, gold = self._complete(trainer, "validation", limit, data)
        default = threshold_of(method)
        metrics = task.score(predictions, gold, default)
        task.check(metrics, gold.values())
        if trainer.sanity_checking:
            return
        headline = task.headline_of(metrics)
        for name, value in metrics.items():
            pl_module.log(f"val/{name}", value, prog_bar=name == headline)
        row = {
            "stage": method.stage,
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "validation": task.short(metrics),
        }
        tuned = None
        if data.protocol == "paper":
            self.test_reads += 1
        elif task.tunable(predictions):
            tuned = method.tune(predictions, gold)
            if fitting:
                method.take(tuned)
            row |= {"tuned_threshold": tuned.threshold, "tuned_validation_f1": tuned.f1}
            further = {f"tuned_{name}": value for name, value in tuned.options.items()} | dict(tuned.shown)
            row |= further
            pl_module.log_dict(
                {f"val/{n}": v for n, v in ({"tuned_threshold": tuned.threshold} | further).items()}
            )
        folder = predictions_folder(trainer)
        chosen = metrics[epoch_metric(data.corpus, task) if headline == task.headline else headline]
        if fitting and chosen > self.best_validation.get(method.stage, -1.0):
            self.best_validation[method.stage] = chosen
            if trainer.is_global_zero:
                write_predictions(folder / "validation-best.npz", predictions)
        if data.watch_test and "test" in self.gathered:
            predictions, gold = self._complete(trainer, "test", limit, data)
            watched = task.score(predictions, gold, default)
            self.test_reads += 1
            row[WATCHED] = task.short(watched)
            if tuned is not None:
                at_tuned = task.score(method.decided(predictions, tuned), gold, tuned.threshold)
                row[f"{WATCHED}_at_tuned"] = task.short(at_tuned)
            pl_module.log_dict({f"{WATCHED}/{n}": v for n, v in watched.items()})
            if trainer.is_global_zero:
                stage = "" if method.stage == FIT else f"{method.stage}-"
                name = f"{stage}epoch-{trainer.current_epoch:03d}-step{trainer.global_step}.npz"
                write_predictions(folder / WATCHED / name, predictions)
        if fitting:
            self.history.append(row)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the test documents at the tuned and at the default threshold, log and save."""
        data, method = zoo_parts(trainer, pl_module)
        task = method.task
        predictions, gold = self._complete(trainer, "test", trainer.limit_test_batches, data)
        self.results = {"default": task.score(predictions, gold, threshold_of(method))}
        task.check(self.results["default"], gold.values())
        if method.tuned is not None:
            self.results["tuned"] = task.score(predictions, gold, method.tuned)
        headline = self.results[self.headline(data, method)]
        pl_module.log_dict({f"test/{name}": value for name, value in headline.items()})
        default = self.results["default"]
        pl_module.log_dict({f"test_default/{n}": v for n, v in default.items()})
        self.truncated_segments = sum(prediction.truncated for prediction in predictions)
        if self.truncated_segments:
            rank_zero_warn(
                f"{self.truncated_segments} test segments were cut; what is lost with them counts as missed."
            )
        self.test_documents, self.tested, self.gold = len(gold), predictions, gold
        path = predictions_folder(trainer) / "test.npz"
        if trainer.is_global_zero:
            write_predictions(path, predictions, self.history)

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save all scores, the extra ones of `predict_step` included."""
        data, _ = zoo_parts(trainer, pl_module)
        gathered = data.as_scored(gather_over_ranks(self.gathered.pop("test")), data.predict_split)
        predictions = sorted(gathered, key=lambda prediction: prediction.id)
        path = predictions_folder(trainer) / f"predict-{data.predict_split}.npz"
        if trainer.is_global_zero:
            write_predictions(path, predictions)
        rank_zero_info(f"Scores of {len(predictions)} documents: {path}")

    @staticmethod
    def headline(data: EmotionDataModule, method: Method) -> Literal["default", "tuned"]:
        """Which of the two thresholds the reported number uses."""
        return "tuned" if data.protocol == "strict" and method.tuned is not None else "default"


def threshold_of(method: Method) -> float | None:
    """The method's default threshold; None for a task without one."""
    return method.threshold if method.task.thresholded else None


def zoo_parts(trainer: Trainer, module: LightningModule) -> tuple[EmotionDataModule, Method]:
    """The data module and the method that a trainer runs.

    Raises:
        ZooError: one of them is not the zoo's.
    """
    data = trainer.datamodule  # type: ignore[attr-defined]
    if not isinstance(data, EmotionDataModule) or not isinstance(module, Method):
        raise ZooError(
            "Expected a trainer that runs an EmotionDataModule and a method of the zoo, but got "
            f"{type(data).__name__} and {type(module).__name__}."
        )
    return data, module


def gather_over_ranks(predictions: list[Prediction]) -> list[Prediction]:
    """The predictions of all processes, on each of them."""
    return [prediction for part in gather_objects(predictions) for prediction in part]

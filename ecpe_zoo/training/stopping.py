"""Early stopping whose patience starts with the first validation score above 0."""

from __future__ import annotations

from typing import Any, Literal

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping

from ecpe_zoo.errors import at_least, unknown_choice
from ecpe_zoo.training.checkpoints import epoch_metric
from ecpe_zoo.training.scorer import zoo_parts

COUNTS_FROM = ("first-score", "first-epoch")


class PatientStopping(EarlyStopping):
    """Lightning's early stopping, which a method that is slow to start does not meet before its first score.

    A network may predict nothing for its first epochs: the metric of `epoch_metric` is then 0 and does not
    improve. With `counts_from: first-score` these checks cost no patience, in each stage anew. A run whose metric
    never exceeds 0 trains to `max_epochs`; a run without validation counts from its first epoch.

    Args:
        monitor: Logged metric that has to improve.
        counts_from: First-score (patience counts from the first validation headline above 0) or first-epoch
            (from the first check, as Lightning does).
        **options: Options of Lightning's `EarlyStopping`.

    Raises:
        ZooError: `counts_from` is neither, or the patience is below 0.
    """

    def __init__(
        self, monitor: str, counts_from: Literal["first-score", "first-epoch"] = "first-score", **options: Any
    ) -> None:
        if counts_from not in COUNTS_FROM:
            raise unknown_choice("counts_from", counts_from, COUNTS_FROM)
        at_least("--early_stopping.patience", options.get("patience"), 0)
        super().__init__(monitor, **options)
        self.counts_from = counts_from
        self.counting = counts_from == "first-epoch"

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check, where validation runs once an epoch."""
        self._hold(trainer, pl_module)
        super().on_train_epoch_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check, where validation runs more or less often than once an epoch."""
        self._hold(trainer, pl_module)
        super().on_validation_end(trainer, pl_module)

    def _hold(self, trainer: Trainer, module: LightningModule) -> None:
        """Keep the full patience until the first score; all other criteria are checked as before."""
        if self.counting:
            return
        data, method = zoo_parts(trainer, module)
        metrics = {name.removeprefix("val/"): value for name, value in trainer.callback_metrics.items()}
        score = metrics.get(epoch_metric(data.corpus, method.task), metrics.get(method.task.stage_headline))
        self.counting = not trainer.enable_validation or (score is not None and float(score) > 0)
        # a check without improvement adds 1 and compares with the patience, which may be 0
        self.wait_count = 0 if self.counting else -2

    def state_dict(self) -> dict[str, Any]:
        """Whether patience counts already, beside Lightning's state."""
        return {**super().state_dict(), "counting": self.counting}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue a fit that resumes."""
        super().load_state_dict(state_dict)
        self.counting = state_dict["counting"]

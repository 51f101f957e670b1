"""AdamW as for BERT: no decay on biases and norms, linear warm-up and decline.

Embeddings are not decayed either, which departs from BERT's own training: decoupled decay multiplies every row by
1 - lr * weight_decay at every step, also the rows of words that are not in the batch and get no gradient, so that rare
words shrink towards zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from lightning import LightningModule
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ecpe_zoo.errors import ZooError

Schedule = Literal["linear", "constant"]
"""Learning rate after the warm-up: down to 0 at the last step of the last epoch, or unchanged."""


def parameter_groups(modules: Iterable[tuple[nn.Module, float]], weight_decay: float) -> list[dict[str, Any]]:
    """Trainable parameters as optimiser groups, each parameter once.

    Args:
        modules: Pairs of a module and its learning rate; a parameter belongs to the first module that holds it.
        weight_decay: Decay of matrices; embeddings, biases, norms and other vectors get none. A matrix that is shared
            with an embedding counts as one.
    """
    modules = list(modules)
    embeddings = {
        id(p)
        for module, _ in modules
        for part in module.modules()
        if isinstance(part, (nn.Embedding, nn.EmbeddingBag))
        for p in part.parameters(recurse=False)
    }
    groups: list[dict[str, Any]] = []
    seen: set[int] = set()
    for module, rate in modules:
        fresh = [p for p in module.parameters() if p.requires_grad and id(p) not in seen]
        seen.update(id(p) for p in fresh)
        decayed = [p for p in fresh if p.ndim > 1 and id(p) not in embeddings]
        spared = [p for p in fresh if p.ndim <= 1 or id(p) in embeddings]
        for decay, chosen in ((weight_decay, decayed), (0.0, spared)):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
    return groups


def warmup_factor(step: int, warmup: int, total: int) -> float:
    """Share of the full learning rate: up from 0 over the warm-up, then down to 0 at the end.

    >>> [warmup_factor(step, 2, 6) for step in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if step < warmup:
        return step / max(warmup, 1)
    return max(0.0, (total - step) / max(total - warmup, 1))


def adamw_with_warmup(
    module: LightningModule,
    groups: list[dict[str, Any]],
    warmup_share: float,
    fused: bool = False,
    schedule: Schedule = "linear",
) -> Mapping[str, Any]:
    """What `configure_optimizers` returns: AdamW and the schedule of `warmup_factor`, by step.

    Args:
        module: tells the steps of the whole run by its trainer.
        groups: of `parameter_groups`.
        warmup_share: of all steps, 0 to 1.
        fused: all of a step in one kernel: a quarter of its time on a CPU (1.3 s became 0.35 s for six steps of
            all-MiniLM-L6, a tenth of its training on short texts). Last digits differ.
        schedule: `constant` keeps the rate after the warm-up, for a training that early stopping ends.

    Raises:
        ZooError: the number of steps is not known.
    """
    trainer = module.trainer
    if trainer.max_epochs == -1 and trainer.max_steps == -1:
        raise ZooError(
            "Expected a run with an end, since the learning rate is scheduled up to there, but got no limit. Give "
            "--trainer.max_epochs or --trainer.max_steps."
        )

    def factor(step: int) -> float:
        if step == 0:  # asked at once, for the first step
            return 0.0 if warmup_share else 1.0
        # the number of steps is asked for in training alone: asked here and now, Lightning would make the loader's
        # iterator before it restores a checkpoint, and the epoch after a resume would have the first one's batches
        total = int(trainer.estimated_stepping_batches)
        warmup = round(total * warmup_share)
        return 1.0 if schedule == "constant" and step >= warmup else warmup_factor(step, warmup, total)

    optimizer = AdamW(groups, fused=fused or None)
    # a fused step can undo a loss scale by itself, and Lightning then refuses to clip; told that it cannot, a scaler
    # undoes it before the clipping, as for any other optimiser
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
    scheduler = LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

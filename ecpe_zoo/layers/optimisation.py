"""AdamW as for BERT: no decay on biases and norms, linear warm-up and decay.

Embeddings are not decayed either, unlike in BERT's own training: decoupled decay multiplies every row by
1 - lr * weight_decay at every step, also the rows of words that are not in the batch and get no gradient, so that rare
words shrink towards zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lightning import LightningModule
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ecpe_zoo.errors import ZooError
from ecpe_zoo.options import OptimiserSettings


def parameter_groups(modules: Iterable[tuple[nn.Module, float]], weight_decay: float) -> list[dict[str, Any]]:
    """Trainable parameters as optimiser groups, each parameter once.

    Args:
        modules: Modules and their learning rates; a parameter belongs to the first module that contains it.
        weight_decay: Decay of matrices; embeddings, biases, norms and other vectors get none. A matrix shared
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
    """Factor of the learning rate: rises from 0 over the warm-up, then falls to 0 at the end.

    >>> [warmup_factor(step, 2, 6) for step in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if step < warmup:
        return step / max(warmup, 1)
    return max(0.0, (total - step) / max(total - warmup, 1))


def clippable(optimizer: Optimizer) -> Optimizer:
    """The fused optimiser, so that Lightning clips its gradients in mixed precision.

    A fused step could undo a loss scale itself, and Lightning then refuses to clip. With this flag off, the scaler
    undoes it before clipping, as for any other optimiser.
    """
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
    return optimizer


def make_optimiser(
    method: LightningModule,
    settings: OptimiserSettings,
    rest: nn.Module,
    encoder: nn.Module | None = None,
) -> Mapping[str, Any]:
    """AdamW with the schedule of the settings, in the form that `configure_optimizers` returns.

    A step is one kernel, which takes a quarter of the time on a CPU (from 1.3 s to 0.35 s for six steps of
    all-MiniLM-L6: with short documents, the step was a fifth of the training).

    Args:
        method: Method whose trainer knows the total number of steps.
        settings: Rates, decay and schedule.
        rest: Module with all parameters; those outside `encoder` use the rate `lr`.
        encoder: Module whose parameters use the rate `encoder_lr`.

    Raises:
        ZooError: A linear schedule is set, but the number of steps is unknown.
    """
    modules = [(rest, settings.lr)]
    if encoder is not None and settings.encoder_lr is not None:
        modules.insert(0, (encoder, settings.encoder_lr))
    optimizer = clippable(AdamW(parameter_groups(modules, settings.weight_decay), fused=True))
    if settings.schedule == "halve":
        return {"optimizer": optimizer, "lr_scheduler": LambdaLR(optimizer, lambda epoch: 0.5**epoch)}
    trainer = method.trainer
    if trainer.max_epochs == -1 and trainer.max_steps == -1:
        raise ZooError(
            "Expected a limited run, since the learning rate schedule needs its length, but got no limit. Set "
            "--trainer.max_epochs or --trainer.max_steps."
        )

    def factor(step: int) -> float:
        if step == 0:  # called immediately, for the first step
            return 0.0 if settings.warmup_share else 1.0
        # the number of steps is needed only in training: if it were computed here, Lightning would create the loader's
        # iterator before restoring a checkpoint, and the epoch after a resume would repeat the batches of the first
        total = int(trainer.estimated_stepping_batches)
        warmup = round(total * settings.warmup_share)
        if settings.schedule == "constant" and step >= warmup:
            return 1.0
        return warmup_factor(step, warmup, total)

    scheduler = LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

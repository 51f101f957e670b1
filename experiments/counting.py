"""What a measurement counts: tokens, operations, seconds and memory, and the machine's rate during the measurement."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from ecpe_zoo.layers.rows import ChunkedRows
from ecpe_zoo.text.token_encoder import TokenEncoder
from ecpe_zoo.text.transformer_encoder import TransformerEncoder, rounded_width
from ecpe_zoo.training.process import product_seconds

Action = Literal["train", "predict", "query-by-query", "anchors"]

DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}
"""Precision, as the trainer calls it -> type of its matrix products."""

SIZES = (512, 2048)
"""Rows of the matrices whose products give the machine's rate."""

PATIENCE = 0.1
"""Seconds of one product after which no larger one is tried: the larger takes 64 times as long, minutes on processors
without 16-bit instructions."""


@dataclass
class Job:
    """What is measured.

    Args:
        class_path: Class path of the method.
        init_args: Arguments of the method.
        data: Arguments of the data module.
        action: Training, prediction, prediction of the same documents with batches of questions and with one
            question at a time, or EACL's second stage.
        threads: Threads of the process.
        steps: Maximum number of timed batches.
        seconds: Time in seconds after which no batch starts.
        repeats: Complete epochs or predictions of all documents; 0 measures single steps.
        precision: Precision, as the trainer takes it.
        accelerator: Accelerator, as the trainer takes it.
        seed: Seed of the weights and of the order of batches.
    """

    class_path: str
    init_args: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    action: Action = "train"
    threads: int = 1
    steps: int = 30
    seconds: float = 20.0
    repeats: int = 0
    precision: str = "32-true"
    accelerator: str = "cpu"
    seed: int = 0


@dataclass
class Measured:
    """Results of a measurement; a token counts each time the network reads it.

    Args:
        seconds: Duration of the timed batches, including building them.
        steps: Timed batches.
        documents: Documents in them.
        real_tokens: Real tokens in them.
        slots: Token slots that were run, padding included.
        flops: FLOPs of the timed batches' matrix products, counted on the first ones and scaled by tokens.
        runs: Seconds of each complete epoch or prediction.
        epoch_tokens: Real tokens of an entire epoch, 0 if not known beforehand.
        epoch_documents: Documents of an entire epoch.
        peak_bytes: Peak memory of the process or of the GPU, in bytes.
        rates: GFLOP/s of a matrix product of this process, by precision; that of the job's precision is measured
            between the timed batches, if there is time.
        extra: Further figures of particular jobs.
    """

    seconds: float = 0.0
    steps: int = 0
    documents: int = 0
    real_tokens: int = 0
    slots: int = 0
    flops: float = 0.0
    runs: list[float] = field(default_factory=list)
    epoch_tokens: int = 0
    epoch_documents: int = 0
    peak_bytes: int = 0
    rates: dict[str, float] = field(default_factory=dict)
    extra: dict[str, float] = field(default_factory=dict)


class Tally:
    """Counts tokens and slots as the network reads them, the slots of a transformer after it has rounded the width.

    Args:
        method: Built. Methods that run rows in chunks count by themselves. For others, what token encoders read counts,
            or, if there is none, the ids that reach an embedding with a padding id.
    """

    def __init__(self, method: nn.Module) -> None:
        self._real = self._slots = 0
        self.chunked = [value for value in vars(method).values() if isinstance(value, ChunkedRows)]
        if self.chunked:
            return
        encoders = [module for module in method.modules() if isinstance(module, TokenEncoder)]
        for encoder in encoders:
            encoder.register_forward_pre_hook(self._count_rows)
        for module in [] if encoders else method.modules():
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                module.register_forward_pre_hook(self._count_ids)

    def _count_rows(self, encoder: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        mask = inputs[1]  # (R, T)
        width = mask.shape[1]
        if isinstance(encoder, TransformerEncoder):
            width = rounded_width(width, encoder.max_tokens)
        self._real += int(mask.sum())
        self._slots += len(mask) * width

    def _count_ids(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.Embedding)
        assert module.padding_idx is not None
        self._real += int(torch.ne(inputs[0], module.padding_idx).sum())
        self._slots += inputs[0].numel()

    @property
    def counts(self) -> tuple[int, int]:
        """Real tokens and slots so far."""
        if self.chunked:
            return sum(c.real_tokens for c in self.chunked), sum(c.run_slots for c in self.chunked)
        return self._real, self._slots


def flop_counter() -> FlopCounterMode:
    """Counts matrix products, also those inside the CPU kernels that torch's counter does not know."""
    aten = torch.ops.aten

    def recurrent(inputs: Sequence[int], ih: Sequence[int], hh: Sequence[int], *_: Any, **__: Any) -> int:
        steps = int(np.prod(inputs[:-1]))
        return 2 * steps * (int(np.prod(ih)) + int(np.prod(hh)))

    def attention(q: Sequence[int], k: Sequence[int], v: Sequence[int], *_: Any, **__: Any) -> int:
        return int(sdpa_flop_count(q, k, v))

    def attention_backward(
        g: Sequence[int], q: Sequence[int], k: Sequence[int], v: Sequence[int], *_: Any, **__: Any
    ) -> int:
        return int(sdpa_backward_flop_count(g, q, k, v))

    return FlopCounterMode(
        display=False,
        custom_mapping={
            aten.mkldnn_rnn_layer: recurrent,
            aten.mkldnn_rnn_layer_backward: lambda *a, **k: 2 * recurrent(*a, **k),
            aten._scaled_dot_product_flash_attention_for_cpu: attention,
            aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward,
        },
    )


class MachineRate:
    """Measures the machine's rate between batches: on a shared machine its speed changes from second to second.

    Args:
        job: Entire epochs are not interrupted, and other devices are not shared.

    Attributes:
        spent: Seconds that this has taken.
    """

    def __init__(self, job: Job) -> None:
        self.dtype = DTYPES[job.precision]
        self.spent = self.due = 0.0
        self.products: list[float] = []
        if job.repeats or job.accelerator != "cpu" or product_seconds(SIZES[0], self.dtype) > PATIENCE:
            self.due = float("inf")

    def sample(self, seconds: float) -> float | None:
        """GFLOP/s of all products so far; None before the first. A tenth of the time at most is spent on them.

        Args:
            seconds: Duration of the batches so far.
        """
        if seconds >= self.due:
            start = now()
            self.products.append(product_seconds(SIZES[-1], self.dtype, repeats=1))
            self.spent += now() - start
            self.due = 10 * self.spent
        return 2 * SIZES[-1] ** 3 * len(self.products) / sum(self.products) / 1e9 if self.products else None


class Clock(Callback):
    """Times the batches of a loop after a few for warming up, whose matrix products are counted instead.

    Args:
        job: Job with the limits.
        tally: Tally of the method; made at the start of training if the network is not built yet.
        warm: Number of warm-up batches, which are not timed.
    """

    def __init__(self, job: Job, tally: Tally | None = None, warm: int = 2) -> None:
        self.job, self.tally, self.warm = job, tally, warm
        self.seen = 0
        self.counter: FlopCounterMode | None = None
        self.counted = (0.0, 0)  # FLOPs and the real tokens that they belong to
        self.measured = Measured()
        self.start, self.at_start = 0.0, (0, 0)
        self.machine = MachineRate(job)

    def _begin(self, method: LightningModule) -> None:
        if self.tally is None:
            self.tally = Tally(method)
        if self.seen < self.warm:
            self.counter = flop_counter()
            self.counter.__enter__()

    def _end(self, trainer: Trainer, batch: Any) -> None:
        assert self.tally is not None
        self.seen += 1
        if self.counter is not None:
            self.counter.__exit__(None, None, None)
            self.counted = (self.counted[0] + self.counter.get_total_flops(), self.tally.counts[0])
            self.counter = None
            self.start, self.at_start = now(), self.tally.counts
            return
        measured = self.measured
        measured.steps += 1
        measured.documents += len(batch.ids)
        measured.seconds = now() - self.start - self.machine.spent
        real, slots = self.tally.counts
        measured.real_tokens, measured.slots = real - self.at_start[0], slots - self.at_start[1]
        measured.flops = self.counted[0] * measured.real_tokens / max(self.counted[1], 1)
        if not self.job.repeats and (
            measured.steps >= self.job.steps or measured.seconds >= self.job.seconds
        ):
            trainer.should_stop = True
        if rate := self.machine.sample(measured.seconds):
            measured.rates = {self.job.precision: rate}

    def on_train_batch_start(self, trainer: Trainer, method: LightningModule, batch: Any, index: int) -> None:
        """Count the FLOPs of the first batches."""
        self._begin(method)

    def on_train_batch_end(
        self, trainer: Trainer, method: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Take the time."""
        self._end(trainer, batch)

    def on_test_batch_start(
        self, trainer: Trainer, method: LightningModule, batch: Any, index: int, loader: int = 0
    ) -> None:
        """See training."""
        self._begin(method)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        method: LightningModule,
        outputs: Any,
        batch: Any,
        index: int,
        loader: int = 0,
    ) -> None:
        """See training."""
        self._end(trainer, batch)

    def on_train_epoch_start(self, trainer: Trainer, method: LightningModule) -> None:
        """Start a complete run over the documents."""
        self.run_start = now()

    def on_train_epoch_end(self, trainer: Trainer, method: LightningModule) -> None:
        """End it."""
        self.measured.runs.append(now() - self.run_start)

    def on_test_epoch_start(self, trainer: Trainer, method: LightningModule) -> None:
        """See training."""
        self.run_start = now()

    def on_test_epoch_end(self, trainer: Trainer, method: LightningModule) -> None:
        """See training."""
        self.measured.runs.append(now() - self.run_start)


def now() -> float:
    """Time in seconds, once the device has finished all its work."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_bytes() -> int:
    """Most memory so far: the GPU's if one is used, else the process's."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes, but on macOS bytes


def matmul_rates(device: str, repeats: int = 6) -> dict[str, float]:
    """GFLOP/s of the best of a few square matrix products, by precision as the trainer calls it.

    Args:
        device: Device that multiplies.
        repeats: Products of each of `SIZES`. The rate is that of the last size that is tried.
    """
    rates = {}
    for name, dtype in DTYPES.items():
        for size in SIZES:
            seconds = product_seconds(size, dtype, device, repeats, PATIENCE, now)
            rates[name] = 2 * size**3 / seconds / 1e9
            if seconds >= PATIENCE:
                break
    return rates

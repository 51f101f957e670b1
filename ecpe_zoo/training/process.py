"""Settings of a process while it trains, and a warning if its processor is slow in 16 bits."""

from __future__ import annotations

import atexit
import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from ecpe_zoo.errors import ZooError

MUTED = (
    ".*Checkpoint directory .* exists and is not empty.*",  # later stages and resumed runs share the folder
    ".*Experiment logs directory .* exists and is not empty.*",  # its log was set aside
    ".*LeafSpec.*",  # a deprecation inside Lightning
    ".*does not have many workers.*",
    ".*custom batch sampler.*",  # ours does what the warning asks for
    ".*number of training batches.*",
    r".*`self\.log\('(val|test|test_default|watched_test)/.*sync_dist=True.*",  # scored from all processes' predictions
)

SCORING = (".*The dirpath has changed from.*",)  # the checkpoint's run is not continued

NO_NEWS = (
    "TPU available: False",
    "GPU available: False",
    "Restoring states from the checkpoint",  # a resumed fit also says "Restored all states"
    "Loaded model weights from the checkpoint",
)
"""Beginnings of Lightning's notes that no user needs."""


@atexit.register
def _leave_process_group() -> None:
    """End the threads of the process group: destroyed while they run, they abort a process that had finished."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class OncePerRun:
    """A filter of Lightning's notes: none in `NO_NEWS`, no advertisement, and the one about GPUs once.

    Every stage has a trainer of its own, which would repeat them.
    """

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, line: logging.LogRecord) -> bool:
        """Whether the note is shown."""
        text = line.getMessage()
        if "litlogger" in text or text.startswith(NO_NEWS):
            return False
        new = text not in self.seen
        if text.startswith("GPU available"):
            self.seen.add(text)
        return new


def weights_are_missing(line: logging.LogRecord) -> bool:
    """A filter of transformers' load reports: none if the encoder has all the weights that it uses.

    The pooler of `AutoModel` is new if a checkpoint has none, and heads of pretraining are left out; no method uses
    either.
    """
    text = line.getMessage()
    if "LOAD REPORT" not in text:
        return True
    rows = [row for row in text.splitlines() if "|" in row]
    return any("pooler" not in row for row in rows if re.search(r"\|.*(MISSING|MISMATCH|CONVERSION)", row))


@contextmanager
def settings(muted: Sequence[str] = ()) -> Iterator[None]:
    """TF32 if the device has it, no tokenizer threads, and none of Lightning's warnings that do not apply.

    Args:
        muted: Patterns of further warnings.

    Raises:
        ZooError: Lightning refuses an option.
    """
    # tokenizer threads would deadlock forked data-loader workers
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")  # changes nothing on a CPU
    filters: dict[str, Callable[[logging.LogRecord], bool]] = {
        "lightning.pytorch.utilities.rank_zero": OncePerRun(),
        "transformers.modeling_utils": weights_are_missing,
    }
    for name, shown in filters.items():
        logging.getLogger(name).addFilter(shown)
    try:
        with warnings.catch_warnings():
            for message in (*MUTED, *muted):
                warnings.filterwarnings("ignore", message=message)
            yield
    except MisconfigurationException as error:
        raise refused(error) from error
    finally:
        for name, shown in filters.items():
            logging.getLogger(name).removeFilter(shown)
        torch.set_float32_matmul_precision(before)


def new_trainer(**options: Any) -> Trainer:
    """A trainer.

    Raises:
        ZooError: Lightning refuses an option.
    """
    try:
        return Trainer(**options)
    except (
        ArithmeticError,
        AttributeError,
        ImportError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise refused(error) from error


def refused(error: Exception) -> ZooError:
    """Lightning's reason against an option in one line."""
    reason = " ".join(str(error).split()).rstrip(".")
    return ZooError(
        f"Expected options that Lightning accepts, but it says: {reason}. See ecpe-zoo fit --help."
    )


SLOW = 2.0
"""Ratio from which `warn_of_slow_bf16` warns. Measured: 0.3 with bf16 instructions, 200 with AVX2 alone."""


def product_seconds(
    size: int,
    dtype: torch.dtype,
    device: str = "cpu",
    repeats: int = 3,
    patience: float = float("inf"),
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Least time of a square matrix product, after one that is not timed.

    Args:
        size: Rows of the matrices.
        dtype: Type of the matrices.
        device: Device that multiplies them.
        repeats: Maximum number of timed products.
        patience: Seconds of a product after which it is not repeated: processors without 16-bit instructions need
            minutes for a large one.
        clock: Returns seconds, once the device has finished its work.
    """
    # not random: the generator's state would move
    matrix = torch.linspace(-1, 1, size * size, device=device).view(size, size).to(dtype)
    torch.mm(matrix, matrix)  # compiles the kernel
    seconds: list[float] = []
    while len(seconds) < repeats and (not seconds or min(seconds) < patience):
        start = clock()
        torch.mm(matrix, matrix)
        seconds.append(clock() - start)
    return min(seconds)


def bf16_slowness(size: int = 192) -> float:
    """Time of a bf16 matrix product over that of an fp32 one on the CPU; size: rows of the square matrices."""
    narrow, full = (product_seconds(size, dtype, patience=0.02) for dtype in (torch.bfloat16, torch.float32))
    return narrow / full


@rank_zero_only
def warn_of_slow_bf16(trainer: Trainer) -> None:
    """Warn if the trainer computes in bf16 on a CPU without bf16 instructions."""
    if trainer.strategy.root_device.type != "cpu" or "bf16" not in str(trainer.precision):
        return
    slowness = bf16_slowness()
    if slowness >= SLOW:
        rank_zero_warn(
            f"Under --trainer.precision {trainer.precision} a small matrix product takes {slowness:.0f} times as long "
            "as in fp32 on this processor, which has no bf16 instructions. Leave the option out."
        )

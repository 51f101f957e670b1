"""Gathering values from all processes, with gradients."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def world_size() -> int:
    """Number of processes; 1 outside a distributed run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather_rows(values: Tensor) -> Tensor:
    """The rows of all processes in rank order, on each process.

    If every process computes the same loss of these rows, then after a distributed run averages gradients it has
    the gradient of one process on the joint batch: gradients of a process's own rows are summed over processes, then
    averaged.

    Args:
        values: Rows (n, ...); n may differ between processes.

    Returns:
        (sum of n, ...).
    """
    if world_size() == 1:
        return values
    size = torch.tensor([len(values)], device=values.device)
    sizes = [torch.zeros_like(size) for _ in range(world_size())]
    dist.all_gather(sizes, size)
    counts = [int(count) for count in sizes]
    room = values.new_zeros(max(counts) - len(values), *values.shape[1:])
    padded = torch.cat([values, room]).contiguous()
    if values.requires_grad and torch.is_grad_enabled():
        parts = list(all_gather(padded))
    else:
        parts = [torch.zeros_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def gather_objects(value: Any) -> list[Any]:
    """One plain object from each process, on each process."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def mean_over_processes(rows: Tensor) -> Tensor:
    """The mean over the rows of all processes, for a loss whose gradients are averaged over processes afterwards.

    Batches of different size then weight each row equally, as one process would on the joint batch.

    Args:
        rows: Rows (n, ...); n may differ between processes.

    Returns:
        () share of this process, times the number of processes.
    """
    if world_size() == 1:
        return rows.mean()
    total = torch.tensor([rows.numel()], device=rows.device)
    dist.all_reduce(total)
    return rows.sum() * world_size() / total[0]


def is_first_process() -> bool:
    """Whether this process writes the files of a run."""
    return world_size() == 1 or dist.get_rank() == 0

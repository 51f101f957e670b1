"""How fresh batches are, and what that costs in padding.

    python -m experiments.batch_mates eacl meld 64
    python -m experiments.batch_mates mgcl xia-ding-2019 4 --spread 0 24 --encoder embedded

Prints, for each spread, the share of the pairs of units that share a batch in one epoch and share it again in the next,
the share that a random order would give, and the padding: the share of slots beyond the units' own lengths, in complete
batches and in the groups of similar length that EACL and MGCL run a batch in. Then the slots that rounded widths
(`ecpe_zoo.text.transformer_encoder.rounded_width`; transformers alone have them) add, and the numbers of widths before
and after.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

import numpy as np

from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.corpora.splits import partition
from ecpe_zoo.data.sampler import LikeLengthBatchSampler
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.e2eecpe import E2EECPE
from ecpe_zoo.methods.eacl import EACL
from ecpe_zoo.methods.eqn import EQN
from ecpe_zoo.methods.mgcl import MGCL
from ecpe_zoo.options import EncoderSettings
from ecpe_zoo.text.row_groups import chunk_rows
from ecpe_zoo.text.transformer_encoder import rounded_width

EPOCHS = 6
METHODS: dict[str, Callable[[str | None], Method]] = {
    "e2eecpe": lambda encoder: E2EECPE(),
    "eacl": lambda encoder: EACL(encoder=EncoderSettings(encoder or "embedded")),
    "eqn": lambda encoder: EQN(encoder=EncoderSettings(encoder or "embedded")),
    "mgcl": lambda encoder: MGCL(encoder=EncoderSettings(encoder or "recurrent")),
}


def mates(batches: Sequence[Sequence[int]]) -> set[tuple[int, int]]:
    """The pairs of units that share a batch."""
    return {pair for batch in batches for pair in combinations(sorted(batch), 2)}


def padding(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> float:
    """Share of a batch's slots that no unit fills, over all batches, 0 to 1."""
    slots = sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)
    return 1 - sum(lengths[index] for batch in batches for index in batch) / slots


def widths_of(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[int]:
    """The length of each batch's longest unit."""
    return [max(lengths[index] for index in batch) for batch in batches]


def added_by_rounding(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> float:
    """Slots that rounded widths add, as a share of those without."""
    sizes = [(len(batch), width) for batch, width in zip(batches, widths_of(batches, lengths), strict=True)]
    return sum(rows * rounded_width(width) for rows, width in sizes) / sum(r * w for r, w in sizes) - 1


def in_groups(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[list[int]]:
    """The groups that the units of each batch are run in."""
    found = []
    for batch in batches:
        own = [lengths[index] for index in batch]
        groups = chunk_rows(own, max(own) * len(own))
        found += [[batch[place] for place in group] for group in groups]
    return found


def main(argv: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("corpus")
    parser.add_argument("batch_size", type=int)
    parser.add_argument(
        "--encoder", help="embedded, recurrent, or a folder (default: embedded; recurrent for mgcl)"
    )
    parser.add_argument("--spread", type=float, nargs="+", default=[0.0, 12.0, 18.0, 24.0])
    options = parser.parse_args(argv)
    method: Method = METHODS[options.method](options.encoder)
    parts = partition(load_corpus(options.corpus))
    method.build_from(parts.train)
    units = method.training_units(parts.train)
    costs = [method.tokens(unit) for unit in units]
    lengths = costs if method.sort_by == "tokens" else [len(unit) for unit in units]
    print(f"{options.method} on {options.corpus}: {len(units)} units, at most {options.batch_size} a batch")
    for spread in options.spread:
        epoch = iter(range(EPOCHS))
        sampler = LikeLengthBatchSampler(
            lengths, costs, batch_size=options.batch_size, shuffle=True, spread=spread, epoch=epoch.__next__
        )
        epochs = [list(sampler) for _ in range(EPOCHS)]
        shared = [mates(batches) for batches in epochs]
        again = np.mean([len(a & b) / len(a) for a, b in pairwise(shared)])
        chance = len(shared[0]) / (len(units) * (len(units) - 1) / 2)
        padded = np.mean([padding(batches, lengths) for batches in epochs])
        grouped = [in_groups(batches, lengths) for batches in epochs]
        runs = np.mean([len(groups) / len(batches) for groups, batches in zip(grouped, epochs, strict=True)])
        left = np.mean([padding(groups, lengths) for groups in grouped])
        print(
            f"spread {spread:4.0f}: {again:6.1%} share again (by chance {chance:.1%}), padding {padded:5.1%}, "
            f"{left:4.1%} in {runs:.1f} groups a batch"
        )
        for name, cut in (("batches", epochs), ("groups", grouped)):
            added = np.mean([added_by_rounding(batches, lengths) for batches in cut])
            widths = {width for batches in cut for width in widths_of(batches, lengths)}
            rounded = {rounded_width(width) for width in widths}
            print(f"  rounded widths of {name}: +{added:.2%} slots, {len(widths)} -> {len(rounded)} widths")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

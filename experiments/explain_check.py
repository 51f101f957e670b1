"""Whether explanations mean something: leaving out the parts that they name, against leaving out random ones.

    python -m experiments.explain_check CKPT --corpus NAME [--fold 1] [--documents 200] [--seed 0] [--json FILE]

For each document one score is taken, and some of its parts are left out:

- a method of pairs: the score of the highest pair, if the method predicts it, without clauses outside of the pair;
- a method that labels the turns of a conversation: the score of the predicted label of one random judged turn that
  has enough context, without other turns that the method reads for it;
- a method of the task `emotions`, a single text: the score of the predicted label, without words (between spaces).

The parts are ranked: by leaving each out alone, by the contributions of their tokens (gradient times input), as the sum
of absolute values and as the plain sum, and by the method's own clues for tokens, if it has any. The first one or two
of a ranking are left out, and the drop of the score is compared with the mean over random draws of as many of these
parts of the same document. The clauses of the pair and the turn of the label stay: without them there is nothing to
score.

The sum of absolute values says how much a part matters, for or against the answer: compare |change|. The other rankings
put first what the score rests on: compare the drop.

The first part by leaving out alone has the largest drop by construction. Only its two parts together, and the other
rankings, say something. Leaving out a clause between the two of a pair also brings these closer together, and without a
turn a method with a window of turns reads an older one; with --blank, the text of a part becomes "…" instead, and all
distances stay.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.annotation.annotator import Annotator
from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.loading import load_method
from ecpe_zoo.results.resampling import Bootstrap, paired_bootstrap
from experiments import run
from experiments.leaving_out import FEWEST, Drop, Unit, drops

Floats = npt.NDArray[np.float64]


class Comparison(NamedTuple):
    """A ranking against random parts.

    Args:
        unit: What was left out.
        ranking: Name of the ranking.
        size: Parts that were left out.
        drop: Mean drop over documents, that of the ranking first.
        change: The same of the absolute change of the score.
    """

    unit: Unit
    ranking: str
    size: int
    drop: Bootstrap
    change: Bootstrap


def compare(found: Sequence[Drop], resamples: int = 10_000) -> list[Comparison]:
    """Each ranking and size against random parts, with a paired bootstrap over documents."""
    compared = []
    groups: dict[tuple[Unit, str, int], list[Drop]] = {}
    for drop in found:
        groups.setdefault((drop.unit, drop.ranking, drop.size), []).append(drop)
    for (unit, ranking, size), mine in groups.items():
        top = np.array([drop.top for drop in mine])
        chance = np.array([drop.random for drop in mine])  # (documents, draws)
        compared.append(
            Comparison(
                unit,
                ranking,
                size,
                _bootstrap(top, chance.mean(axis=1), resamples),
                _bootstrap(np.abs(top), np.abs(chance).mean(axis=1), resamples),
            )
        )
    return compared


def _bootstrap(first: Floats, second: Floats, resamples: int) -> Bootstrap:
    """The interval of a difference of means: F1 of "correct, predicted, gold" = value, 1, 1 is the mean value."""
    counts = (
        np.stack([values, np.ones_like(values), np.ones_like(values)], axis=-1) for values in (first, second)
    )
    one, other = (values[None, :, None] for values in counts)  # (1, documents, 1, 3)
    return paired_bootstrap(one, other, "micro", resamples)


def show(compared: Sequence[Comparison], documents: int, draws: int) -> None:
    """Print the table."""

    def cells(found: Bootstrap) -> list[str]:
        interval = f"[{found.low:+.3f}, {found.high:+.3f}]"
        return [f"{found.first:.3f}", f"{found.second:.3f}", f"{found.difference:+.3f} {interval}"]

    columns = (
        "ranking",
        "left out",
        ">drop",
        ">random",
        ">difference",
        ">|change|",
        ">random",
        ">difference",
    )
    rows = [
        [c.ranking, f"{c.size} {c.unit}{'s' * (c.size > 1)}", *cells(c.drop), *cells(c.change)]
        for c in compared
    ]
    show_table(f"Score of the answer without parts, {documents} documents, 95 % intervals", columns, rows)
    say(
        f"Random: mean of {draws} draws of as many parts of the same document. One part that was ranked by leaving it "
        "out alone has the largest drop by construction: the other rows are the check."
    )


def check(
    annotator: Annotator,
    documents: Sequence[Document],
    count: int,
    seed: int = 0,
    draws: int = 5,
    blank: bool = False,
    report: Callable[[str], object] = say,
) -> list[Drop]:
    """The drops of up to `count` random documents with a predicted answer and enough parts.

    Raises:
        ZooError: there is no such document.
    """
    threshold = threshold_of(annotator.method)
    chance = random.Random(seed)
    found: list[Drop] = []
    used = tried = 0
    for document in chance.sample(list(documents), len(documents)):
        if used == count:
            break
        mine = drops(annotator, document, threshold, draws, chance, blank)
        tried, used, found = tried + 1, used + bool(mine), found + mine
    report(f"{used} of {tried} documents have {needed(annotator.method, threshold)}.")
    if not found:
        raise ZooError(f"Expected a document with {needed(annotator.method, threshold)}, but there is none.")
    return found


def threshold_of(method: Method) -> float:
    """The score that an answer exceeds; 0 if the highest score decides."""
    if not method.task.thresholded:
        return 0.0
    return method.threshold if method.tuned is None else method.tuned


def needed(method: Method, threshold: float) -> str:
    """What a document needs, in words."""
    if not method.task.labelled:
        return f"a pair above {threshold:g} and at least {FEWEST['clause']} clauses outside of it"
    turns = f"at least {FEWEST['turn']} other turns"
    if not method.task.thresholded:
        return f"a label with {turns} that are read for it"
    return f"a label above {threshold:g} with {turns} or {FEWEST['word']} words that are read for it"


def main(arguments: list[str] | None = None) -> int:
    """Run the check.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.explain_check", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("ckpt", type=Path)
    parser.add_argument("--corpus", required=True, help="a name, or the path of a description")
    parser.add_argument("--root", type=Path, help="holds the corpora; else ECPE_ZOO_DATA")
    parser.add_argument("--fold", type=int, default=1, help="its test documents are used")
    parser.add_argument("--documents", type=int, default=200, help="most documents")
    parser.add_argument("--draws", type=int, default=5, help="random draws for each document and size")
    parser.add_argument("--seed", type=int, default=0, help="of the documents and draws")
    parser.add_argument("--blank", action="store_true", help="blank parts instead of leaving them out")
    parser.add_argument("--json", type=Path, help="write all drops to this file")
    options = parser.parse_args(arguments)
    if options.documents < 1 or options.draws < 1:
        raise ZooError("Expected --documents and --draws to be at least 1.")
    data = EmotionDataModule(corpus=options.corpus, root=options.root, fold=options.fold)
    data.setup("test")
    annotator = Annotator(load_method(options.ckpt))
    found = check(
        annotator, data.documents("test"), options.documents, options.seed, options.draws, options.blank
    )
    compared = compare(found)
    show(compared, len({drop.id for drop in found}), options.draws)
    if options.json:
        rows: list[dict[str, Any]] = [
            {
                "unit": c.unit,
                "ranking": c.ranking,
                "size": c.size,
                "drop": c.drop._asdict(),
                "change": c.change._asdict(),
            }
            for c in compared
        ]
        written = {"compared": rows, "drops": [asdict(drop) for drop in found]}
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))

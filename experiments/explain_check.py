"""Whether explanations mean something: leaving out the clauses that they name, against leaving out random ones.

    python -m experiments.explain_check CKPT --corpus NAME [--fold 1] [--documents 200] [--seed 0] [--json FILE]

For each document the pair with the highest score is taken, if the method predicts it. The clauses outside of the pair
are ranked: by leaving each out alone, by the contributions of their tokens (gradient times input), as the sum of
absolute values and as the plain sum, and by the method's own clues for tokens, if it has any. The first one or two of a
ranking are left out, and the drop of the score is compared with the mean over random draws of as many of these clauses
of the same document. The clauses of the pair stay: without them there is nothing to score.

The sum of absolute values says how much a clause matters, for or against the pair: compare |change|. The other rankings
put first what the score rests on: compare the drop.

The first clause by leaving out alone has the largest drop by construction. Only its two clauses together, and the other
rankings, say something. Leaving out a clause between the two of a pair also brings these closer together; with --blank,
the text of a clause becomes "…" instead, and all distances stay.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ecpe_zoo.annotation.annotator import Annotator
from ecpe_zoo.annotation.occlusion import BLANK, Target
from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.loading import load_method
from ecpe_zoo.results.resampling import Bootstrap, paired_bootstrap
from experiments import run

SIZES = (1, 2)
"""Clauses that are left out together."""

FEWEST = 4
"""Clauses outside of the pair that a document needs: of fewer, random ones are nearly the same as the first."""

LEFT_OUT, ABSOLUTE, SIGNED, CLUES = "left out alone", "gradients, absolute", "gradients, signed", "own clues"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Drop:
    """The drop of the score of a document's pair.

    Args:
        id: Id of the document.
        ranking: Name of the ranking.
        size: Clauses that were left out.
        top: Drop without the first ones of the ranking.
        random: Drop without as many random ones, for each draw.
    """

    id: str
    ranking: str
    size: int
    top: float
    random: tuple[float, ...]


class Comparison(NamedTuple):
    """A ranking against random clauses.

    Args:
        ranking: Name of the ranking.
        size: Clauses that were left out.
        drop: Mean drop over documents, that of the ranking first.
        change: The same of the absolute change of the score.
    """

    ranking: str
    size: int
    drop: Bootstrap
    change: Bootstrap


def without(document: Document, clauses: Sequence[int], blank: bool) -> tuple[Document, list[int | None]]:
    """A document without clauses, and the index of each clause in it.

    Args:
        document: Document without gold.
        clauses: Indices of the clauses.
        blank: Whether their text becomes `BLANK` instead.
    """
    id = f"{document.id} without {sorted(clauses)}"
    if blank:
        kept = [replace(s, text=BLANK) if i in clauses else s for i, s in enumerate(document.segments)]
        return replace(document, id=id, segments=tuple(kept)), list(range(len(document)))
    left = [index for index in range(len(document)) if index not in clauses]
    places = {index: place for place, index in enumerate(left)}
    segments = tuple(document.segments[index] for index in left)
    return replace(document, id=id, segments=segments), [places.get(i) for i in range(len(document))]


def rankings(
    annotator: Annotator, document: Document, target: Target, among: Sequence[int], alone: Mapping[int, float]
) -> dict[str, list[int]]:
    """The clauses in the order of each ranking, the most important first.

    Args:
        annotator: Applies the method.
        document: Document without gold.
        target: Pair to explain.
        among: Clauses to rank.
        alone: Drop of the score without each of them.
    """
    weights: dict[str, Mapping[int, float]] = {LEFT_OUT: alone}
    assert target.cause is not None
    found = annotator.contributions(document, [(target.segment, target.cause)])
    if found is not None:
        weights[ABSOLUTE] = {index: float(np.nansum(np.abs(found[0][index]))) for index in among}
        weights[SIGNED] = {index: float(np.nansum(found[0][index])) for index in among}
    with torch.inference_mode():
        clues = annotator.method.clues(document)
    if clues is not None and clues.tokens:
        tables = list(clues.tokens.values())
        weights[CLUES] = {i: float(max(np.nanmax(t[i], initial=0.0) for t in tables)) for i in among}
    return {name: sorted(among, key=lambda i: (-by[i], i)) for name, by in weights.items()}


def drops(
    annotator: Annotator, document: Document, threshold: float, draws: int, chance: random.Random, blank: bool
) -> list[Drop]:
    """The drops of a document; none without a predicted pair, or with too few clauses.

    Args:
        annotator: Applies the method.
        document: Document, with or without gold.
        threshold: Score that a predicted pair exceeds.
        draws: Random draws.
        chance: Draws them.
        blank: See `without`.
    """
    document = document.without_gold()
    (full,) = annotator.predict([document])
    pair = full.scores["pair"]
    target = Target(*divmod(int(pair.argmax()), len(pair)))
    among = [index for index in range(len(document)) if index not in target.own]
    if len(among) < FEWEST or not target.score(full) > threshold:
        return []
    chosen = {size: [chance.sample(among, size) for _ in range(draws)] for size in SIZES}
    known = _without_each(annotator, document, target, [[index] for index in among], blank)
    alone = {index: known[index,] for index in among}
    orders = rankings(annotator, document, target, among, alone)
    wanted = [order[:size] for order in orders.values() for size in SIZES]
    wanted += [clauses for size in SIZES for clauses in chosen[size]]
    known |= _without_each(annotator, document, target, [c for c in wanted if _key(c) not in known], blank)
    return [
        Drop(document.id, name, size, known[_key(order[:size])], tuple(known[_key(c)] for c in chosen[size]))
        for name, order in orders.items()
        for size in SIZES
    ]


def _key(clauses: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(clauses))


def _without_each(
    annotator: Annotator, document: Document, target: Target, sets: Sequence[Sequence[int]], blank: bool
) -> dict[tuple[int, ...], float]:
    """The drop of the score without each set of clauses."""
    made = {_key(clauses): without(document, clauses, blank) for clauses in sets}
    predictions = annotator.predict([document, *(variant for variant, _ in made.values())])
    full = target.score(predictions[0])
    return {
        key: full - target.score(prediction, places)
        for (key, (_, places)), prediction in zip(made.items(), predictions[1:], strict=True)
    }


def compare(found: Sequence[Drop], resamples: int = 10_000) -> list[Comparison]:
    """Each ranking and size against random clauses, with a paired bootstrap over documents."""
    compared = []
    for ranking, size in dict.fromkeys((drop.ranking, drop.size) for drop in found):
        mine = [drop for drop in found if (drop.ranking, drop.size) == (ranking, size)]
        top = np.array([drop.top for drop in mine])
        chance = np.array([drop.random for drop in mine])  # (documents, draws)
        compared.append(
            Comparison(
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

    columns = ("ranking", "clauses", ">drop", ">random", ">difference", ">|change|", ">random", ">difference")
    rows = [[c.ranking, str(c.size), *cells(c.drop), *cells(c.change)] for c in compared]
    show_table(
        f"Score of the predicted pair without clauses, {documents} documents, 95 % intervals", columns, rows
    )
    say(
        f"Random: mean of {draws} draws of as many clauses of the same document. One clause that was ranked by leaving "
        "it out alone has the largest drop by construction: the other rows are the check."
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
    """The drops of up to `count` random documents that have a predicted pair and enough clauses.

    Raises:
        ZooError: a method of another task, or no such document.
    """
    method = annotator.method
    if method.task.labelled:
        raise ZooError(
            f"Expected a method of emotion-cause pairs, but got {method.id}, which labels segments."
        )
    chance = random.Random(seed)
    threshold = method.threshold if method.tuned is None else method.tuned
    found: list[Drop] = []
    used = tried = 0
    for document in chance.sample(list(documents), len(documents)):
        if used == count:
            break
        mine = drops(annotator, document, threshold, draws, chance, blank)
        tried, used, found = tried + 1, used + bool(mine), found + mine
    report(
        f"{used} of {tried} documents have a pair above {threshold:g} and at least {FEWEST} clauses outside of it."
    )
    if not found:
        raise ZooError("Expected a document with a predicted pair and enough clauses, but none has both.")
    return found


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
    parser.add_argument("--blank", action="store_true", help="blank clauses instead of leaving them out")
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
                "ranking": c.ranking,
                "clauses": c.size,
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

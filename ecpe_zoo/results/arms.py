"""What each practice of published code adds to an honest score, from kept test scores and watched epochs.

Nothing is trained: a strict run of emotion-cause pairs is scored again as each practice would score it, and the
difference is taken within the run. Epochs are compared at the default threshold; all else starts from the score at
the threshold that validation tuned. Practices that choose by the maximum of something on the test fold (epoch,
threshold, each task at its own epoch) cannot lower a score; the others can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ecpe_zoo.corpora.corpus import data_root
from ecpe_zoo.corpora.document import Document, Pair
from ecpe_zoo.corpora.lexicon import EmotionFilter, Lexicon, emotion_filter, filtered
from ecpe_zoo.corpora.readers.blocks import Blocks
from ecpe_zoo.corpora.registry import find_corpus, load_corpus
from ecpe_zoo.corpora.splits import partition
from ecpe_zoo.data.predictions import Prediction, read_predictions
from ecpe_zoo.errors import ZooError
from ecpe_zoo.metrics.counts import Counts, count_sets
from ecpe_zoo.metrics.pairs import matched, predicted_pairs, tune_threshold
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.evidence import corpus_of, gold_of
from ecpe_zoo.results.selection import WATCHED, watched_epochs

Item = Literal["pair", "emotion", "cause"]
Pairs = dict[str, set[Pair]]
"""Document -> pairs."""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """A practice.

    Args:
        id: Short name.
        head: The same as the head of a narrow column.
        title: Title in words.
        done_by: Methods whose code or paper is known to do it.
        item: What it is scored on.
    """

    id: str
    head: str
    title: str
    done_by: str
    item: Item = "pair"


EPOCH = Arm(
    "epoch",
    "epoch",
    "epoch chosen on test (maximum of pairs)",
    "Indep, Inter-CE, Inter-EC, E2EECPE, ECPE-2D, RANKCP, PBJE, MM-R, CD-MRC (their ten folds), PairGCN (its logs)",
)
OWN_EPOCH = "E2EECPE, ECPE-2D, ECPE-MLL, CD-MRC"
MAXIMA = (
    Arm("emotion-maximum", "emotion\nepoch", "emotions at their own epoch on test", OWN_EPOCH, "emotion"),
    Arm("cause-maximum", "cause\nepoch", "causes at their own epoch on test", OWN_EPOCH, "cause"),
)
THRESHOLD = Arm(
    "threshold",
    "thres-\nhold",
    "threshold chosen on test",
    "CD-MRC (the best of 12 read-outs); E2EECPE prints the sweep",
)
DUPLICATES = Arm("duplicates", "dupli-\ncates", "missed gold pairs counted as often as annotated", "MM-R")
WINDOWS = tuple(
    (
        window,
        cut,
        Arm(
            f"window-{window}{'-gold' * cut}",
            f"win. {window}{chr(10)}{'gold' * cut}".strip(),
            f"window of {window} clauses{', gold cut alike' * cut}",
            done_by,
        ),
    )
    for window, cut, done_by in (
        (3, False, "PBJE, JCB, ECPE-2D (windowed), ECPE-MLL; RANKCP 12, MM-R 11"),
        (3, True, "none known"),
        (2, False, "none known"),
        (2, True, "none known"),
    )
)
LEAKING, ANEW = "RANKCP, MM-R, CD-MRC, MGCL (†)", "the same, threshold chosen on test"
LISTS: tuple[tuple[Lexicon, bool, Arm], ...] = (
    ("rankcp_file", False, Arm("rankcp_file", "list", "released list as a filter (holds gold)", LEAKING)),
    ("rankcp_file", True, Arm("rankcp_file-threshold", "list\nthres.", ANEW, LEAKING)),
    (
        "train_words",
        False,
        Arm("train_words", "words", "keywords of the training part as a filter", "no leak"),
    ),
    ("train_words", True, Arm("train_words-threshold", "words\nthres.", ANEW, "no leak but the threshold")),
)
"""Lexicon, whether the threshold is chosen anew, and the arm."""

ARMS = (EPOCH, *MAXIMA, THRESHOLD, DUPLICATES, *(arm for *_, arm in (*WINDOWS, *LISTS)))


class Scored(NamedTuple):
    """Pairs of a run's test documents, predicted and annotated."""

    found: Pairs
    gold: Pairs

    def counts(self) -> Array:
        """(D, 3) correct, predicted and gold pairs; documents by id."""
        return np.array([count_sets(self.found[id], self.gold[id]) for id in sorted(self.gold)], dtype=float)


def scored(predictions: Sequence[Prediction], documents: Mapping[str, Document], threshold: float) -> Scored:
    """The pairs above a threshold, and the gold pairs; a document without a prediction has no predicted pair."""
    found: Pairs = {id: set() for id in documents}
    found |= {prediction.id: predicted_pairs(prediction, threshold) for prediction in predictions}
    return Scored(found, {id: set(document.pairs or ()) for id, document in documents.items()})


def windowed(run: Scored, window: int, gold_too: bool) -> Scored:
    """Pairs at most `window` clauses apart; gold pairs further apart count as missed, or are cut too."""

    def near(pairs: Pairs) -> Pairs:
        return {id: {pair for pair in some if abs(pair[1] - pair[0]) <= window} for id, some in pairs.items()}

    return Scored(near(run.found), near(run.gold) if gold_too else run.gold)


def repeated(run: Scored, annotated: Mapping[str, Sequence[Pair]]) -> Array:
    """Counts (D, 3) as MM-R's code counts: a found pair once, a missed one as often as it is annotated."""
    rows = []
    for id in sorted(run.gold):
        correct, predicted, _ = count_sets(run.found[id], run.gold[id])
        missed = sum(pair not in run.found[id] for pair in annotated[id])
        rows.append((correct, predicted, correct + missed))
    return np.array(rows, dtype=float)


def f1(counts: Array) -> float:
    """F1 of counts (D, 3)."""
    return float(Counts(*counts.sum(axis=0)).f1)


# --- one run


@dataclass(frozen=True, eq=False)
class RunArms:
    """One run.

    Args:
        entry: Record of the run.
        strict: Pair F1 as recorded.
        gains: Arm -> what it adds, as a fraction.
        counts: Arm -> counts (D, 3) of its documents; "" -> the strict ones. Arms over epochs have none.
        missing: Arm -> why it cannot be computed.
    """

    entry: Entry
    strict: float
    gains: Mapping[str, float]
    counts: Mapping[str, Array]
    missing: Mapping[str, str]


def run_arms(entry: Entry, root: Path | None = None) -> RunArms:
    """All arms of a run that may be ranked as strict, with the reason for each that cannot be computed.

    Raises:
        ZooError: see `read_predictions`.
    """
    gains, missing, counts = {}, {}, {}
    for arm in (EPOCH, *MAXIMA):
        gain = epoch_gain(entry, arm.item)
        if gain is None:
            missing[arm.id] = "no test score of every epoch was kept (--scorer.watch_test true)"
        else:
            gains[arm.id] = gain
    made = {arm.id: partial(_rescored, arm.id) for arm in ARMS if arm.id not in gains | missing}
    predictions = read_predictions(entry.predictions)
    try:
        documents = gold_of(entry, root)
        matched(predictions, documents)
    except ZooError as error:
        return RunArms(entry, entry.score or 0.0, gains, {}, missing | dict.fromkeys(made, str(error)))
    assert entry.threshold is not None
    run = scored(predictions, documents, entry.threshold)
    counts[""] = run.counts()
    for id, make in made.items():
        try:
            counts[id] = make(run, entry, predictions, documents, root)
            gains[id] = f1(counts[id]) - f1(counts[""])
        except ZooError as error:
            missing[id] = str(error)
    return RunArms(entry, f1(counts[""]), gains, counts, missing)


def epoch_gain(entry: Entry, item: Item) -> float | None:
    """Best test F1 of any epoch minus that of the chosen one, both at the default threshold.

    Validation compared the epochs there, and published code does. At tuned thresholds a part of the difference would
    be that validation chose by another score.
    """
    name = f"{item}_f1"
    watched = watched_epochs(entry, None if item == "pair" else name)
    if watched is None:
        return None
    rows, chosen = watched
    if not all(name in row[WATCHED] for row in rows):
        return None
    return float(max(row[WATCHED][name] for row in rows) - chosen[WATCHED][name])


def _rescored(
    id: str,
    run: Scored,
    entry: Entry,
    predictions: Sequence[Prediction],
    documents: Mapping[str, Document],
    root: Path | None,
) -> Array:
    """Counts (D, 3) of one arm."""
    threshold = entry.threshold or 0.0
    if id == THRESHOLD.id:
        best, _ = tune_threshold(predictions, documents, threshold)
        return scored(predictions, documents, best).counts()
    if id == DUPLICATES.id:
        return repeated(run, annotated_pairs(entry, root))
    for window, gold_too, arm in WINDOWS:
        if id == arm.id:
            return windowed(run, window, gold_too).counts()
    lexicon, anew = next((lexicon, anew) for lexicon, anew, arm in LISTS if arm.id == id)
    passes = _filter(entry, lexicon, root)
    kept = [filtered(prediction, passes(documents[prediction.id])) for prediction in predictions]
    return scored(
        kept, documents, tune_threshold(kept, documents, threshold)[0] if anew else threshold
    ).counts()


def annotated_pairs(entry: Entry, root: Path | None = None) -> dict[str, list[Pair]]:
    """All annotated pairs of the test documents, with those that are given again.

    Raises:
        ZooError: a corpus in another format.
    """
    corpus = find_corpus(corpus_of(entry, root))
    found: dict[str, list[Pair]] = {}
    for file, reader in corpus.splits(entry.fold)["test"].items():
        if not isinstance(reader, Blocks):
            raise ZooError(f"{file}: repeated pairs are only known of corpora in blocks of lines.")
        found |= reader.annotated(corpus.folder(root) / file)
    return found


@lru_cache(maxsize=64)
def _filter_of(
    corpus: str,
    root: Path | None,
    fold: int,
    skip: bool,
    lexicon: Lexicon,
    protocol: Literal["strict", "paper"],
    share: float,
    seed: int,
    version: Literal[1, 2],
) -> tuple[EmotionFilter, int]:
    loaded = load_corpus(corpus, root, fold, "skip" if skip else "raise")
    train = (
        partition(loaded, protocol, share, seed, version).train if lexicon == "train_words" else loaded.train
    )
    passes = emotion_filter(lexicon, corpus, root, train)
    assert passes is not None
    return passes, len(train)


def _filter(entry: Entry, lexicon: Lexicon, root: Path | None) -> EmotionFilter:
    """The filter that a run with this option would have had."""
    rule, skip = entry.record.protocol, (entry.record.config.get("data") or {}).get("on_error") == "skip"
    passes, size = _filter_of(
        corpus_of(entry, root),
        data_root(root),
        entry.fold,
        skip,
        lexicon,
        rule.name,
        rule.validation_share,
        rule.split_seed,
        rule.split_version,
    )
    if lexicon == "train_words" and size != entry.record.corpus.train:
        raise ZooError(
            f"{entry.path}: expected the {entry.record.corpus.train} training documents of its run, but its options "
            f"give {size} now."
        )
    return passes

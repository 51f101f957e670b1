"""Leaks of the corpora: documents and texts that training and test share, the released list, and groups by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.lexicon import EmotionFilter, emotion_filter
from ecpe_zoo.corpora.overlap import Overlap, long_texts, text_overlap, together
from ecpe_zoo.corpora.registry import find_corpus, load_corpus
from ecpe_zoo.corpora.splits import partition
from ecpe_zoo.leaderboard.tables import percent
from experiments import position_check
from experiments.report_tables import Row, span, table

CONVERSATIONS = ("emorynlp", "meld", "reccon")
"""Corpora of conversations with a training and a test part."""

LISTED = "xia-ding-2019"
"""The corpus of the released list."""


def leak_table(rows: Mapping[str, Sequence[Row]]) -> str:
    """Documents of a fold, those left out because they repeat a held-out one, and the single texts that still do."""
    lines = []
    for corpus, listed in rows.items():
        entries = [entry for row in listed for entry in row.group.finished]
        parts = {entry.fold: entry.record.corpus for entry in entries}.values()
        counted = {e.fold: e.record.corpus.overlap for e in entries if e.record.corpus.overlap is not None}
        texts = sum(it.texts for it in counted.values())
        held = sum(it.held for it in counted.values())
        lines.append(
            (
                corpus,
                *(span([getattr(part, name) for part in parts]) for name in ("train", "validation", "test")),
                *(
                    span([len(getattr(p, name)) for p in parts])
                    for name in ("twins_left_out", "near_left_out")
                ),
                f"{held:,} of {texts:,} ({percent(held / texts)} %)" if texts else "not counted",
            )
        )
    heads = (
        "",
        "training documents a fold",
        "validation",
        "test",
        "exact twins left out",
        "near-duplicates left out",
        "test segments of five words or more that training still holds",
    )
    return table(heads, lines)


class Turns(NamedTuple):
    """Scored turns of a corpus of conversations that the training part of `strict` holds too.

    Args:
        corpus: Its name.
        every: All scored turns.
        long: Those of five words or more.
    """

    corpus: str
    every: Overlap
    long: Overlap


def turns(corpora: Sequence[str] = CONVERSATIONS, root: Path | None = None) -> list[Turns]:
    """Overlap of the first fold of each corpus, as `ecpe-zoo data check` counts it."""
    found = []
    for corpus in corpora:
        parts = partition(load_corpus(corpus, root))
        rows = text_overlap(parts.train, parts.test)
        found.append(Turns(corpus, together("all", rows), long_texts(rows)))
    return sorted(found, key=lambda it: -it.every.share)


def turn_table(found: Sequence[Turns]) -> str:
    """Shares in percent, with counts."""

    def cell(it: Overlap) -> str:
        return f"{percent(it.share)} % of {it.texts:,}"

    rows = [(it.corpus, cell(it.every), cell(it.long)) for it in found]
    return table(("", "scored turns that training holds", "of five words or more"), rows)


class Listed(NamedTuple):
    """What a list of clauses passes, as fractions.

    Args:
        clauses: Share of all clauses.
        emotions: Share of the gold emotion clauses.
    """

    clauses: float
    emotions: float


def listed(documents: Sequence[Document], passes: EmotionFilter) -> Listed:
    """The shares of some documents."""
    passed = [passes(document) for document in documents]
    gold = [(n, clause) for n, d in enumerate(documents) for clause in {e for e, _ in d.pairs or ()}]
    clauses = sum(len(document) for document in documents)
    return Listed(
        float(sum(row.sum() for row in passed)) / clauses, sum(passed[n][c] for n, c in gold) / len(gold)
    )


def released(root: Path | None = None) -> Listed:
    """What the released list passes of the test documents of all folds."""
    folds = range(1, find_corpus(LISTED).folds + 1)
    documents = [document for fold in folds for document in load_corpus(LISTED, root, fold).test]
    passes = emotion_filter("rankcp_file", LISTED, root, documents)
    assert passes is not None
    return listed(documents, passes)


class Offsets(NamedTuple):
    """A group of test documents.

    Args:
        documents: How many.
        pairs: Gold pairs.
        before: Share of pairs whose cause is the clause before the emotion.
        same: Share of pairs whose cause is in the emotion clause.
    """

    documents: int
    pairs: int
    before: float
    same: float


def offset_groups(tested: Mapping[str, Sequence[Document]]) -> dict[str, Offsets]:
    """Of each group of documents; see `position_check.tested`."""
    found = {}
    for name, documents in tested.items():
        counts = position_check.offsets(documents)
        total = counts.total()
        found[name] = Offsets(len(documents), total, counts[-1] / total, counts[0] / total)
    return found


def near_share(found: Mapping[str, Offsets]) -> float:
    """Share of all pairs whose cause is in the emotion clause or the one before."""
    near = sum(it.pairs * (it.before + it.same) for it in found.values())
    return near / sum(it.pairs for it in found.values())

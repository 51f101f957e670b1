"""Predictions of training documents by models not trained on them, for methods that learn from predictions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.splits import running_text
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.stages import Between


def folds_of(documents: Sequence[Document], folds: int) -> dict[str, int]:
    """Fold of each document by id, 1-based: folds of similar size, determined by ids alone, equal texts together.

    Raises:
        ZooError: There are fewer distinct texts than folds.
    """
    leaders: dict[str, str] = {}  # text -> the smallest id
    for document in documents:
        text = running_text(document)
        leaders[text] = min(document.id, leaders.get(text, document.id))
    if len(leaders) < folds:
        raise ZooError(
            f"Expected at least {folds} different training texts, one per fold, but got {len(leaders)}."
        )
    drawn = sorted(leaders.values(), key=lambda id: hashlib.blake2b(id.encode(), digest_size=16).digest())
    fold = {id: 1 + place % folds for place, id in enumerate(drawn)}
    return {document.id: fold[leaders[running_text(document)]] for document in documents}


def fold_stages(folds: int) -> tuple[str, ...]:
    """Names of the stages that predict one fold each and train on the others."""
    return tuple(f"fold-{fold}" for fold in range(1, folds + 1))


def predicting_stages(documents: Sequence[Document], folds: int) -> dict[str, str]:
    """Document id -> the stage of `fold_stages` that does not train on it."""
    names = fold_stages(folds)
    return {id: names[fold - 1] for id, fold in folds_of(documents, folds).items()}


def learned_in(stage: str, documents: Sequence[Document], predicted_by: Mapping[str, str]) -> list[Document]:
    """The documents that a stage of `fold_stages` trains on."""
    return [document for document in documents if predicted_by[document.id] != stage]


def scores_so_far(
    between: Between, documents: Sequence[Document], predicted_by: Mapping[str, str]
) -> list[Prediction]:
    """Scores of documents by the earlier stages, each document by the stage assigned to it.

    A method calls it before every stage: the last stage's scores are computed and saved, those of others are read.

    Args:
        between: State between two stages.
        documents: The training documents.
        predicted_by: Document id -> the stage that predicts it; documents of later stages are left out.
    """
    predictions: list[Prediction] = []
    for stage in between.earlier:
        if mine := [document for document in documents if predicted_by[document.id] == stage]:
            predictions += between.scores(stage, mine)
    return predictions


def stage_seed(stage: str) -> int:
    """Seed of a stage's new weights, from the run's seed and the stage's name."""
    words = f"{os.environ.get('PL_GLOBAL_SEED', '0')} {stage} weights"
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big")

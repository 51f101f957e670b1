"""One line a method: a small instance, and the options that make its config small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.cd_mrc import CDMRC
from ecpe_zoo.methods.e2eecpe import E2EECPE
from ecpe_zoo.methods.eacl import EACL
from ecpe_zoo.methods.ecpe_2d import ECPE2D
from ecpe_zoo.methods.emo_pillars import EmoPillars
from ecpe_zoo.methods.eqn import EQN
from ecpe_zoo.methods.jcb import JCB
from ecpe_zoo.methods.mgcl import MGCL
from ecpe_zoo.methods.mm_r import MMR
from ecpe_zoo.methods.pairgcn import PairGCN
from ecpe_zoo.methods.pbje import PBJE
from ecpe_zoo.methods.rankcp import RANKCP
from ecpe_zoo.methods.rule import Rule
from ecpe_zoo.methods.transecpe import TransECPE
from ecpe_zoo.methods.two_stage import TwoStage
from ecpe_zoo.metrics.pairs import predicted_pairs
from ecpe_zoo.options import flat, nested

Options = dict[str, object]

BUNDLED = {"ecpe": "bundled-ecpe", "erc": "bundled-conversations", "emotions": "bundled-emotions"}
"""Task -> the corpus of its methods' configs."""


def line(
    make: Callable[..., Method], small: Options, fast: Options
) -> tuple[Callable[[], Method], list[str]]:
    """A small instance (with rates at which it learns by heart), and the options that make its config small."""
    options = [f"--model.{name}={value}" for name, value in flat(nested(small)).items()]
    return lambda: make(**nested(small | fast)), options


# fmt: off
CONTRACT = {
    "cd_mrc": line(CDMRC, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "hidden": 16},
                   {"encoder_dropout": 0.0, "negatives": 0.0}),
    # smoothing: a wrong link with A = .43 whose logit large steps drove up has no gradient to come back by
    "e2eecpe": line(E2EECPE, {"hidden": 16, "filters": 8},
                    {"word_width": 16, "node": 10, "dropout": 0.0, "smoothing": 100.0}),
    "eacl": line(EACL, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "adapt_epochs": 2},
                 {"encoder_dropout": 0.0}),
    "ecpe_2d": line(ECPE2D, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "hidden": 16},
                    {"encoder_dropout": 0.0, "dropout": 0.0}),
    "emo_pillars": line(EmoPillars, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2},
                        {"encoder_dropout": 0.0, "dropout": 0.0}),
    "eqn": line(EQN, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2},
                {"encoder_dropout": 0.0, "dropout": 0.0}),
    "jcb": line(JCB, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2},
                {"encoder_dropout": 0.0, "dropout": 0.0}),
    "mgcl": line(MGCL, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2}, {"clause_dropout": 0.0}),
    "mm_r": line(MMR, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2}, {"clause_dropout": 0.0}),
    "pairgcn": line(PairGCN, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "hidden": 16},
                    {"encoder_dropout": 0.0, "dropout": 0.0}),
    "pbje": line(PBJE, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2},
                 {"encoder_dropout": 0.0, "dropout": 0.0}),
    "rankcp": line(RANKCP, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2}, {"encoder_dropout": 0.0}),
    "rule": line(Rule, {}, {}),
    "transecpe": line(TransECPE, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2},
                      {"encoder_dropout": 0.0, "dropout": 0.0}),
    "two_stage": line(TwoStage, {"encoder": "recurrent", "encoder_size": 32, "vector_size": 32, "hidden": 16},
                      {"encoder_dropout": 0.0}),
}

VARIANTS = {
    "e2eecpe-encoder": line(
        E2EECPE, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "hidden": 16},
        {"node": 10, "dropout": 0.0, "encoder_dropout": 0.0, "smoothing": 100.0}),
    "mm_r-question_node": line(
        MMR, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "clause_encoder": "gcn",
              "question_node": True, "rethink": "paper"},
        {"clause_dropout": 0.0}),
    "ecpe_2d-bert": line(
        ECPE2D, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "hidden": 16, "form": "bert"},
        {"encoder_dropout": 0.0, "dropout": 0.0}),
    "ecpe_2d-none": line(
        ECPE2D, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "hidden": 16, "form": "indep",
                 "interaction": "none", "pairs": {"window": 3}},
        {"encoder_dropout": 0.0, "dropout": 0.0}),
    "ecpe_2d-windowed": line(
        ECPE2D, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "hidden": 16, "form": "inter-ce",
                 "interaction": "windowed", "layers": 1, "pairs": {"window": 3}},
        {"encoder_dropout": 0.0, "dropout": 0.0}),
    "two_stage-indep": line(
        TwoStage, {"encoder": "embedded", "encoder_size": 32, "encoder_heads": 2, "hidden": 16, "form": "indep",
                   "reading": {"read": "document", "pool": "mean"}, "own_encoders": True, "distance": "fixed"},
        {"encoder_dropout": 0.0}),
    "two_stage-inter-ce": line(
        TwoStage, {"encoder": "recurrent", "encoder_size": 32, "vector_size": 32, "hidden": 16, "form": "inter-ce",
                   "candidates": "in-sample", "pairs": {"window": 8}},
        {"encoder_dropout": 0.0}),
}
"""Methods with options that make another network of them; they keep the same promises."""
# fmt: on

WITHOUT_LEARNING = {"rule"}
"""Methods that count, and have nothing that a gradient changes."""


def decisions(method: Method, prediction: Prediction, threshold: float | None = None) -> object:
    """What a prediction says, beyond its numbers."""
    threshold = method.threshold if threshold is None else threshold
    if not method.task.labelled:
        return predicted_pairs(prediction, threshold)
    scores = prediction.scores["emotions"]
    if method.task.single:
        return [int(row.argmax()) for row in scores if not np.isnan(row).any()]
    return (scores > threshold).tolist()

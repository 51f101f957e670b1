from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import Prediction, write_predictions
from ecpe_zoo.metrics.conversations import score_conversations
from experiments import paired


def test_the_scores_are_the_scorers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = load_corpus("bundled-conversations").test
    labels = tuple(sorted({s.emotions[0] for d in documents for s in d.segments}))
    random = np.random.default_rng(0)
    scores = []
    for name in ("a", "b"):
        made = [
            Prediction(d.id, {"emotions": random.random((len(d), len(labels)), dtype=np.float32)}, 0, labels)
            for d in documents
        ]
        write_predictions(tmp_path / f"{name}.npz", made)
        scores.append(score_conversations(made, {d.id: d for d in documents}))
    files = [str(tmp_path / "a.npz"), str(tmp_path / "b.npz")]
    assert paired.main([*files, "--corpus", "bundled-conversations"]) == 0
    shown = capsys.readouterr().out
    for found in scores:
        assert f"{100 * found['weighted_f1']:.2f}" in shown
        assert f"{100 * found['macro_f1']:.2f}" in shown

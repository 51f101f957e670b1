from __future__ import annotations

import json
from pathlib import Path

import pytest
import scipy.stats
import torch

from ecpe_zoo.cli.main import main as ecpe_zoo
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.eqn import EQN
from ecpe_zoo.metrics.emotions import Agreement
from ecpe_zoo.options import EncoderSettings
from experiments import intensity_check
from experiments.context_check import predict
from tests.annotation.making import built, save, some_documents

LABELS = ("joy", "anger")


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    """The description of texts with a number for each of two labels."""
    for split in ("train", "validation", "test"):
        lines = []
        for number, document in enumerate(some_documents("emotions")):
            joy = 1 + number // 2 % 4 if number % 2 else 0
            row = {"text": f"{split} {document.segments[0].text}", "joy": joy, "anger": 0 if joy else 5}
            lines.append(json.dumps(row))
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = tmp_path / "rated.yaml"
    path.write_text(
        "tasks: [emotions]\nformat: {columns: [joy, anger], scale: 5, least: 0.2}\nlabels: [joy, anger]\n"
        "files: {train: train.jsonl, validation: validation.jsonl, test: test.jsonl}\n",
        encoding="utf-8",
    )
    return path


SMALL = EncoderSettings("embedded", size=32, heads=2)


def test_the_correlation_of_a_checkpoints_scores(
    rated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ecpe_zoo(["data", "check", str(rated)]) == 0
    corpus = load_corpus(str(rated))
    torch.manual_seed(0)
    # whose scores are never cut at 0
    method = EQN(objective="cross-entropy", encoder=SMALL)
    method.build_from(list(corpus.train))
    method.eval()
    joy = {d.id: d for d in corpus.test if d.segments[0].emotions == ("joy",)}
    scores = {
        one.id: float(one.scores["emotions"][0, one.labels.index("joy")])
        for one in predict(method, list(joy.values()))
    }
    strength = [(d.segments[0].intensities or {})["joy"] for d in joy.values()]
    assert set(strength) == {2.0, 4.0, 6.0, 8.0}
    expected = scipy.stats.spearmanr([scores[id] for id in joy], strength).statistic
    other = EQN(objective="cross-entropy", encoder=SMALL)
    other.build_from([d for d in corpus.train if d.segments[0].emotions == ("anger",)])  # knows no joy
    paths = [save(other, tmp_path / "a.ckpt"), save(method, tmp_path / "b.ckpt")]
    out = tmp_path / "found.json"
    options = [*map(str, paths), "--corpus", str(rated), "--split", "test", "--json", str(out)]
    capsys.readouterr()
    assert intensity_check.main(options) == 0
    first, second = json.loads(out.read_text(encoding="utf-8"))
    assert set(first["emotions"]) == {"anger"}
    assert second["checkpoint"] == "b.ckpt"
    assert second["emotions"]["joy"]["rho"] == pytest.approx(expected)
    assert second["emotions"]["joy"]["n"] == len(joy)
    assert f"{expected:+.2f} [" in capsys.readouterr().out


def test_emotions_that_never_vary_are_left_out_of_the_average() -> None:
    found = {"joy": Agreement(9, 0.4, 0.1, 0.6), "anger": Agreement(9, float("nan"), 0, 0)}
    assert intensity_check.average(found) == 0.4


def test_what_cannot_be_checked_is_an_error(rated: Path) -> None:
    documents = {document.id: document for document in load_corpus(str(rated)).test}
    with pytest.raises(ZooError, match="but got one of 'mgcl'"):
        intensity_check.check(built("mgcl"), documents)
    bare = {document.id: document for document in load_corpus("bundled-emotions").test}
    with pytest.raises(ZooError, match="but the corpus has none"):
        intensity_check.check(built("eqn"), bare)

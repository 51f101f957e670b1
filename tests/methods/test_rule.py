"""The rule as a method: it says what the rule of `corpora.rule` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.document import document_from_texts
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.corpora.rule import emotion_keywords, rule_pairs
from ecpe_zoo.methods.loading import load_method
from ecpe_zoo.methods.rule import Rule
from ecpe_zoo.metrics.pairs import predicted_pairs
from ecpe_zoo.results.record import read_record
from tests.conftest import ROOT


def test_it_finds_the_pairs_of_the_rule() -> None:
    corpus = load_corpus("bundled-ecpe")
    method = Rule()
    method.build_from(corpus.train)
    # a share has to be above the threshold, where the function asks for at least the cut-off
    keywords = emotion_keywords(corpus.train, 0.5 + 1e-9)
    batch = method.collator(False)([document.without_gold() for document in corpus.test])
    for document, prediction in zip(corpus.test, method.decode(batch), strict=True):
        assert predicted_pairs(prediction, 0.5) == rule_pairs(document, keywords)


def test_the_first_clause_is_its_own_cause() -> None:
    method = Rule()
    method.vocabulary, method.facts["shares"] = ["glad", "sad"], [0.75, 0.25]
    batch = method.collator(False)(
        [document_from_texts("1", ["he is glad", "she won", "she is glad and sad"])]
    )
    (prediction,) = method.decode(batch)
    assert predicted_pairs(prediction, 0.5) == {(0, 0), (2, 1)}
    assert prediction.scores["emotion"].tolist() == [0.75, 0.0, 0.75]
    assert prediction.scores["cause"].tolist() == [0.75, 0.75, 0.0]


def test_a_fit_tunes_its_cut_off_and_is_loaded_again(tmp_path: Path) -> None:
    options = ["--data.corpus", "bundled-ecpe", "--trainer.enable_progress_bar", "false"]
    config = str(ROOT / "configs" / "paper" / "rule.yaml")
    assert main(["fit", "--config", config, *options, "--trainer.default_root_dir", str(tmp_path)]) == 0
    (path,) = tmp_path.rglob("record.json")
    record = read_record(path)
    assert record.metrics["ecpe.pair_f1.v1"] > 0
    assert record.protocol.tuned_threshold is not None
    (best,) = tmp_path.rglob("best-*.ckpt")
    method = load_method(best)
    assert isinstance(method, Rule)
    assert method.tuned == pytest.approx(record.protocol.tuned_threshold)
    assert method.facts["shares"]

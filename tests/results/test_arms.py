"""Arms by hand: documents of a few clauses, scores of two decimals, and each practice transcribed with loops."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.document import Pair
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.corpora.splits import partition
from ecpe_zoo.data.predictions import Prediction, read_predictions, write_predictions
from ecpe_zoo.files import file_sha256
from ecpe_zoo.metrics.pairs import GRID
from ecpe_zoo.results.arm_table import group_arms, trained_arm
from ecpe_zoo.results.arms import ARMS, annotated_pairs, epoch_gain, run_arms
from ecpe_zoo.results.resampling import f1_of
from ecpe_zoo.results.selection import price_of
from ecpe_zoo.results.store import RunGroup, find_records, group_records
from tests.results.making import raw, write

SIZE = 7
LISTED = {"101": [1, 3], "102": [2], "103": [5, 7]}


def block(id: int, pairs: Sequence[Pair], keyword: str = "") -> str:
    """A document whose clauses 1, 3 and 5 hold words of their own."""
    texts = [
        "he was glad",
        "nothing",
        "she was sad",
        "nothing more",
        "they were angry",
        "and so on",
        "it ended",
    ]
    listed = ", ".join(f"({e},{c})" for e, c in pairs)
    lines = [
        f"{n},{'joy' if keyword in text else 'null'},{keyword if keyword in text else 'null'},{text} {id}"
        if keyword
        else f"{n},null,null,{text} {id}"
        for n, text in enumerate(texts, start=1)
    ]
    return "\n".join([f"{id} {SIZE}", f" {listed}", *lines]) + "\n"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three test documents, one with a pair annotated three times and one twice."""
    folder = tmp_path_factory.mktemp("corpus")
    tests = [
        block(101, [(3, 2), (3, 2), (3, 2), (1, 1)]),
        block(102, [(2, 6), (2, 6)]),
        block(103, [(5, 5), (7, 4)]),
    ]
    train = [block(n, [(1, 1)], "glad") for n in range(1, 9)] + [block(9, [(3, 1)], "sad")]
    (folder / "test.txt").write_text("".join(tests), encoding="utf-8")
    (folder / "train.txt").write_text("".join(train), encoding="utf-8")
    (folder / "sentiment_clauses.json").write_text(
        json.dumps(LISTED | {str(n): [1] for n in range(1, 10)}), encoding="utf-8"
    )
    path = folder / "small.yaml"
    text = "tasks: [ecpe]\nlanguage: en\nformat: {kind: clauses}\nfiles: {train: train.txt, test: test.txt}\n"
    path.write_text(text, encoding="utf-8")
    return path


def epochs(*rows: tuple[float, float, float, float]) -> list[dict[str, Any]]:
    """Validation's pair F1; pair, emotion and cause F1 of the test documents at the default threshold."""
    return [
        {
            "stage": "fit",
            "epoch": epoch,
            "step": epoch,
            "validation": {"pair_f1": validation},
            "watched_test": dict(zip(("pair_f1", "emotion_f1", "cause_f1"), test, strict=True)),
            "watched_test_at_tuned": {"pair_f1": 0.0, "emotion_f1": 0.0, "cause_f1": 0.0},
        }
        for epoch, (validation, *test) in enumerate(rows)
    ]


HISTORY = epochs((0.1, 0.3, 0.9, 0.5), (0.5, 0.4, 0.6, 0.7), (0.4, 0.45, 0.5, 0.75))


def made(folder: Path, corpus: Path, seed: int = 1, options: dict[str, Any] | None = None) -> Path:
    """A record on that corpus with random scores, higher for gold."""
    loaded = load_corpus(str(corpus))
    random = np.random.default_rng(seed)
    predictions = []
    for document in loaded.test:
        scores = np.round(random.random((SIZE, SIZE)) * 0.7, 2).astype(np.float32)
        for pair in document.pairs or ():
            scores[pair] = round(float(random.random()) * 0.5 + 0.45, 2)
        predictions.append(Prediction(document.id, {"pair": scores}))
    folder.mkdir(parents=True, exist_ok=True)
    write_predictions(folder / f"{seed}.npz", predictions)
    record = raw(0.5, corpus="small", seed=seed, history=HISTORY)
    record["config"]["data"] |= {"corpus": str(corpus)} | (options or {})
    record["predictions"] = file_sha256(folder / f"{seed}.npz")
    record["protocol"] |= {"tuned_threshold": 0.6, "headline": "tuned", "split_version": 2}
    parts = partition(loaded, "strict", 0.1, 1, 2)
    record["corpus"] |= {"files": loaded.files, "test": 3, "scored": 3, "train": len(parts.train)}
    return write(folder / f"{seed}.json", record)


def group_of(*paths: Path) -> RunGroup:
    (group,) = group_records(find_records(paths))
    return group


def naive(
    scores: dict[str, np.ndarray[Any, Any]], gold: dict[str, list[Pair]], threshold: float
) -> tuple[list[tuple[str, int, int]], float]:
    """Predicted pairs and F1, by loops; gold pairs count as often as they are listed where they are missed."""
    found = [
        (id, e, c)
        for id, table in scores.items()
        for e in range(SIZE)
        for c in range(SIZE)
        if float(table[e, c]) > float(np.float32(threshold))
    ]
    right = sum((e, c) in gold[id] for id, e, c in found)
    missed = sum((id, *pair) not in found for id, pairs in gold.items() for pair in pairs)
    wrong = len(found) - right
    return found, 2 * right / (2 * right + wrong + missed)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_arm_against_loops(seed: int, corpus: Path, tmp_path: Path) -> None:
    (entry,) = find_records([made(tmp_path, corpus, seed)])
    scores = {p.id: p.scores["pair"] for p in read_predictions(entry.predictions)}
    listed = {"101": [(2, 1), (2, 1), (2, 1), (0, 0)], "102": [(1, 5), (1, 5)], "103": [(4, 4), (6, 3)]}
    gold = {id: list(dict.fromkeys(pairs)) for id, pairs in listed.items()}
    strict = naive(scores, gold, 0.6)[1]

    def masked(keep: Any) -> dict[str, np.ndarray[Any, Any]]:
        return {
            id: np.array(
                [[s if keep(id, e, c) else 0 for c, s in enumerate(row)] for e, row in enumerate(table)]
            )
            for id, table in scores.items()
        }

    def best(table: dict[str, np.ndarray[Any, Any]]) -> float:
        return max(naive(table, gold, threshold)[1] for threshold in GRID)

    released = masked(lambda id, e, c: e + 1 in LISTED[id])
    train = partition(load_corpus(str(corpus)), "strict", 0.1, 1, 2).train
    keywords = {segment.keyword for document in train for segment in document.segments} - {None}
    places = {"glad": 0, "sad": 2}  # the clauses that hold these words
    words = masked(lambda id, e, c: e in {places[str(word)] for word in keywords})
    expected = {
        "threshold": best(scores),
        "duplicates": naive(scores, listed, 0.6)[1],
        "rankcp_file": naive(released, gold, 0.6)[1],
        "rankcp_file-threshold": best(released),
        "train_words": naive(words, gold, 0.6)[1],
        "train_words-threshold": best(words),
    }
    for width in (2, 3):
        near = masked(lambda id, e, c, width=width: abs(e - c) <= width)
        cut = {id: [(e, c) for e, c in pairs if abs(e - c) <= width] for id, pairs in gold.items()}
        expected[f"window-{width}"] = naive(near, gold, 0.6)[1]
        expected[f"window-{width}-gold"] = naive(near, cut, 0.6)[1]
    found = run_arms(entry)
    assert found.missing == {}
    assert found.strict == pytest.approx(strict, abs=1e-12)
    for id, value in expected.items():
        assert found.gains[id] == pytest.approx(value - strict, abs=1e-12), id
    assert found.gains.keys() == {arm.id for arm in ARMS}
    assert found.gains["epoch"] == pytest.approx(0.05)  # 0.45 at epoch 2, 0.4 at the chosen epoch 1
    assert found.gains["emotion-maximum"] == pytest.approx(0.3)
    assert found.gains["cause-maximum"] == pytest.approx(0.05)
    assert found.gains["threshold"] >= 0


def test_the_epoch_arm_is_the_price_of_selection(corpus: Path, tmp_path: Path) -> None:
    (entry,) = find_records([made(tmp_path, corpus)])
    price = price_of(entry)
    assert price is not None
    assert epoch_gain(entry, "pair") == price.gap
    assert price.gap != price.gap_tuned  # what a threshold adds is another practice


def test_emotions_that_a_later_stage_cannot_change_are_priced_where_they_were_chosen(tmp_path: Path) -> None:
    """Two stages: the first finds clauses and keeps its second epoch, the second filters their pairs."""

    def row(stage: str, epoch: int, validation: dict[str, float], test: dict[str, float]) -> dict[str, Any]:
        return {"stage": stage, "epoch": epoch, "step": epoch, "validation": validation, "watched_test": test}

    def clauses(f1: float) -> dict[str, float]:
        return {"emotion_f1": f1, "cause_f1": 0.5, "clause_f1": (f1 + 0.5) / 2}

    first = [row("clauses", e, clauses(v), clauses(t)) for e, (v, t) in enumerate([(0.4, 0.75), (0.6, 0.7)])]
    kept = {"emotion_f1": 0.7, "cause_f1": 0.5}
    second = [
        row("pairs", e, kept | {"pair_f1": v}, kept | {"pair_f1": t})
        for e, (v, t) in enumerate([(0.5, 0.4), (0.3, 0.42)])
    ]

    def stage(name: str, metric: str) -> dict[str, Any]:
        chosen = {"metric": metric, "mode": "max", "documents": "validation part"}
        return {
            "name": name,
            "epochs": 2,
            "steps": 2,
            "seconds": 1.0,
            "trainable_parameters": 1,
            "chosen_by": chosen,
        }

    record = raw(history=first + second)
    record["stages"] = [stage("clauses", "val/clause_f1"), stage("pairs", "val/pair_f1")]
    (entry,) = find_records([write(tmp_path / "a.json", record)])
    assert epoch_gain(entry, "pair") == pytest.approx(0.02)
    assert epoch_gain(entry, "emotion") == pytest.approx(0.05)
    assert epoch_gain(entry, "cause") == 0.0
    first[1]["watched_test"]["emotion_f1"] = 0.65  # the second stage has other weights: nothing to price
    (entry,) = find_records([write(tmp_path / "a.json", record | {"history": first + second})])
    assert epoch_gain(entry, "emotion") == 0.0


def test_over_runs_and_documents(corpus: Path, tmp_path: Path) -> None:
    """Two seeds of one fold: mean and t-interval over seeds; documents pooled, the mean over runs."""
    group = group_of(*(made(tmp_path, corpus, seed) for seed in (1, 2)))
    found = group_arms(group, resamples=500)
    assert found is not None
    result = next(result for result in found.results if result.arm.id == "window-2-gold")
    gains = [run.gains["window-2-gold"] for run in found.runs]
    assert result.gain is not None
    assert (result.gain.unit, result.gain.runs) == ("seeds", 2)
    assert result.gain.over.mean == pytest.approx(sum(gains) / 2)
    half = 12.706204736 * abs(gains[0] - gains[1]) / 2  # t(1) sd / sqrt(2)
    assert result.gain.over.high - result.gain.over.mean == pytest.approx(half)
    assert result.drawn is not None
    assert result.drawn.difference == pytest.approx(sum(gains) / 2)  # one fold: its documents are all
    assert result.drawn.low <= result.drawn.difference <= result.drawn.high
    once = next(run for run in found.runs)
    assert f1_of(once.counts[""].sum(axis=0)[None], "micro") == pytest.approx(once.strict)
    assert all(each.drawn is None for each in found.results if each.arm.id in ("epoch", "cause-maximum"))


def test_collapsed_runs_stay_in_the_mean_and_are_named(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [made(tmp_path, corpus, seed) for seed in (1, 2)]
    record = json.loads(paths[1].read_text("utf-8"))
    record |= {"status": "collapsed", "history": epochs((0.5, 0.0, 0.0, 0.0), (0.4, 0.6, 0.6, 0.6))}
    write(paths[1], record)
    found = group_arms(group_of(*paths), resamples=0)
    assert found is not None
    first = found.results[0]
    assert first.gain is not None
    assert first.sound is not None
    assert (first.gain.over.mean, first.sound.over.mean) == pytest.approx((0.325, 0.05))
    assert main(["results", "arms", *map(str, paths), "--resamples", "0"]) == 0
    assert "Collapsed, and in the means: fold 1 seed 2." in capsys.readouterr().out


def test_what_is_missing_is_said(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the corpus the epochs are left; without watched epochs the scores are."""
    path = made(tmp_path, corpus)
    record = json.loads(path.read_text("utf-8"))
    record["config"]["data"]["corpus"] = str(tmp_path / "gone.yaml")
    write(path, record)
    (found,) = [run_arms(entry) for entry in find_records([path])]
    assert found.gains.keys() == {"epoch", "emotion-maximum", "cause-maximum"}
    assert "description of its corpus" in found.missing["duplicates"]
    assert found.strict == 0.5  # as recorded
    assert main(["results", "arms", str(path), "--resamples", "0"]) == 0
    assert "Not for all runs: threshold, duplicates, window-3" in " ".join(capsys.readouterr().out.split())
    record["config"]["data"]["corpus"], record["history"] = str(corpus), []
    write(path, record)
    (found,) = [run_arms(entry) for entry in find_records([path])]
    assert found.gains.keys() == {arm.id for arm in ARMS} - {"epoch", "emotion-maximum", "cause-maximum"}
    assert "watch_test" in found.missing["epoch"]


def test_another_training_part_gives_no_honest_list(corpus: Path, tmp_path: Path) -> None:
    path = made(tmp_path, corpus)
    record = json.loads(path.read_text("utf-8"))
    record["corpus"]["train"] += 1
    write(path, record)
    (found,) = [run_arms(entry) for entry in find_records([path])]
    assert "training documents of its run" in found.missing["train_words"]
    assert "rankcp_file" in found.gains


def test_runs_with_a_leak_are_an_arm_and_no_base(corpus: Path, tmp_path: Path) -> None:
    base = made(tmp_path / "base", corpus)
    leak = made(tmp_path / "leak", corpus, options={"lexicon": "rankcp_file"})
    record = json.loads(leak.read_text("utf-8"))
    record["protocol"]["lexicon"] = "rankcp_file (holds the gold emotion clauses)"
    record["inputs"] = {"sentiment_clauses.json": "a"}
    record["metrics"]["ecpe.pair_f1.v1"] = 0.75
    write(leak, record)
    groups = {group.first.path.parent.name: group for group in group_records(find_records([base, leak]))}
    assert group_arms(groups["leak"]) is None
    assert trained_arm(groups["leak"], groups["base"]) is None
    found = group_arms(groups["base"], groups.values(), resamples=0)
    assert found is not None
    last = found.results[-1]
    assert last.arm.title == "trained and tuned with lexicon rankcp_file"
    assert last.gain is not None
    assert last.gain.over.mean == pytest.approx(0.25)
    assert last.arm.done_by == "RANKCP, MM-R, CD-MRC"


def test_the_command_writes_every_number(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(made(tmp_path / "r", corpus, seed)) for seed in (1, 2)]
    assert main(["results", "arms", *paths, "--resamples", "200", "--json", str(tmp_path / "arms.json")]) == 0
    shown = capsys.readouterr().out
    assert "2 seeds, 2 runs" in shown
    assert "MM-R" in shown
    (group,) = json.loads((tmp_path / "arms.json").read_text("utf-8"))
    assert [arm["id"] for arm in group["arms"]] == [arm.id for arm in ARMS]
    assert len(group["runs"]) == 2
    assert main(["results", "arms", *paths, "--resamples", "5"]) == 1
    assert "--resamples to be at least 100, or 0 for none" in capsys.readouterr().err
    other = write(tmp_path / "o.json", raw(0.5, protocol="paper"))
    assert main(["results", "arms", str(other)]) == 1
    assert "Expected finished strict runs of emotion-cause pairs" in capsys.readouterr().err


def test_annotated_pairs_keep_what_is_given_again(corpus: Path, tmp_path: Path) -> None:
    (entry,) = find_records([made(tmp_path, corpus)])
    assert annotated_pairs(entry) == {
        "101": [(2, 1), (2, 1), (2, 1), (0, 0)],
        "102": [(1, 5), (1, 5)],
        "103": [(4, 4), (6, 3)],
    }

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecpe_zoo.cli.main import main
from tests.results.making import history, raw, write, write_failure, write_scored


@pytest.fixture
def records(tmp_path: Path) -> Path:
    for seed in (1, 2):
        write_scored(
            tmp_path / "r" / f"good{seed}.json",
            skill=0.9,
            seed=seed,
            history=history([(0.5, 0.4), (0.4, 0.5)]),
        )
        write_scored(tmp_path / "r" / f"bad{seed}.json", skill=0.4, seed=seed, method="e2eecpe")
    return tmp_path / "r"


def test_recompute_confirms_and_fails(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(records / "failed.json", raw(None, corpus="bundled-ecpe", status="failed"))
    assert main(["results", "recompute", str(records)]) == 0
    shown = capsys.readouterr().out
    assert "4 records" in shown
    assert "all as recorded" in shown
    assert "failed, nothing to compute" in shown
    content = json.loads((records / "good1.json").read_text())
    content["metrics"]["ecpe.pair_f1.v1"] = 0.99
    write(records / "good1.json", content)
    assert main(["results", "recompute", str(records)]) == 1
    shown = capsys.readouterr().out
    assert "good1.json: metrics/ecpe.pair_f1.v1: stored 0.99, computed 0." in shown
    assert "1 records differ" in shown


def test_show_names_groups_and_what_to_look_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for fold, f1 in enumerate((0.5, 0.52, 0.0), start=1):
        write(tmp_path / f"{fold}.json", raw(f1, fold=fold))
    write(tmp_path / "4.json", raw(None, fold=4, status="failed"))
    write_failure(tmp_path / "x.failed.json", "a/x", "out of memory")
    assert main(["results", "show", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "xia-ding-2019, strict" in shown
    assert "34.0 ± 29.5" in shown
    assert (
        "mgcl: failed: fold 4 seed 1; collapsed: fold 3 seed 1 (0.0); mean without collapsed: 51.0" in shown
    )
    assert "a/x: no record: out of memory" in shown


def test_show_tells_of_long_texts_that_training_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fold counts once, however many seeds it has; a record from before the count adds nothing."""
    overlaps = {
        1: {"texts": 200, "held": 2, "share": 0.01},
        2: {"texts": 100, "held": 4, "share": 0.04},
        3: None,
    }
    for fold, overlap in overlaps.items():
        for seed in (1, 2):
            record = raw(0.5, fold=fold, seed=seed)
            record["corpus"]["overlap"] = overlap
            write(tmp_path / f"{fold}-{seed}.json", record)
    assert main(["results", "show", str(tmp_path)]) == 0
    told = "mgcl: training holds 6 of the 300 scored texts of five words or more (2.0 %)"
    assert told in capsys.readouterr().out
    assert main(["results", "show", str(tmp_path / "1-1.json")]) == 0
    assert "training holds" not in capsys.readouterr().out  # one percent is little


def test_show_takes_another_metric_or_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Table 4 of E2EECPE is at the fixed threshold."""
    record = raw(0.5)
    record["metrics"] |= {"ecpe.emotion_f1.v1": 0.7}
    record["metrics_default"] = {"ecpe.pair_f1.v1": 0.4}
    write(tmp_path / "a.json", record)
    for options, shown in (
        ([], "50.0"),
        (["--default-threshold"], "40.0"),
        (["--metric", "emotion_f1"], "70.0"),
    ):
        assert main(["results", "show", str(tmp_path), *options]) == 0
        assert shown in capsys.readouterr().out


def test_diff_runs_all_tests(records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "diff.json"
    options = ["--resamples", "500", "--json", str(out)]
    assert main(["results", "diff", "mgcl", "e2eecpe", "--records", str(records), *options]) == 0
    shown = capsys.readouterr().out
    for words in (
        "mgcl minus e2eecpe",
        "paired bootstrap",
        "paired permutation",
        "No verdict: 3 more seeds. ",
    ):
        assert words in shown
    values: dict[str, Any] = json.loads(out.read_text())
    assert values["bootstrap"]["low"] > 0
    assert values["fold_test"]["p"] is None  # one fold
    assert values["says"] == "no verdict: 3 more seeds"
    assert values["verdict"]["unit"] == "seed"


def test_diff_says_what_there_is(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "diff", str(records), str(records)]) == 1
    told = capsys.readouterr().err
    assert "records of one method" in told
    assert "'e2eecpe' (strict, bundled-ecpe)" in told
    assert main(["results", "diff", "e2eecpe", "mgcl"]) == 1
    assert "e2eecpe to be a record or a folder of records" in (told := capsys.readouterr().err)
    assert "--records" in told
    assert main(["results", "diff", "a", "b", "--records", str(records), "--resamples", "5"]) == 1
    assert "at least 100" in capsys.readouterr().err


def test_diff_takes_the_id_of_a_method_that_has_one_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, model in (("a", {}), ("b", {"ablation": "sub-clause"})):
        write_scored(tmp_path / f"{name}.json", skill=0.9, model={"mark_asked": True, **model})
    write_scored(tmp_path / "c.json", skill=0.4, method="e2eecpe")
    words = [
        "results",
        "diff",
        "mgcl",
        "e2eecpe",
        "--resamples",
        "100",
        "--records",
        str(tmp_path / "c.json"),
    ]
    assert main([*words, str(tmp_path / "a.json")]) == 0
    assert "mgcl [mark_asked=true] minus e2eecpe" in capsys.readouterr().out
    assert main([*words, *(str(tmp_path / f"{name}.json") for name in "ab")]) == 1
    assert "'mgcl [mark_asked=true]' (strict, bundled-ecpe)" in capsys.readouterr().err


def test_selection_shows_the_price(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "selection", str(records)]) == 0
    shown = capsys.readouterr().out
    assert "Choosing the epoch on the test fold adds 10.00 points on average" in shown
    assert "over 2 seeds (2 runs)" in shown
    (records / "good1.json").unlink()
    (records / "good2.json").unlink()
    assert main(["results", "selection", str(records)]) == 1
    assert "watch_test" in capsys.readouterr().err


def test_selection_and_diff_also_speak_without_collapsed_runs(
    records: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = history([(0.0, 0.0)])
    write_scored(records / "good3.json", skill=0.0, seed=3, history=rows, status="collapsed")
    assert main(["results", "selection", str(records)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "adds 6.67 points on average" in shown
    assert (
        "Without the collapsed runs (fold 1 seed 3): Choosing the epoch on the test fold adds 10.00" in shown
    )
    assert main(["results", "diff", "mgcl", "e2eecpe", "--records", str(records), "--resamples", "200"]) == 0
    assert "Without the collapsed runs: +" in capsys.readouterr().out


def test_schema_describes_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["schema_version"]["enum"] == [1, 2, 3, 4]
    assert set(raw()) <= set(schema["properties"])
    assert main(["results", "schema", "--output", str(tmp_path / "s.json")]) == 0
    assert json.loads((tmp_path / "s.json").read_text()) == schema


@pytest.mark.parametrize("command", ["recompute", "show", "diff", "selection", "schema"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["results", command, "--help"])
    assert caught.value.code == 0
    assert "usage: ecpe-zoo results" in capsys.readouterr().out


def test_a_plan_keeps_to_the_rule_of_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    for method, shift in (("mgcl", 0.0), ("e2eecpe", 0.03)):
        for fold in range(1, 4):
            for seed in (1, 2):
                score = 0.5 + shift + float(random.normal(0, 0.01))
                write(
                    tmp_path / f"{method}{fold}{seed}.json", raw(score, fold=fold, seed=seed, method=method)
                )
    records = ["--records", str(tmp_path)]
    assert main(["results", "plan", "e2eecpe", "mgcl", "--effect", "20", *records]) == 0
    shown = capsys.readouterr().out
    assert "xia-ding-2019, strict: e2eecpe minus mgcl" in shown
    assert "20 points: 3 seeds of both methods, the fewest of any verdict on 10 folds." in shown
    assert main(["results", "plan", "e2eecpe", "mgcl", "--effect", "0.001", *records]) == 0
    assert "no number of seeds shows it on 10 folds" in capsys.readouterr().out


def test_a_plan_on_one_split_is_of_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for method, skill in (("eqn", 0.9), ("emo_pillars", 0.5)):
        for seed in (1, 2, 3):
            write_scored(
                tmp_path / f"{method}{seed}.json", skill=skill, seed=seed, method=method, task="emotions"
            )
    plan = ["results", "plan", "eqn", "emo_pillars", "--records", str(tmp_path)]
    assert main([*plan, "--effect", "60"]) == 0
    shown = capsys.readouterr().out
    assert "bundled-emotions, strict: eqn minus emo_pillars" in shown
    assert "60 points: 5 seeds of both methods, the fewest of any verdict on one official split." in shown
    assert "over the test documents, which more seeds do not reduce" in shown


def test_an_unknown_metric_is_named(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "show", str(records), "--metric", "pair_f2"]) == 1
    error = capsys.readouterr().err
    assert "--metric to be one that a run has (" in error
    assert "Did you mean pair_f1?" in error

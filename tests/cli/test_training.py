"""The real entry point on every config: a config is a test case."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.document import Document
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.data.predictions import read_predictions
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.loading import load_method, read_checkpoint
from ecpe_zoo.results.record import read_record
from ecpe_zoo.results.store import find_records
from tests.conftest import ROOT
from tests.methods.contract import BUNDLED, CONTRACT, decisions
from tests.processes import ended, forked, zoo

STORED = 1.2e-4
"""Files hold scores rounded up to four decimals; beyond that, batch-mates move the last digits."""

SHORT = ["--trainer.max_epochs", "2", "--trainer.limit_train_batches", "6"]
"""Enough for two epochs that differ; what all batches of an epoch do is seen by tests of a few methods."""

QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]


def config(id: str, folder: Path, *options: str) -> list[str]:
    """Arguments of a small run: the shipped config, made small."""
    return [
        "--config",
        str(ROOT / "configs" / f"{id}.yaml"),
        *CONTRACT[id][1],
        *QUIET,
        "--trainer.default_root_dir",
        str(folder),
        *options,
    ]


def run_folder(folder: Path) -> Path:
    """The newest run below a folder."""
    return max(folder.glob("*/*/version_*"), key=lambda path: path.stat().st_mtime_ns)


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(path)["state_dict"]
    return state


def assert_same_weights(first: Path, second: Path) -> None:
    mine, other = weights(first), weights(second)
    assert mine.keys() == other.keys()
    for name, value in mine.items():
        assert torch.equal(value.nan_to_num(), other[name].nan_to_num()), name


@pytest.fixture(scope="module", params=sorted(CONTRACT))
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A method, fitted for two epochs, and its run's folder."""
    folder = tmp_path_factory.mktemp(request.param)
    options = [*SHORT, "--scorer.watch_test", "true"]
    assert main(["fit", *config(request.param, folder, *options)]) == 0
    return request.param, run_folder(folder)


def checkpoint_of(run: Path) -> Path:
    """The checkpoint of the last stage's best epoch: the last one that was written."""
    return max((run / "checkpoints").glob("best-*.ckpt"), key=lambda path: path.stat().st_mtime_ns)


def held_out(id: str) -> tuple[Document, ...]:
    return load_corpus(BUNDLED[CONTRACT[id][0]().task.id]).test


def test_fit_leaves_log_checkpoints_predictions_and_record(fitted: tuple[str, Path]) -> None:
    id, run = fitted
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        columns = set(csv.DictReader(file).fieldnames or ())
    headline = CONTRACT[id][0]().task.headline
    names = {f"{part}/{headline}" for part in ("val", "test", "watched_test")}
    assert names | {"train/loss"} <= columns
    assert (run / "checkpoints" / "last.ckpt").is_file()
    record = read_record(run / "record.json")
    assert (record.method, record.seed, record.protocol.name) == (id, 0, "strict")
    method = CONTRACT[id][0]()
    assert record.corpus.scored == record.corpus.test == len(held_out(id))
    overlap = record.corpus.overlap
    assert overlap is not None
    assert (overlap.texts > 100, overlap.held, overlap.share) == (True, 0, 0.0)
    stages = [stage.name for stage in method.stages()]
    assert [stage.name for stage in record.stages] == stages
    # two watched epochs a stage, of those that are watched; the reported reading is not among them
    watched = {stage.name for stage in method.stages() if stage.watched}
    assert record.protocol.test_reads == 2 * len(watched)
    (entry,) = find_records([run])
    assert record.history is None  # in the file of the scores
    assert [(row["stage"], row["epoch"]) for row in entry.history] == [(s, e) for s in stages for e in (0, 1)]
    assert {row["stage"] for row in entry.history if "watched_test" in row} == watched
    assert all("watched_test" in row for row in entry.history if row["stage"] in watched)
    last = [row for row in entry.history if row["stage"] == stages[-1]]
    best = max(last, key=lambda row: row["validation"][headline])
    assert record.epoch == best["epoch"]
    assert record.metrics_default[f"{method.task}.{headline}.v1"] == best["watched_test"][headline]
    if not method.task.thresholded:
        assert record.protocol.tuned_threshold is record.protocol.default_threshold is None
    else:
        assert record.protocol.tuned_threshold == pytest.approx(best["tuned_threshold"])
    assert list((run / "predictions" / "watched_test").glob("*epoch-*.npz"))


def test_metrics_can_be_recomputed_from_the_saved_scores(fitted: tuple[str, Path]) -> None:
    id, run = fitted
    task = CONTRACT[id][0]().task
    record = read_record(run / "record.json")
    predictions = read_predictions(run / "predictions" / "test.npz")
    gold = {document.id: document for document in held_out(id)}
    for threshold, metrics in (
        (record.protocol.tuned_threshold, record.metrics),
        (record.protocol.default_threshold, record.metrics_default),
    ):
        again = task.score(predictions, gold, threshold)
        assert {f"{task}.{name}.v1": value for name, value in again.items()} == metrics


def test_a_loaded_checkpoint_predicts_the_same(fitted: tuple[str, Path]) -> None:
    id, run = fitted
    method = load_method(checkpoint_of(run))
    assert method.id == id
    tuned = read_record(run / "record.json").protocol.tuned_threshold
    assert method.tuned == (None if tuned is None else pytest.approx(tuned))
    gold = held_out(id)
    with torch.no_grad():
        found = {p.id: p for p in method.decode(method.collator(False)([d.without_gold() for d in gold]))}
    for saved in read_predictions(run / "predictions" / "test.npz"):
        for name, scores in saved.scores.items():
            np.testing.assert_allclose(found[saved.id].scores[name], scores, atol=STORED)


def test_test_validate_and_predict_from_a_checkpoint(fitted: tuple[str, Path], tmp_path: Path) -> None:
    id, run = fitted
    best = str(checkpoint_of(run))
    for command in ("test", "validate", "predict"):
        assert main([command, *config(id, tmp_path, "--ckpt_path", best)]) == 0
        if command == "test":
            again = read_predictions(run_folder(tmp_path) / "predictions" / "test.npz")
            for mine, saved in zip(again, read_predictions(run / "predictions" / "test.npz"), strict=True):
                # not bit by bit: other batches may have been kept before them
                for name, scores in saved.scores.items():
                    np.testing.assert_allclose(mine.scores[name], scores, atol=STORED)
    (written,) = run_folder(tmp_path).glob("predictions/predict-test.npz")
    assert len(read_predictions(written)) == len(held_out(id))


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    """That the same seed gives the same weights is seen where a run is killed, begun anew and resumed.

    One method: that each draws its weights by the seed is part of the contract.
    """
    short = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2", "--test", "false"]
    for seed in ("0", "1"):
        assert main(["fit", *config("e2eecpe", tmp_path / seed, *short, "--seed_everything", seed)]) == 0
    first, second = (run_folder(tmp_path / seed) / "checkpoints" / "last.ckpt" for seed in ("0", "1"))
    with pytest.raises(AssertionError):
        assert_same_weights(first, second)


@pytest.mark.distributed
def test_two_processes_train_and_score_like_one(tmp_path: Path) -> None:
    """All methods, in one pair of processes. Batches of 7: their number does not divide by two.

    An epoch has all batches for methods of one stage and of several, and a few for the others.
    """
    two = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.eval_batch_size", "7"]
    train = ["--trainer.max_epochs", "1", "--data.batch_size", "7", "--data.eval_batch_size", "7"]
    fits = []
    for id in sorted(CONTRACT):
        few = [] if id in ("e2eecpe", "eacl") else ["--trainer.limit_train_batches", "5"]
        fits.append(["fit", *config(id, tmp_path / id, *two, *train, *few)])
    both_processes(fits, tmp_path)
    runs = {id: run_folder(tmp_path / id) for id in sorted(CONTRACT)}
    for id, run in runs.items():
        record = read_record(run / "record.json")
        assert record.machine.world_size == 2, id
        assert record.corpus.scored == len(held_out(id)), id
        best = str(checkpoint_of(run))
        assert main(["test", *config(id, tmp_path / f"{id}-1"), "--ckpt_path", best]) == 0, id
        one_process = read_predictions(run_folder(tmp_path / f"{id}-1") / "predictions" / "test.npz")
        method = load_method(best)
        for one, other in zip(one_process, read_predictions(run / "predictions" / "test.npz"), strict=True):
            assert one.id == other.id
            for name, scores in one.scores.items():
                np.testing.assert_allclose(scores, other.scores[name], atol=STORED, err_msg=id)
            for threshold in (method.threshold, method.tuned or 0.5):
                assert decisions(method, one, threshold) == decisions(method, other, threshold), id


@pytest.mark.distributed
def test_the_command_starts_its_second_process(tmp_path: Path) -> None:
    options = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.max_epochs", "1"]
    process = subprocess.run(  # not forked: it executes its command line again
        [sys.executable, "-m", "ecpe_zoo", "fit", *config("e2eecpe", tmp_path, *options)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        timeout=240,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    assert "sync_dist" not in process.stdout  # Lightning advises it for each score, which all processes share
    assert read_record(run_folder(tmp_path) / "record.json").machine.world_size == 2


def both_processes(commands: list[list[str]], folder: Path) -> None:
    """Run commands in two processes that start as a launcher such as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {"NODE_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    logs = [folder / f"rank{rank}.log" for rank in (0, 1)]
    started = [
        forked(log, one_after_another, commands, environment=where | {"LOCAL_RANK": str(rank)})
        for rank, log in enumerate(logs)
    ]
    try:
        for process, log in zip(started, logs, strict=True):
            ended(process, log, 420)
    finally:
        for process in started:
            process.kill()


def one_after_another(commands: list[list[str]]) -> int:
    """Run commands up to the first that fails; its number is said, and its exit status returned."""
    for number, arguments in enumerate(commands):
        if status := main(arguments):
            print(f"command {number} failed: {arguments}", file=sys.stderr)
            return status
    return 0


def test_a_run_killed_in_each_stage_resumes_as_if_it_had_not_been(
    fitted: tuple[str, Path], tmp_path: Path
) -> None:
    """One run, killed in its first stage, resumed, killed in its second, and so on.

    The unbroken run watched its test documents, which changes no weight.
    """
    id, whole = fitted
    fit = ["fit", *config(id, tmp_path, *SHORT, "--test", "false")]
    for stage in (stage.name for stage in CONTRACT[id][0]().stages()):
        killed = zoo(tmp_path / f"{stage}.log", *fit)
        deadline = time.monotonic() + 240
        last: Path | None = None
        seen = 0.0
        while time.monotonic() < deadline and killed.is_alive():
            last = max(tmp_path.glob("*/*/version_*/checkpoints/last.ckpt"), key=written, default=None)
            if last and written(last) != seen:  # reading it takes time from the run
                seen = written(last)
                if stage_of(last) == stage:
                    break
            time.sleep(0.005)
        killed.kill()
        killed.join()
        # on a busy machine a short run may end before the signal
        assert killed.exitcode in (-signal.SIGKILL, 0), (tmp_path / f"{stage}.log").read_text("utf-8")
        assert last, "it was killed before it left a checkpoint"
        assert stage_of(last) == stage
        fit[fit.index("--ckpt_path") if "--ckpt_path" in fit else len(fit) :] = ["--ckpt_path", str(last)]
    assert main(fit) == 0
    again = run_folder(tmp_path)
    names = {path.name for path in (whole / "checkpoints").iterdir()}
    assert {path.name for path in (again / "checkpoints").iterdir()} == names
    assert_same_weights(whole / "checkpoints" / "last.ckpt", again / "checkpoints" / "last.ckpt")


def written(path: Path) -> float:
    """When a file was written; 0 if it is being replaced."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def stage_of(checkpoint: Path) -> str | None:
    """The stage that a checkpoint is of; None while it is being written."""
    try:
        return str(read_checkpoint(checkpoint)["ecpe_zoo"]["stage"])
    except ZooError:
        return None


def test_a_rate_that_leaves_random_weights_untrained_is_reported(tmp_path: Path) -> None:
    """The rates of a paper suit its pretrained encoder."""
    options = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--test", "false"]
    options += ["--model.optimiser.encoder_lr", "0.00002"]
    with pytest.warns(UserWarning, match=r"'recurrent' starts from random weights .*encoder_lr 0\.005"):
        assert main(["fit", *config("pairgcn", tmp_path, *options, "--model.encoder", "recurrent")]) == 0


def test_an_option_that_its_class_refuses_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit", *config("rankcp", tmp_path, "--model.pairs.window", "0")]) == 1
    error = capsys.readouterr().err.strip()
    assert error == "ecpe-zoo: Expected --model.pairs.window to be at least 1, but got 0."


@pytest.mark.parametrize("id", ["eqn", "two_stage"])
def test_a_stage_that_lacks_predictions_is_one_line(
    id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = [f"--trainer.limit_{part}_batches=1" for part in ("train", "val", "predict")]
    assert main(["fit", *config(id, tmp_path, "--trainer.max_epochs", "1", *few)]) == 1
    assert "Leave out --trainer.limit_predict_batches" in capsys.readouterr().err


def test_typed_options_win_over_the_checkpoint_and_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = config("e2eecpe", tmp_path, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2")
    assert main(["fit", *small, "--model.beta", "0.5", "--model.threshold", "0.4", "--test", "false"]) == 0
    best = str(checkpoint_of(run_folder(tmp_path)))
    with pytest.warns(UserWarning, match=r"threshold: 0\.4 in the checkpoint, 0\.2 on the command line"):
        assert main(["test", *small, "--ckpt_path", best, "--model.threshold", "0.2"]) == 0
    assert "0.20" in capsys.readouterr().out
    assert main(["test", *small, "--ckpt_path", best, "--model.hidden", "20"]) == 1
    assert "shapes" in capsys.readouterr().err


def test_without_a_fixed_seed_one_is_drawn_and_recorded(tmp_path: Path) -> None:
    steps = ("--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--test", "false")
    seeds = set()
    for folder in (tmp_path / "a", tmp_path / "b"):
        assert main(["fit", *config("rankcp", folder, *steps), "--seed_everything", "false"]) == 0
        run = run_folder(folder)
        written = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["seed_everything"]
        assert run.parent.name.endswith(f"-seed{written}")
        seeds.add(written)
    assert len(seeds) == 2
    assert all(type(seed) is int for seed in seeds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "x.yaml", "fit"], "ecpe-zoo fit --config x.yaml"),
        (["fitt"], "Expected a command"),
        (["test", "--config", str(ROOT / "configs" / "e2eecpe.yaml")], "--ckpt_path"),
        (
            ["test", "--config", str(ROOT / "configs" / "e2eecpe.yaml"), "--ckpt_path", "none.ckpt"],
            "no such file",
        ),
        (
            ["fit", "--config", str(ROOT / "configs" / "e2eecpe.yaml"), "--data.corpus", "xia"],
            "xia-ding-2019",
        ),
        (
            [
                "fit",
                "--config",
                str(ROOT / "configs" / "e2eecpe.yaml"),
                "--data.corpus",
                "bundled-conversations",
            ],
            "task 'ecpe'",
        ),
        (
            ["fit", "--config", str(ROOT / "configs" / "e2eecpe.yaml"), "--model.vectors", "no.txt"],
            "no such file",
        ),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_malformed_corpus_stops_with_its_line_or_is_skipped_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "xia-ding-2019"
    folder.mkdir(parents=True)
    train, test = (
        "".join(f"{id} 2\n (2, 1)\n1,null,null,he fell {id}\n2,sad,cried,he cried\n" for id in ids)
        for ids in (range(21, 41), range(1, 21))
    )
    (folder / "fold1_train.txt").write_text(train, encoding="utf-8")
    broken = test.replace("1,null,null,he fell 3\n", "1,null,he fell 3\n")
    (folder / "fold1_test.txt").write_text(broken, encoding="utf-8")
    options = [
        "--data.corpus",
        "xia-ding-2019",
        "--data.root",
        str(tmp_path / "data"),
        "--data.protocol",
        "paper",
    ]
    options += ["--trainer.max_epochs", "1", "--model.threshold", "0.01"]
    assert main(["fit", *config("e2eecpe", tmp_path / "runs", *options)]) == 1
    error = capsys.readouterr().err
    assert "fold1_test.txt:11" in error
    assert not list((tmp_path / "runs").glob("**/*.ckpt"))
    with pytest.warns(UserWarning, match="Malformed documents were left out"):
        assert main(["fit", *config("e2eecpe", tmp_path / "runs", *options, "--data.on_error", "skip")]) == 0
    record = read_record(run_folder(tmp_path / "runs") / "record.json")
    assert record.corpus.scored == 19
    assert record.corpus.left_out["test/skipped_documents"] == 1


def test_long_test_texts_that_training_holds_are_counted_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "xia-ding-2019"
    folder.mkdir(parents=True)
    for name, ids, said in (("train", range(21, 41), "Then"), ("test", range(1, 11), "then")):
        documents = (
            f"{id} 3\n (2, 1)\n1,null,null,he fell off the wall {id}\n2,sad,cried,{said} he sat down and cried\n"
            "3,null,null,oh\n"
            for id in ids
        )
        (folder / f"fold1_{name}.txt").write_text("".join(documents), encoding="utf-8")
    options = [
        "--data.corpus",
        "xia-ding-2019",
        "--data.root",
        str(tmp_path / "data"),
        "--model.threshold",
        "0.01",
    ]
    run = ["fit", *config("e2eecpe", tmp_path / "runs", *options, "--trainer.max_epochs", "1")]
    assert main(run) == 0
    record = read_record(run_folder(tmp_path / "runs") / "record.json")
    assert record.corpus.near_left_out == record.corpus.twins_left_out == []
    assert record.corpus.overlap is not None
    assert record.corpus.overlap.model_dump() == {"texts": 20, "held": 10, "share": 0.5}
    told = "training holds 10 of the 20 scored texts of five words or more (50.0 %)"
    assert f"NOTE: {told}." in capsys.readouterr().out
    assert main(["results", "show", str(tmp_path / "runs")]) == 0
    assert told in capsys.readouterr().out


def test_one_validation_batch_is_one_and_not_all(tmp_path: Path) -> None:
    limits = [
        "--trainer.limit_val_batches",
        "1",
        "--trainer.limit_test_batches",
        "1",
        "--data.eval_batch_size",
        "5",
    ]
    # in its own process, as a user runs it: whether jsonargparse reads 1 as an int or as a float depends on which
    # union of the two was imported first
    fit = ["fit", *config("e2eecpe", tmp_path, "--trainer.max_epochs", "1", *limits)]
    ended(zoo(tmp_path / "log.txt", *fit), tmp_path / "log.txt")
    assert read_record(run_folder(tmp_path) / "record.json").corpus.scored == 5


def test_watched_scores_of_each_check_are_kept(tmp_path: Path) -> None:
    options = [
        "--trainer.max_epochs",
        "1",
        "--trainer.val_check_interval",
        "7",
        "--scorer.watch_test",
        "true",
    ]
    assert main(["fit", *config("e2eecpe", tmp_path, *options)]) == 0
    run = run_folder(tmp_path)
    kept = list((run / "predictions" / "watched_test").glob("epoch-*.npz"))
    assert len(kept) == len(find_records([run])[0].history) > 1


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert main([]) == 0
    assert main(["--version"]) == 0
    assert "ecpe-zoo COMMAND" in capsys.readouterr().out


def test_the_paper_protocol_reads_the_test_fold_at_every_validation(tmp_path: Path) -> None:
    options = ["--data.protocol", "paper", "--trainer.max_epochs", "2", "--trainer.val_check_interval", "7"]
    assert main(["fit", *config("e2eecpe", tmp_path, *options)]) == 0
    record = read_record(run_folder(tmp_path) / "record.json")
    assert record.protocol.selection == "test fold"
    assert record.protocol.headline == "default"
    assert record.protocol.tuned_threshold is None
    assert record.corpus.train == 440
    assert record.protocol.test_reads == len(find_records([tmp_path])[0].history) >= 4


def test_a_fast_development_run(tmp_path: Path) -> None:
    for id in ("e2eecpe", "eacl"):  # one stage and more
        assert main(["fit", *config(id, tmp_path / id, "--trainer.fast_dev_run", "true")]) == 0


def test_wandb_offline_files_are_written_beside_the_log(tmp_path: Path) -> None:
    small = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2", "--test", "false"]
    fit = zoo(
        tmp_path / "log.txt",
        "fit",
        *config("e2eecpe", tmp_path, *small),
        environment={"WANDB_MODE": "offline"},
    )
    ended(fit, tmp_path / "log.txt")
    assert (run_folder(tmp_path) / "metrics.csv").is_file()
    assert list(tmp_path.rglob("*.wandb"))


def test_the_config_that_ran_is_saved_and_runs_again_in_bf16(
    fitted: tuple[str, Path], tmp_path: Path
) -> None:
    id, run = fitted
    again = ["--trainer.max_epochs", "1", "--trainer.precision", "bf16-mixed"]
    again += [f"--trainer.limit_{part}_batches=2" for part in ("train", "val", "test")]
    saved = ["--config", str(run / "config.yaml"), "--scorer.watch_test", "false"]
    assert main(["fit", *saved, "--trainer.default_root_dir", str(tmp_path), *again]) == 0
    record = read_record(run_folder(tmp_path) / "record.json")
    assert record.machine.precision == "bf16-mixed"
    assert record.config["data"]["corpus"] == BUNDLED[CONTRACT[id][0]().task.id]
    assert record.config["model"] == read_record(run / "record.json").config["model"]

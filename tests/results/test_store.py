"""The store: records found, grouped and named; failed and collapsed runs stay visible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.board import build_boards
from ecpe_zoo.leaderboard.tables import markdown, percent, signed
from ecpe_zoo.results.naming import labels
from ecpe_zoo.results.statistics import corrected_t_test
from ecpe_zoo.results.store import encoder_of, find_failures, find_records, group_records, share_tested
from tests.conftest import ROOT
from tests.results.making import history, raw, write, write_failure


def test_both_layouts_are_found_once_and_other_json_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "suite" / "mgcl-seed1.json", raw())
    write(tmp_path / "runs" / "version_0" / "record.json", raw(seed=2))
    write(tmp_path / "copy" / "record.json", raw(seed=2))
    (tmp_path / "other.json").write_text('{"a": 1}')
    (tmp_path / "list.json").write_text("[1]")
    write(tmp_path / ".hidden" / "x.json", raw(seed=3))
    found = find_records([tmp_path])
    assert [entry.record.seed for entry in found] == [2, 1]
    assert found == sorted(found, key=lambda entry: str(entry.path))
    assert len(find_records([tmp_path, tmp_path / "suite" / "mgcl-seed1.json"])) == 2


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="no such path"):
        find_records([tmp_path / "nothing"])
    with pytest.raises(ZooError, match="found none"):
        find_records([tmp_path])
    (tmp_path / "record.json").write_text("{ damaged")
    with pytest.raises(ZooError, match=r"record\.json: expected a result record"):
        find_records([tmp_path])
    (tmp_path / "record.json").unlink()
    (tmp_path / "a.json").write_text("<<<<<<< HEAD")  # predictions beside it say that it was a record
    (tmp_path / "a.npz").touch()
    with pytest.raises(ZooError, match=r"a\.json: expected a result record"):
        find_records([tmp_path])
    (tmp_path / "a.json").unlink()
    (tmp_path / "a.json").write_text(json.dumps({name: x for name, x in raw().items() if name != "metrics"}))
    with pytest.raises(
        ZooError, match=r"a\.json: expected a result record, but got: metrics: Field required"
    ):
        find_records([tmp_path])
    (tmp_path / "a.json").unlink()
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(ZooError, match=r"record\.json: expected a result record"):
        find_records([tmp_path])
    newer = raw() | {"schema_version": 9}
    (tmp_path / "record.json").write_text(json.dumps(newer))
    with pytest.raises(ZooError, match="expected a result record"):
        find_records([tmp_path])


def test_two_records_that_say_they_are_one_have_to_agree(tmp_path: Path) -> None:
    for name, f1 in (("a", 0.5), ("b", 0.5), ("c", 0.6)):
        write(tmp_path / f"{name}.json", raw(f1) | {"converted_from": "0" * 64})
    assert len(find_records([tmp_path / "a.json", tmp_path / "b.json"])) == 1
    with pytest.raises(ZooError, match=r"c\.json: expected the metrics of .*a\.json, since both say"):
        find_records([tmp_path])


def test_folds_and_seeds_fall_into_one_group_and_arguments_part_them(tmp_path: Path) -> None:
    for fold in (1, 2):
        for seed in (1, 2):
            write(tmp_path / f"a{fold}{seed}.json", raw(fold=fold, seed=seed))
    write(tmp_path / "b.json", raw(model={"gamma": 0.9}))
    write(tmp_path / "c.json", raw(protocol="paper", trainer={"val_check_interval": 5}))
    groups = group_records(find_records([tmp_path]))
    names = labels(groups)
    shown = {(names[id(group)], group.protocol): group for group in groups}
    assert set(shown) == {("mgcl", "strict"), ("mgcl [gamma=0.9]", "strict"), ("mgcl", "paper")}
    whole = shown["mgcl", "strict"]
    assert (whole.folds, whole.seeds, whole.repeated) == ((1, 2), (1, 2), 0)


def test_an_option_that_is_not_a_number_names_its_group(tmp_path: Path) -> None:
    """NaN differs from itself, as an option differs from the hash of its file."""
    write(tmp_path / "a.json", raw())
    write(tmp_path / "b.json", raw(model={"gamma": float("nan")}))
    assert set(labels(group_records(find_records([tmp_path]))).values()) == {"mgcl", "mgcl [gamma=nan]"}


def test_a_default_argument_or_a_null_option_makes_no_variant(tmp_path: Path) -> None:
    write(tmp_path / "old.json", raw())
    write(tmp_path / "new.json", raw(seed=2, model={"gamma": 0.7}, trainer={"new_option": None}))
    (group,) = group_records(find_records([tmp_path]))
    assert len(group.entries) == 2


def test_arguments_without_effect_and_names_of_files_part_nothing(tmp_path: Path) -> None:
    def eqn(name: str, inputs: dict[str, str] | None = None, **arguments: object) -> None:
        record = raw(method="eqn", task="emotions", inputs=inputs or {}, seed=ord(name))
        record["config"]["model"] = {"class_path": "ecpe_zoo.methods.eqn.EQN", "init_args": arguments}
        write(tmp_path / f"{name}.json", record)

    eqn("a", objective="cross-entropy", relabel="in-sample")
    eqn("b", objective="cross-entropy", relabel="out-of-fold", folds=5)
    eqn("c", objective="eqn", relabel="in-sample")
    eqn("d", {"r.jsonl": "f" * 64}, objective="eqn", relabel="in-sample", labels_from="r.jsonl")
    groups = group_records(find_records([tmp_path]))
    found = {labels(groups)[id(group)]: len(group.entries) for group in groups}
    assert found == {
        "eqn [objective=cross-entropy]": 2,
        "eqn [relabel=in-sample]": 1,
        "eqn [labels_from=r.jsonl ffffffff]": 1,
    }


def named(folder: Path) -> list[str]:
    groups = group_records(find_records([folder]))
    return sorted(f"{group.protocol}: {labels(groups)[id(group)]}" for group in groups)


def test_many_differences_are_named_by_those_that_tell_the_groups_apart(tmp_path: Path) -> None:
    other = {"gamma": 0.9, "alpha": 0.3, "encoder": {"name": "recurrent"}}
    write(tmp_path / "a.json", raw())
    write(tmp_path / "b.json", raw(model=other, trainer={"max_epochs": 9, "gradient_clip_val": 2.0}))
    assert named(tmp_path) == [
        "strict: mgcl [encoder.name=embedded]",
        "strict: mgcl [encoder.name=recurrent, ...]",
    ]
    write(tmp_path / "c.json", raw(model=other | {"alpha": 0.4}, trainer={"max_epochs": 9}))
    assert named(tmp_path)[1:] == [
        "strict: mgcl [alpha=0.4, encoder.name=recurrent, ...]",
        "strict: mgcl [encoder.name=embedded]",
    ]
    write(tmp_path / "d.json", raw(model={"ablation": "distillation"}))
    assert "strict: mgcl [ablation=distillation, encoder.name=embedded]" in named(tmp_path)


def test_practice_that_differs_within_a_protocol_is_named_on_all_its_rows(tmp_path: Path) -> None:
    """Else an ablation of nine epochs stands beside the whole method of five, and nobody sees it."""
    write(tmp_path / "a.json", raw())
    write(tmp_path / "p.json", raw(protocol="paper", trainer={"val_check_interval": 5}))
    assert named(tmp_path) == ["paper: mgcl", "strict: mgcl"]
    write(tmp_path / "b.json", raw(trainer={"max_epochs": 9}, model={"sub_clause_clue": False}))
    write(tmp_path / "c.json", raw(inputs={"vectors.txt": "f" * 64}, model={"gamma": 0.1}))
    assert named(tmp_path) == [
        "paper: mgcl",
        "strict: mgcl [gamma=0.1, inputs.vectors.txt=ffffffff, trainer.max_epochs=3]",
        "strict: mgcl [sub_clause_clue=false, trainer.max_epochs=9]",
        "strict: mgcl [trainer.max_epochs=3]",
    ]


def test_what_makes_another_method_is_named_though_nothing_stands_beside_it(tmp_path: Path) -> None:
    """A lone record without its clues must not bear the method's plain name, nor change it when another comes."""
    write(tmp_path / "a.json", raw(model={"sub_clause_clue": False, "gamma": 0.9}))
    assert named(tmp_path) == ["strict: mgcl [sub_clause_clue=false]"]


def test_what_changes_no_number_parts_nothing(tmp_path: Path) -> None:
    """Devices and their precision count as what became of them, files by content, evaluation batches not at all."""
    shas = {"v.txt": "f" * 64}, {"renamed.txt": "f" * 64}
    write(tmp_path / "a.json", raw(model={"vectors": "v.txt"}, inputs=shas[0]))
    technical = {"accelerator": "cpu", "devices": 1, "precision": "32-true", "enable_checkpointing": True}
    other = raw(seed=2, model={"vectors": "renamed.txt"}, inputs=shas[1], trainer=technical)
    other["config"]["data"]["eval_batch_size"] = 8
    write(tmp_path / "b.json", other)
    (group,) = group_records(find_records([tmp_path]))
    assert len(group.entries) == 2
    for place, (name, value) in enumerate((("precision", "bf16-mixed"), ("world_size", 2))):
        record = raw()
        record["machine"][name] = value
        write(tmp_path / f"{place}.json", record)
    assert len(group_records(find_records([tmp_path]))) == 3


def test_a_file_is_named_with_its_content(tmp_path: Path) -> None:
    for name, sha in (("v.txt", "a" * 64), ("w.txt", "b" * 64)):
        write(tmp_path / f"{name}.json", raw(model={"vectors": name}, inputs={name: sha}))
    assert named(tmp_path) == [
        "strict: mgcl [encoder.vectors=v.txt aaaaaaaa]",
        "strict: mgcl [encoder.vectors=w.txt bbbbbbbb]",
    ]


def test_labels_never_collide(tmp_path: Path) -> None:
    """Values that print alike: the hash of all settings tells them apart."""
    for value in (1, "1"):
        write(tmp_path / f"{value!r}.json", raw(trainer={"max_steps": value}))
    first, second = named(tmp_path)
    assert first != second
    assert first.startswith("strict: mgcl [trainer.max_steps=1, config ")


def test_other_corpus_files_make_another_group(tmp_path: Path) -> None:
    """A corpus that was edited has its old name; most records say which files are the usual ones."""
    for name, fold, seed, sha in (("a", 1, 1, "a"), ("b", 1, 2, "a"), ("c", 1, 3, "b"), ("d", 2, 1, "c")):
        record = raw(fold=fold, seed=seed)
        record["corpus"]["files"] = {f"test{fold}.txt": sha * 64}
        write(tmp_path / f"{name}.json", record)
    assert named(tmp_path) == ["strict: mgcl", "strict: mgcl [test1.txt bbbbbbbb]"]


def test_a_mean_is_of_one_definition(tmp_path: Path) -> None:
    old, new = raw(0.5, seed=1), raw(0.6, seed=2)
    new["metrics"] = {"ecpe.pair_f1.v1": 0.6, "ecpe.pair_f1.v2": 0.1}
    write(tmp_path / "a.json", old)
    write(tmp_path / "b.json", new)
    (group,) = group_records(find_records([tmp_path]))
    spread = group.spread()
    assert spread is not None
    assert spread.over.mean == pytest.approx(0.55)


def test_a_class_that_borrows_the_id_of_a_method_is_not_that_method(tmp_path: Path) -> None:
    borrowed = raw(0.4, seed=1)
    borrowed["config"]["model"]["class_path"] = "mine.MGCL"
    other = raw(0.6, seed=1, method="own")
    other["config"]["model"]["class_path"] = "mine.Own"
    for name, record in {"a": raw(0.5), "b": borrowed, "c": other}.items():
        write(tmp_path / f"{name}.json", record)
    assert set(labels(group_records(find_records([tmp_path]))).values()) == {
        "mgcl [encoder.name=embedded]",
        "mgcl [class_path=mine.MGCL, encoder=embedded]",
        "own",
    }


def test_a_class_path_of_somebody_else_is_not_imported(tmp_path: Path) -> None:
    record = raw()
    record["config"]["model"]["class_path"] = "antigravity.Anything"
    write(tmp_path / "a.json", record)
    (group,) = group_records(find_records([tmp_path]))
    assert group.first.settings["model.encoder"] == "embedded"


def test_failed_and_collapsed_runs_stay_visible(tmp_path: Path) -> None:
    for fold, f1 in enumerate((0.5, 0.52, 0.2, 0.0), start=1):
        write(tmp_path / f"{fold}.json", raw(f1, fold=fold))
    write(tmp_path / "5.json", raw(None, fold=5, status="failed"))
    write(tmp_path / "6.json", raw(0.5, fold=6, status="collapsed"))
    (group,) = group_records(find_records([tmp_path]))
    assert [run.fold for run in group.failed] == [5]
    assert [run.fold for run in group.collapsed] == [3, 4, 6]
    everything, rest = group.spread(), group.spread(without_collapsed=True)
    assert everything is not None
    assert rest is not None
    assert everything.over.mean == pytest.approx((0.5 + 0.52 + 0.2 + 0.0 + 0.5) / 5)
    assert rest.over.mean == pytest.approx(0.51)


def test_intervals_of_rows_and_differences_count_in_shared_training_documents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The board printed narrower ones than the report and named no difference between them."""
    scores = {"mgcl": (0.5, 0.58, 0.43), "e2eecpe": (0.41, 0.44, 0.4)}
    for method, values in scores.items():
        for fold, f1 in enumerate(values, start=1):
            write(tmp_path / f"{method}{fold}.json", raw(f1, fold=fold, method=method))
    groups = {group.method: group for group in group_records(find_records([tmp_path]))}
    spread = groups["mgcl"].spread()
    assert spread is not None
    share = share_tested(groups["mgcl"].finished)
    assert share > 0
    row = corrected_t_test(scores["mgcl"], share)
    assert (spread.over.low, spread.over.high) == pytest.approx((row.low, row.high))
    gap = corrected_t_test([one - two for one, two in zip(*scores.values(), strict=True)], share)
    board, *_ = build_boards(find_records([tmp_path]), resamples=200)
    text = markdown([board])
    assert f"[{percent(row.low)}, {percent(row.high)}]" in text
    assert f"{signed(-gap.mean)} [{signed(-gap.high)}, {signed(-gap.low)}] against MGCL" in text
    assert main(["results", "show", str(tmp_path)]) == 0
    assert f"[{percent(row.low)}, {percent(row.high)}]" in capsys.readouterr().out


def test_a_repeated_cell_is_counted_as_such(tmp_path: Path) -> None:
    again = raw(0.6)
    again["code"]["commit"] = "f" * 40
    write(tmp_path / "a.json", raw(0.5))
    write(tmp_path / "b.json", again)
    (group,) = group_records(find_records([tmp_path]))
    assert (group.repeated, len(group.values())) == (1, 2)


def test_a_run_that_drew_nothing_new_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else two fits of one seed would have a spread of 0, and an interval without width."""
    for number, (commit, seed, f1) in enumerate((("e", 1, 0.5), ("f", 1, 0.5), ("e", 2, 0.5), ("e", 3, 0.6))):
        record = raw(f1, seed=seed)
        record["code"]["commit"] = commit * 40
        write(tmp_path / f"{number}.json", record)
    (group,) = group_records(find_records([tmp_path]))
    assert (group.again, group.repeated) == (1, 0)
    assert [run.record.seed for run in group.entries] == [1, 2, 3]
    assert group.entries[0].id == min(find_records([tmp_path])[:2], key=lambda run: run.id).id
    assert main(["results", "show", str(tmp_path)]) == 0
    assert "mgcl: 1 record left out: repeats fold, seed and scores of another" in capsys.readouterr().out
    for number in (4, 5):
        write(tmp_path / f"{number}.json", raw(None, status="failed") | {"steps": number})
    (group,) = group_records(find_records([tmp_path]))
    assert len(group.failed) == 2


def test_of_a_repeated_run_the_record_with_test_scores_of_every_epoch_is_kept(tmp_path: Path) -> None:
    """Else a hash decided whether the group has prices."""
    for number in range(6):
        record = raw(0.5, history=history([(0.5, 0.5)] if number == 3 else []))
        record["code"]["commit"] = f"{number}" * 40
        write(tmp_path / f"{number}.json", record)
    (group,) = group_records(find_records([tmp_path]))
    assert (group.again, group.first.path.name) == (5, "3.json")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit_val_batches": 0}, "validated on no document (limit_val_batches 0): not ranked"),
        (
            {"limit_train_batches": 5},
            "trained on a part of the documents (limit_train_batches 5): not ranked",
        ),
        (
            {"limit_train_batches": 1},
            "trained on a part of the documents (limit_train_batches 1): not ranked",
        ),
        (
            {"limit_val_batches": 0.5},
            "validated on a part of the documents (limit_val_batches 0.5): not ranked",
        ),
        ({"overfit_batches": 2}, "validated on its training batches (overfit_batches 2): not ranked"),
        ({"limit_train_batches": 1.0, "limit_val_batches": None, "overfit_batches": 0.0}, ""),
    ],
)
def test_runs_that_read_a_part_say_so(
    options: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.json", raw(trainer=options))
    (group,) = group_records(find_records([tmp_path]))
    assert group.comparable == (not said)
    assert main(["results", "show", str(tmp_path)]) == 0
    assert said in capsys.readouterr().out
    boards = build_boards(find_records([tmp_path]), resamples=100)
    assert [said] * bool(said) == [
        note for row in boards[0].rows for note in row.cells["strict"].remarks if "ranked" in note
    ]


def test_split_versions_are_never_one_group(tmp_path: Path) -> None:
    """A record from before the option was there is of version 1, though 2 is the default now."""
    old, new = raw(0.5), raw(0.6)
    old["config"]["data"] = {"corpus": "xia-ding-2019"}
    new["config"]["data"] = {"corpus": "xia-ding-2019", "split_version": 2, "batch_spread": 18.0}
    write(tmp_path / "a.json", old)
    write(tmp_path / "b.json", new)
    groups = group_records(find_records([tmp_path]))
    names = labels(groups)
    assert sorted(names[id(group)].split(" [")[1] for group in groups) == [
        "batch_spread=0.0, split_version=1]",
        "batch_spread=18.0, split_version=2]",
    ]


def test_a_newer_definition_of_a_metric_wins(tmp_path: Path) -> None:
    record = raw(0.5)
    record["metrics"]["ecpe.pair_f1.v2"] = 0.4
    write(tmp_path / "a.json", record)
    assert find_records([tmp_path])[0].score == 0.4


def test_predictions_are_found_beside_or_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "a.json", raw())
    (entry,) = find_records([tmp_path])
    with pytest.raises(ZooError, match=r"a\.npz or predictions/test\.npz"):
        _ = entry.predictions


def test_the_committed_records_group_as_their_readme_says() -> None:
    groups = group_records(find_records([ROOT / "experiments" / "records"]))
    names = labels(groups)
    found = [(names[id(g)], g.corpus, g.protocol) for g in groups]

    def named(start: str, corpus: str) -> int:
        return sum(label.startswith(start) and (c, p) == (corpus, "strict") for label, c, p in found)

    assert named("mgcl [mark_asked=true, multi_instance=false", "xia-ding-2019") == 1
    assert named("eqn [objective=coeqn", "isear") == 1
    # vectors frozen in the first release, trained since, and frozen again: never one row; two variants, an encoder
    assert named("e2eecpe", "xia-ding-2019") == 6
    assert named("e2eecpe [position=false", "xia-ding-2019") == 1
    assert named("e2eecpe [freeze_vectors=true", "xia-ding-2019") == 2
    assert named("rule", "xia-ding-2019") == 2


def test_cells_that_failed_without_a_record_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_failure(tmp_path / "a" / "x.failed.json", "a/x", "killed")
    (tmp_path / "a" / "y.failed.json").write_text("{")
    write_failure(tmp_path / "a" / "z.failed.json", "a/z", "killed, then tried again")
    write(tmp_path / "a" / "z.json", raw())
    assert [(f.cell, f.reason) for f in find_failures([tmp_path])] == [
        ("a/x", "killed"),
        ("y", "a note that cannot be read"),
    ]
    assert len(find_records([tmp_path])) == 1


def test_a_network_over_words_has_no_encoder(tmp_path: Path) -> None:
    """The board named the encoder that such a network does not read."""
    for name, network in (("words", "textcnn"), ("read", "transformer")):
        record = raw(method="eqn", task="emotions", model={"network": network})
        record["config"]["model"]["class_path"] = "ecpe_zoo.methods.eqn.EQN"
        write(tmp_path / f"{name}.json", record)
    entries = {entry.path.stem: entry for entry in find_records([tmp_path])}
    assert encoder_of(entries["words"]) == "own network"
    assert encoder_of(entries["read"]) == "embedded"
    assert "model.encoder.name" not in entries["words"].settings


def test_a_rule_has_no_network(tmp_path: Path) -> None:
    record = raw(method="rule")
    record["config"]["model"] = {"class_path": "ecpe_zoo.methods.rule.Rule", "init_args": {}}
    write(tmp_path / "a.json", record)
    assert encoder_of(find_records([tmp_path])[0]) == "none"


@pytest.mark.parametrize(
    ("encoder", "named"),
    [
        ({"name": "e5", "layers": 6}, "e5, first 6 layers"),
        ({"name": "e5", "layers": None}, "e5"),
        ({"name": "embedded", "layers": 3}, "embedded"),  # has no pretrained layers to leave out
    ],
)
def test_an_encoder_without_its_upper_layers_is_named_so(
    encoder: dict[str, object], named: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.json", raw(model={"encoder": encoder}))
    (entry,) = find_records([tmp_path])
    assert encoder_of(entry) == named

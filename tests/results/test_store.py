"""The store: records found, grouped and named; failed and collapsed runs stay visible."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecpe_zoo.errors import ZooError
from ecpe_zoo.results.store import find_failures, find_records, group_records, labels
from tests.conftest import ROOT
from tests.results.making import raw, write


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
    newer = raw() | {"schema_version": 9}
    (tmp_path / "record.json").write_text(json.dumps(newer))
    with pytest.raises(ZooError, match="expected a result record"):
        find_records([tmp_path])


def test_folds_and_seeds_fall_into_one_group_and_arguments_part_them(tmp_path: Path) -> None:
    for fold in (1, 2):
        for seed in (1, 2):
            write(tmp_path / f"a{fold}{seed}.json", raw(fold=fold, seed=seed))
    write(tmp_path / "b.json", raw(model={"gamma": 0.9}))
    write(tmp_path / "c.json", raw(protocol="paper", trainer={"val_check_interval": 5}))
    groups = group_records(find_records([tmp_path]))
    named = labels(groups)
    shown = {(named[id(group)], group.protocol): group for group in groups}
    assert set(shown) == {("mgcl", "strict"), ("mgcl [gamma=0.9]", "strict"), ("mgcl", "paper")}
    whole = shown["mgcl", "strict"]
    assert (whole.folds, whole.seeds, whole.repeated) == ((1, 2), (1, 2), 0)


def test_a_default_argument_or_a_null_option_makes_no_variant(tmp_path: Path) -> None:
    write(tmp_path / "old.json", raw())
    write(tmp_path / "new.json", raw(seed=2, model={"gamma": 0.7}, trainer={"new_option": None}))
    (group,) = group_records(find_records([tmp_path]))
    assert len(group.entries) == 2


def test_arguments_without_effect_and_names_of_files_part_nothing(tmp_path: Path) -> None:
    def eqn(name: str, inputs: dict[str, str] | None = None, **arguments: object) -> None:
        record = raw(method="eqn", task="emotions", inputs=inputs or {})
        record["config"]["model"] = {"class_path": "ecpe_zoo.methods.eqn.EQN", "init_args": arguments}
        write(tmp_path / f"{name}.json", record)

    eqn("a", objective="cross-entropy", relabel="in-sample")
    eqn("b", objective="cross-entropy", relabel="out-of-fold", folds=5)
    eqn("c", objective="eqn", relabel="in-sample")
    eqn("d", {"r.jsonl": "f" * 64}, objective="eqn", relabel="in-sample", labels_from="r.jsonl")
    groups = group_records(find_records([tmp_path]))
    named = {labels(groups)[id(group)]: len(group.entries) for group in groups}
    assert named == {
        "eqn [objective=cross-entropy]": 2,
        "eqn [relabel=in-sample]": 1,
        "eqn [labels_from=r.jsonl ffffffff]": 1,
    }


def test_practice_is_named_only_where_it_tells_groups_apart(tmp_path: Path) -> None:
    write(tmp_path / "a.json", raw())
    write(tmp_path / "b.json", raw(trainer={"max_epochs": 9}))
    write(tmp_path / "c.json", raw(inputs={"vectors.txt": "f" * 64}, model={"gamma": 0.1}))
    groups = group_records(find_records([tmp_path]))
    assert sorted(labels(groups).values()) == [
        "mgcl [inputs.vectors.txt=ffffffff, gamma=0.1]",
        "mgcl [trainer.max_epochs=3]",
        "mgcl [trainer.max_epochs=9]",
    ]


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


def test_a_repeated_cell_is_counted_as_such(tmp_path: Path) -> None:
    again = raw(0.6)
    again["code"]["commit"] = "f" * 40
    write(tmp_path / "a.json", raw(0.5))
    write(tmp_path / "b.json", again)
    (group,) = group_records(find_records([tmp_path]))
    assert (group.repeated, len(group.values())) == (1, 2)


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
    named = labels(groups)
    found = {(named[id(g)], g.corpus, g.protocol) for g in groups}
    assert ("mgcl [multi_instance=false]", "xia-ding-2019", "strict") in found
    assert ("e2eecpe", "xia-ding-2019", "strict") in found


def test_cells_that_failed_without_a_record_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.failed.json").write_text('{"cell": "a/x", "reason": "killed"}')
    (tmp_path / "a" / "y.failed.json").write_text("{")
    (tmp_path / "a" / "z.failed.json").write_text('{"cell": "a/z", "reason": "killed, then tried again"}')
    write(tmp_path / "a" / "z.json", raw())
    assert [(f.cell, f.reason) for f in find_failures([tmp_path])] == [
        ("a/x", "killed"),
        ("y", "a note that cannot be read"),
    ]
    assert len(find_records([tmp_path])) == 1

"""Suite files: what they expand to, and how mistakes in them are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import file_sha256
from ecpe_zoo.results.identity import INPUTS
from ecpe_zoo.runner.cells import Cell, expand, select
from ecpe_zoo.runner.estimates import START, Estimates
from ecpe_zoo.runner.suite import read_suite
from tests.conftest import ROOT
from tests.runner.conftest import Bench

GOOD = """\
name: try
variables:
  vectors: word2vec text file
  encoder: {help: a folder, default: embedded}
defaults:
  overrides: {model.vectors: "{vectors}", model.beta: 1}
  matrix: {corpora: bundled-ecpe, protocols: strict, folds: all, seeds: 1-2}
cells:
  - config: a.yaml
  - config: "*.yaml"
    variant: more
    overrides: {model.beta: 0.5, model.auxiliary: false, model.name: "x-{encoder}"}
    each: {b: {model.beta: 0.7}}
    matrix: {protocols: [strict, paper], seeds: 3}
small:
  overrides: {model.vectors: null}
  matrix: {seeds: 0}
"""


def resolve(arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """A resolver without a parser: options become the config."""
    options = dict(argument.removeprefix("--").split("=", 1) for argument in arguments[2:])
    data = {
        "corpus": options.get("data.corpus", "bundled-ecpe"),
        "fold": int(options.get("data.fold", 1)),
        "protocol": options.get("data.protocol", "strict"),
    }
    model = {name[6:]: value for name, value in options.items() if name.startswith("model.")}
    seed = int(options.get("seed_everything", 0))
    return Path(arguments[1]).stem, {"data": data, "model": {"init_args": model}, "seed_everything": seed}


def written(folder: Path, text: str = GOOD) -> Path:
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_text("")
    path = folder / "sub" / "suite.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.replace("config: a", "config: ../a").replace('"*.yaml"', '"../*.yaml"'))
    return path


def cells(path: Path, small: bool = False, **given: str) -> list[Cell]:
    return expand(read_suite(path), path, given, resolve, small)


@pytest.mark.parametrize("name", INPUTS)
def test_a_record_of_another_input_file_is_not_taken_as_done(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The config names the file by the same relative path; only its content changed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input").write_text("old")

    def cell() -> Cell:
        text = f'name: x\ncells: [{{config: a.yaml, overrides: {{model.{name}: "input"}}}}]\n'
        return cells(written(tmp_path, text))[0]

    old = cell()
    made = Bench(tmp_path).record(0, config=old.config, inputs={"input": file_sha256(tmp_path / "input")})
    made = made.model_copy(update={"corpus": made.corpus.model_copy(update={"files": dict(old.files)})})
    assert not old.differences(made)
    (tmp_path / "input").write_text("a new content")
    assert cell().differences(made) == ["the content of input"]


def test_a_suite_expands_to_all_combinations(tmp_path: Path) -> None:
    found = cells(written(tmp_path), vectors="v.txt")
    assert [cell.key for cell in found] == [
        "a/bundled-ecpe-fold1-strict-seed1",
        "a/bundled-ecpe-fold1-strict-seed2",
        *(
            f"{config}-more/bundled-ecpe-fold1-{protocol}-seed3"
            for config in "ab"
            for protocol in ("strict", "paper")
        ),
    ]
    assert "--model.vectors=v.txt" in found[0].arguments
    assert "--model.beta=1" in found[0].arguments
    assert {"--model.beta=0.5", "--model.auxiliary=false", "--model.name=x-embedded"} <= set(
        found[2].arguments
    )
    assert "--model.beta=0.7" in found[4].arguments
    assert found[0].files.keys() == {"zh_train.txt", "en_train.txt", "zh_test.txt", "en_test.txt"}


def test_a_seed_has_all_its_folds_before_the_next(tmp_path: Path, real_data: Callable[[str], Path]) -> None:
    real_data("ntcir-ecpe-en")
    matrix = "{corpora: ntcir-ecpe-en, protocols: strict, folds: 1-3, seeds: 0-1}"
    found = cells(written(tmp_path, f"name: x\ncells: [{{config: a.yaml, matrix: {matrix}}}]\n"))
    assert [(cell.seed, cell.fold) for cell in found] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]


def test_the_small_form_comes_last_and_needs_no_variable_that_it_replaces(tmp_path: Path) -> None:
    found = cells(written(tmp_path), small=True)
    assert [cell.seed for cell in found] == [0] * 5
    assert "--model.vectors=null" in found[0].arguments


def test_a_file_is_named_the_same_however_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v.txt").write_text("1 1\na 0\n")
    path = written(tmp_path)
    monkeypatch.chdir(tmp_path)
    near, far = cells(path, vectors="v.txt")[0], cells(path, vectors=str(tmp_path / "v.txt"))[0]
    assert near.config_hash == far.config_hash
    assert near.arguments[2:] == far.arguments[2:]


def test_cells_are_chosen_by_parts_and_by_patterns(tmp_path: Path) -> None:
    found = cells(written(tmp_path), vectors="v")
    assert len(select(found, ["paper"])) == 2
    assert len(select(found, ["b-more/*", "seed1"])) == 3
    with pytest.raises(ZooError, match="Expected --only to match a cell"):
        select(found, ["fold3"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: try", "nam: try", r":1: nam: expected one of the fields name, results, about, variables"),
        ("name: try\n", "", r"expected a field 'name'"),
        (
            "protocols: strict, folds: all",
            "protocols: strikt",
            r":7: .*'strict' or 'paper', but got 'strikt'",
        ),
        ("folds: all", "folds: 3-1", r":7: defaults.matrix.folds: expected an integer, a range.*got '3-1'"),
        ("folds: all", "folds: 0", r"folds from 1"),
        ("folds: all", "folds: 2", r"folds from 1 to 1 of 'bundled-ecpe', but got 2"),
        ("bundled-ecpe", "xia", r":7: .*one of the corpora bundled-ecpe, .*but got 'xia'"),
        ("seeds: 3}", "seeds: [3, 3]}", r":14: cells.1.matrix.seeds: .*each of them once"),
        ("    variant: more\n", "    variants: more\n", r":11: .*one of the fields config, variant"),
        ("variant: more", "variant: a/b", r":11: cells.1.variant: expected letters"),
        ("model.beta: 0.5", "data.fold: 1", r"cells.1.overrides.*use matrix.folds"),
        ("model.beta: 0.5", "test: false", r"without a test leaves no record"),
        ("model.beta: 0.5", "model.beta: {a: 1}", r":12: cells.1.overrides.model.beta: expected a number"),
        (
            "config: a.yaml",
            "config: c.yaml",
            r"cells.0.config: expected a config, but there is none at .*c.yaml or",
        ),
        ("each: {b:", "each: {z:", r"cells.1.each: expected the stem of a config \(a, b\), but got 'z'"),
        (
            "    variant: more\n",
            "    variant: more\n    variant: less\n",
            r":12: expected each field once.*line 11",
        ),
        ("    variant: more\n", "", r"different names.*'a/bundled-ecpe-fold1-strict-seed1'"),
        ("name: try", "name: [", r"suite.yaml:\d+: expected YAML"),
        ('"{vectors}"', '"{vektors}"', r"model.vectors: .* for \{vektors\}.*Add it to 'variables'"),
        ("seeds: 3}", "seeds: 99999999999}", r":14: cells.1.matrix.seeds: .*seeds from 0 to 4294967295"),
        ("seeds: 3}", "seeds: -5}", r":14: cells.1.matrix.seeds: .*seeds from 0"),
    ],
)
def test_mistakes_are_told_with_their_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in GOOD
    text = (
        GOOD.replace(old, new, 1).replace("seeds: 3}", "seeds: 1}") if not new else GOOD.replace(old, new, 1)
    )
    path = written(tmp_path, text)
    with pytest.raises(ZooError, match=message):
        cells(path, vectors="v")


def test_variables_are_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(ZooError, match="--set vectors=VALUE"):
        cells(path)
    with pytest.raises(ZooError, match="one of: vectors, encoder, but got 'vector'"):
        cells(path, vector="v")
    path.write_text(path.read_text().split("small:")[0])
    with pytest.raises(ZooError, match="a field 'small'"):
        cells(path, small=True, vectors="v")


def test_the_documented_suite_is_one(tmp_path: Path) -> None:
    import ecpe_zoo.runner.suite as module

    assert module.__doc__ is not None
    lines = module.__doc__.split("::\n", 1)[1].split("\nAn axis", 1)[0].splitlines()
    path = tmp_path / "suite.yaml"
    path.write_text("\n".join(line.removeprefix("    ") for line in lines))
    suite = read_suite(path)
    assert set(suite.model_fields_set) == set(type(suite).model_fields)


def test_times_come_from_records_of_the_same_method_and_corpus(bench: Bench) -> None:
    estimates = Estimates([ROOT / "experiments" / "records" / "0.1.0" / "reccon"])
    cell, record = bench.cell(0), bench.record(0)
    assert record.machine.threads == 1
    assert estimates.seconds(cell, 1, accelerated=False) == pytest.approx(START + record.machine.seconds)
    assert estimates.seconds(cell, 2, accelerated=False) == pytest.approx(START + record.machine.seconds / 2)
    assert estimates.seconds(cell, 1, accelerated=True) is None
    longer = Cell(**vars(cell) | {"config": cell.config | {"trainer": {"max_epochs": 6}}})
    assert estimates.seconds(longer, 1, accelerated=False) == pytest.approx(
        START + 2 * record.machine.seconds
    )
    assert Estimates([Path("nowhere")]).seconds(cell, 1, accelerated=False) is None


def test_the_encoder_of_an_own_method_may_be_a_plain_text(bench: Bench) -> None:
    """Only methods with the group have `encoder.name`; both forms name the same network."""
    cell, record = bench.cell(0), bench.record(0)

    def config(encoder: object, **more: object) -> dict[str, Any]:
        model = cell.config["model"]
        return cell.config | {"model": model | {"init_args": {"encoder": encoder, "hidden": 8} | more}}

    estimates = Estimates([])
    estimates.add(record.model_copy(update={"config": config("bert")}))
    slow = record.machine.model_copy(update={"seconds": 50 * record.machine.seconds})
    estimates.add(record.model_copy(update={"config": config("roberta"), "machine": slow}))
    for name in ("bert", "some/folder/bert", {"name": "bert"}):
        alike = Cell(**vars(cell) | {"config": config(name)})
        assert estimates.seconds(alike, 1, accelerated=False) == pytest.approx(START + record.machine.seconds)


def test_times_are_those_of_the_same_precision_and_if_possible_machine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bf16 takes two hundred times as long where the processor lacks it, and a third where it has it."""
    cell, record = bench.cell(0), bench.record(0)
    monkeypatch.setattr("ecpe_zoo.results.origin.hardware", lambda: "8 x Here")
    estimates = Estimates([])
    for precision, hardware, seconds in (
        ("32-true", "2 x There", 10.0),
        ("32-true", "2 x Here", 20.0),
        ("bf16-mixed", "2 x There", 30.0),
    ):
        changed = {"precision": precision, "hardware": hardware, "seconds": seconds}
        estimates.add(record.model_copy(update={"machine": record.machine.model_copy(update=changed)}))

    def seconds_in(precision: object) -> float | None:
        trainer = cell.config["trainer"] | {"precision": precision}
        return estimates.seconds(
            Cell(**vars(cell) | {"config": cell.config | {"trainer": trainer}}), 1, accelerated=False
        )

    assert seconds_in(None) == seconds_in("32-true") == seconds_in(32) == START + 20
    assert seconds_in("bf16") == seconds_in("bf16-mixed") == START + 30
    assert seconds_in("16-mixed") is None


def test_another_encoder_says_nothing_of_the_time(bench: Bench) -> None:
    """MGCL on a transformer was to take four minutes, from runs of its recurrent encoder; it took hours."""
    cell, record = bench.cell(0), bench.record(0)

    def config(**encoder: object) -> dict[str, Any]:
        return cell.config | {
            "model": cell.config["model"] | {"init_args": {"encoder": encoder, "hidden": 8}}
        }

    estimates = Estimates([])
    estimates.add(record.model_copy(update={"config": config(name="recurrent")}))
    for other in (config(name="bert"), config(name="recurrent", layers=2)):
        assert estimates.seconds(Cell(**vars(cell) | {"config": other}), 1, accelerated=False) is None
    wider = config(name="recurrent")
    wider["model"]["init_args"]["hidden"] = 16
    rough = estimates.seconds(Cell(**vars(cell) | {"config": wider}), 1, accelerated=False)
    assert rough == pytest.approx(START + record.machine.seconds)

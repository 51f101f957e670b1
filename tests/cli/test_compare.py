"""`ecpe-zoo compare`: what passes, what does not, and how a change is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.results.golden import Tolerances, compare, records_of
from ecpe_zoo.results.record import RunRecord, read_record
from tests.conftest import ROOT

SAMPLE = read_record(
    ROOT / "experiments" / "records" / "0.1.0" / "reccon" / "mgcl" / "reccon-fold1-strict-seed0.json"
)
F1 = "ecpe.pair_f1.v1"


def write(
    folder: Path, variant: str = "", change: dict[str, float] | None = None, **fields: Any
) -> RunRecord:
    """A record of a cell, with some metrics moved."""
    metrics = {name: value + (change or {}).get(name, 0.0) for name, value in SAMPLE.metrics.items()}
    record = SAMPLE.model_copy(update={"metrics": metrics} | fields)
    group = f"mgcl-{variant}" if variant else "mgcl"
    path = folder / group / f"reccon-fold1-strict-seed{record.seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.model_dump_json(indent=1), encoding="utf-8")
    return record


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    base, new = tmp_path / "base", tmp_path / "new"
    write(base)
    (base / "tolerances.yaml").write_text(f"default: 0.1\nmetrics: {{{F1}: 0.02}}\n", encoding="utf-8")
    return base, new


def verdict(base: Path, new: Path, metric: str = F1) -> str:
    tolerances = Tolerances(default=0.1, metrics={F1: 0.02})
    rows = compare(records_of(base), records_of(new), tolerances).rows
    return next(row.verdict for row in rows if row.metric == metric)


@pytest.mark.parametrize(
    ("change", "expected", "status"),
    [(0.0, "same", 0), (0.02, "within", 0), (-0.02, "within", 0), (0.0201, "BEYOND", 1), (-0.3, "BEYOND", 1)],
)
def test_a_number_may_move_by_its_tolerance_in_both_directions(
    change: float, expected: str, status: int, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    base, new = folders
    write(new, change={F1: change})
    assert verdict(base, new) == expected
    assert main(["compare", str(base), str(new)]) == status
    printed = capsys.readouterr().out
    assert expected in printed
    assert f"{100 * SAMPLE.metrics[F1]:.2f}" in printed
    assert (SAMPLE.code.commit or "?")[:9] in printed
    assert ("--accept" in printed) == bool(status)


def test_a_missing_cell_or_metric_fails_and_a_new_one_passes(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    base, new = folders
    write(new)
    write(new, "other")
    assert main(["compare", str(base), str(new)]) == 0
    assert "new" in capsys.readouterr().out
    assert main(["compare", str(new), str(base)]) == 1
    assert "MISSING" in capsys.readouterr().out
    metrics = {name: value for name, value in SAMPLE.metrics.items() if name != F1}
    write(new, metrics=metrics)
    assert verdict(base, new) == "MISSING"
    assert verdict(new, base) == "new"


def test_a_run_that_collapsed_fails_whatever_the_tolerance(folders: tuple[Path, Path]) -> None:
    base, new = folders
    write(new, change={F1: -0.01}, status="collapsed")
    assert verdict(base, new) == "COLLAPSED"


def test_another_config_is_noted(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    base, new = folders
    write(new, config=SAMPLE.config | {"seed_everything": 7})
    assert main(["compare", str(base), str(new)]) == 0
    assert "config differs" in " ".join(capsys.readouterr().out.split())


def test_seeds_and_variants_are_different_cells(folders: tuple[Path, Path]) -> None:
    _, new = folders
    write(new)
    write(new, seed=1)
    write(new, "b")
    assert [str(key) for key in records_of(new)] == [
        "mgcl/reccon-fold1-strict-seed0",
        "mgcl/reccon-fold1-strict-seed1",
        "mgcl-b/reccon-fold1-strict-seed0",
    ]
    (new / "mgcl" / "again.json").write_text(SAMPLE.model_dump_json())
    with pytest.raises(Exception, match="Expected one record of mgcl/reccon-fold1-strict-seed0"):
        records_of(new)


def test_a_change_is_accepted(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    base, new = folders
    write(base, "gone")
    moved = write(new, change={F1: 0.3})
    write(new, "other")
    assert main(["compare", str(base), str(new), "--accept"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("accepted:") == 2
    assert "left as they are: mgcl-gone" in " ".join(printed.split())
    assert read_record(base / "mgcl" / "reccon-fold1-strict-seed0.json").metrics == moved.metrics
    assert main(["compare", str(base), str(new)]) == 1  # the one that is gone
    (base / "mgcl-gone" / "reccon-fold1-strict-seed0.json").unlink()
    assert main(["compare", str(base), str(new)]) == 0


def test_the_first_golden_records_are_accepted_into_an_empty_folder(tmp_path: Path) -> None:
    write(tmp_path / "new")
    assert main(["compare", str(tmp_path / "base"), str(tmp_path / "new"), "--accept"]) == 0
    assert main(["compare", str(tmp_path / "base"), str(tmp_path / "new")]) == 0


def test_files_are_compared_and_the_table_is_appended_as_markdown(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    base, new = folders
    write(new, change={F1: 0.05})
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    name = "mgcl/reccon-fold1-strict-seed0.json"
    strict = ["--tolerances", str(base / "tolerances.yaml"), "--markdown", str(summary)]
    assert main(["compare", str(base / name), str(new / name), *strict]) == 1
    text = summary.read_text()
    assert text.startswith("before\n### Comparison with the golden records: **FAILED**")
    assert f"| {F1} |" in text
    assert "| +5.00 | 2 | **BEYOND** |" in text
    assert "other metrics</summary>" in text
    assert "--accept" in text


def test_without_tolerances_numbers_have_to_be_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "base")
    write(tmp_path / "new", change={F1: 1e-5})
    assert main(["compare", str(tmp_path / "base"), str(tmp_path / "new")]) == 1
    assert "have to be equal" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("default: -1\n", "default"),
        ("defaults: 1\n", "fields default, metrics, methods"),
        ("a: [", "tolerances.yaml:1: expected YAML"),
    ],
)
def test_wrong_tolerances_are_told(
    text: str, message: str, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    base, new = folders
    write(new)
    (base / "tolerances.yaml").write_text(text)
    assert main(["compare", str(base), str(new)]) == 1
    assert message in capsys.readouterr().err


def test_a_folder_without_records_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 1
    assert "found none" in capsys.readouterr().err


def test_a_method_may_have_tolerances_of_its_own() -> None:
    tolerances = Tolerances(default=0.1, metrics={"a": 0.2}, methods={"mgcl": {"b*": 0.4, "default": 0.3}})
    assert [tolerances.of("e2eecpe", name) for name in "ab"] == [0.2, 0.1]
    assert [tolerances.of("mgcl", name) for name in ("a", "b", "bc")] == [0.3, 0.4, 0.4]


def test_golden_records_are_small_and_of_the_suite_that_ci_runs() -> None:
    golden = ROOT / "experiments" / "golden"
    for key, entry in records_of(golden).items():
        path, record = entry.path, entry.record
        assert path.stat().st_size < 100_000
        assert path.relative_to(golden).as_posix() == f"{key}.json"
        assert (ROOT / "configs" / f"{record.method}.yaml").is_file()
        assert record.status == "ok"
    assert not list(golden.rglob("*.npz"))


def test_a_methods_own_default_gives_way_to_named_metrics() -> None:
    own = Tolerances(default=0.1, metrics={"b": 0.2}, methods={"mgcl": {"default": 0.5, "a*": 0.3}})
    assert [own.of("mgcl", name) for name in ("ab", "b", "c")] == [0.3, 0.5, 0.5]
    assert [own.of("eqn", name) for name in ("ab", "b")] == [0.1, 0.2]
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Tolerances(metrics={"a": -0.1})

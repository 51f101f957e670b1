"""Hugging Face entries, read back by the Hub's own parser where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.hub import export
from ecpe_zoo.results.store import find_records
from tests.results.making import raw, write

DATASETS = {"xia-ding-2019": "somebody/ecpe"}


def test_an_entry_a_row_under_one_protocol(tmp_path: Path) -> None:
    for fold in (1, 2):
        write(tmp_path / "r" / f"{fold}.json", raw(0.5 + 0.02 * fold, fold=fold))
    write(tmp_path / "r" / "variant.json", raw(0.4, model={"gamma": 0.1}))
    write(tmp_path / "r" / "paper.json", raw(0.9, protocol="paper"))
    write(tmp_path / "r" / "failed.json", raw(None, method="other", status="failed"))
    written = export(
        find_records([tmp_path / "r"]), tmp_path / "out", DATASETS, source_url="https://example.org/r"
    )
    names = [path.relative_to(tmp_path / "out").as_posix() for path in written]
    assert (
        names[0] == "mgcl/.eval_results/xia-ding-2019.yaml"
        or names[1] == "mgcl/.eval_results/xia-ding-2019.yaml"
    )
    assert len(names) == 2
    (entry,) = yaml.safe_load(
        (tmp_path / "out" / "mgcl" / ".eval_results" / "xia-ding-2019.yaml").read_text()
    )
    assert entry["dataset"] == {"id": "somebody/ecpe", "task_id": "pair_f1"}
    assert entry["value"] == 0.53
    assert entry["source"] == {"url": "https://example.org/r", "name": "ecpe-zoo records"}
    assert "strict protocol: epoch chosen on the validation part" in entry["notes"]
    assert "sd 0.0141 over folds" in entry["notes"]
    hub = pytest.importorskip("huggingface_hub")
    if hasattr(hub, "parse_eval_result_entries"):
        (parsed,) = hub.parse_eval_result_entries([entry])
        assert (parsed.dataset_id, parsed.task_id, parsed.value) == ("somebody/ecpe", "pair_f1", 0.53)
        assert hub.eval_result_entries_to_yaml([parsed]) == [entry]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.json", raw(0.5))
    entries = find_records([tmp_path])
    with pytest.raises(ZooError, match="--dataset xia-ding-2019=OWNER/NAME"):
        export(entries, tmp_path / "out", {})
    with pytest.raises(ZooError, match="under the paper protocol"):
        export(entries, tmp_path / "out", DATASETS, protocol="paper")
    assert not (tmp_path / "out").exists()

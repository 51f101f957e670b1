"""What a push leaves for `wandb sync`, read back from the offline files."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.board import build_boards
from ecpe_zoo.leaderboard.push import WHOLE, push, run_id, save_workspace, table_id
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.store import find_records
from tests.results.making import raw, write, write_scored

BLOCK = 32768


def stored_messages(path: Path) -> Iterator[Any]:
    """Decode a `.wandb` file: a 7-byte head, then pieces (checksum, length, kind) in blocks of 32 KiB."""
    from wandb.proto import wandb_internal_pb2

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    place, whole = 7, b""
    while place + 7 <= len(data):
        left = BLOCK - place % BLOCK
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole message, or its last piece
            message = wandb_internal_pb2.Record()
            message.ParseFromString(whole)
            yield message
            whole = b""


def messages_of(folder: Path, id: str) -> dict[str, list[Any]]:
    """The messages of a run by kind."""
    (path,) = (folder / "wandb").glob(f"offline-run-*-{id}/run-{id}.wandb")
    found: dict[str, list[Any]] = {}
    for message in stored_messages(path):
        found.setdefault(message.WhichOneof("record_type"), []).append(message)
    return found


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("DATA", "CACHE", "CONFIG"):  # the user's own stay as they are
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "wandb-user"))
    rows = [{"epoch": 0, "step": 5, "validation": {"pair_f1": 0.25}, "watched_test": {"pair_f1": 0.125}}]
    write_scored(tmp_path / "records" / "a.json", history=rows)
    return find_records([tmp_path / "records"])


def test_offline_files_hold_the_record_and_pushing_twice_changes_nothing(
    entries: list[Entry], tmp_path: Path
) -> None:
    boards = build_boards(entries, resamples=200)
    (entry,) = entries
    result = push(entries, boards, "zoo-test", folder=tmp_path)
    id = run_id(entry)
    assert result.made == (id, table_id(entries, boards))
    assert (result.there, result.mode) == ((), "offline")

    found = messages_of(tmp_path, id)
    run = found["run"][0].run
    assert (run.run_id, run.project, run.job_type) == (id, "zoo-test", "record")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["record"]["id"] == entry.id
    assert config["model"]["class_path"] == "ecpe_zoo.methods.mgcl.MGCL"

    summary: dict[str, Any] = {}
    for message in found["summary"]:
        for item in message.summary.update:
            summary[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    assert summary["ecpe.pair_f1.v1"] == entry.score
    assert summary["status"] == "ok"

    history = [
        {i.key or "/".join(i.nested_key): i.value_json for i in m.history.item} for m in found["history"]
    ]
    assert any(row.get("validation/pair_f1") == "0.25" for row in history)
    assert any(row.get("watched_test/pair_f1") == "0.125" for row in history)

    artifacts = [m.request.log_artifact.artifact for m in found.get("request", [])] + [
        m.artifact for m in found.get("artifact", [])
    ]
    (artifact,) = (a for a in artifacts if a.type == "record")
    contents = {item.path: item for item in artifact.manifest.contents}
    assert set(contents) == {"record.json", "predictions.npz"}
    stored = Path(contents["record.json"].local_path)
    assert (
        hashlib.sha256(json.dumps(json.loads(stored.read_text()), sort_keys=True).encode()).hexdigest()
        == entry.id
    )

    table = messages_of(tmp_path, table_id(entries, boards))
    logged = [i for m in table["history"] for i in m.history.item if "leaderboard" in (i.key, *i.nested_key)]
    assert logged
    (table_file,) = (tmp_path / "wandb").glob(
        f"offline-run-*-{table_id(entries, boards)}/files/media/table/*.json"
    )
    content = json.loads(table_file.read_text())
    assert dict(zip(content["columns"], content["data"][0], strict=True))["label"] == "mgcl"

    before = sorted(path.name for path in (tmp_path / "wandb").iterdir())
    again = push(entries, boards, "zoo-test", folder=tmp_path)
    assert again.made == ()
    assert set(again.there) == {id, table_id(entries, boards)}
    assert sorted(path.name for path in (tmp_path / "wandb").iterdir()) == before


def test_what_a_broken_push_left_is_pushed_again(entries: list[Entry], tmp_path: Path) -> None:
    boards = build_boards(entries, resamples=200)
    push(entries, boards, "zoo-test", folder=tmp_path)
    (run,) = (tmp_path / "wandb").glob(f"offline-run-*-{run_id(entries[0])}")
    (run / WHOLE).unlink()
    assert push(entries, boards, "zoo-test", folder=tmp_path).made == (run_id(entries[0]),)
    assert len(list((tmp_path / "wandb").glob(f"offline-run-*-{run_id(entries[0])}"))) == 1


def test_another_record_is_another_run(entries: list[Entry], tmp_path: Path) -> None:
    write(tmp_path / "records" / "b.json", raw(0.1, corpus="bundled-ecpe", seed=2))
    more = find_records([tmp_path / "records"])
    boards = build_boards(entries, resamples=200)
    assert len({run_id(entry) for entry in more}) == 2
    assert table_id(more, boards) != table_id(entries, boards)
    assert table_id(more, boards) == table_id(more[::-1], boards)


def test_what_needs_the_server_says_so_offline(
    entries: list[Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ZooError, match="lives on the server only"):
        push(entries, [], "p", folder=tmp_path, workspace=True)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with pytest.raises(ZooError, match="offline or online"):
        push(entries, [], "p", folder=tmp_path)
    assert not (tmp_path / "wandb").exists()


def test_a_workspace_without_its_extra_says_so(entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    with pytest.raises(ZooError, match=r"ecpe-zoo\[workspaces\]"):
        save_workspace("p", "me", [])


def test_a_workspace_has_a_section_a_task(entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the package where it is there, else against a stand-in with its names."""
    try:
        import wandb_workspaces.workspaces as spaces
    except ImportError:
        spaces = _stand_in(monkeypatch)
    made: list[Any] = []

    def save(self: Any) -> Any:
        made.append(self)
        return self

    monkeypatch.setattr(spaces.Workspace, "save", save, raising=False)
    line = save_workspace("project", "me", build_boards(entries, resamples=200))
    assert line.startswith("workspace:")
    (workspace,) = made
    assert [section.name for section in workspace.sections] == ["ecpe", "leaderboard"]
    assert workspace.sections[0].panels[0].title == "test pair_f1"


class _Plain:
    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.__dict__.update(named)


def _stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    package, reports, panels, spaces = (
        ModuleType(name)
        for name in (
            "wandb_workspaces",
            "wandb_workspaces.reports",
            "wandb_workspaces.reports.v2",
            "wandb_workspaces.workspaces",
        )
    )
    for module, names in (
        (panels, ("BarPlot", "LinePlot", "WeavePanelSummaryTable")),
        (spaces, ("Section", "Workspace")),
    ):
        for name in names:
            setattr(module, name, type(name, (_Plain,), {}))
    package.reports, package.workspaces, reports.v2 = reports, spaces, panels  # type: ignore[attr-defined]
    for module in (package, reports, panels, spaces):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return spaces

"""Records as W&B runs: a view that can be deleted and made again.

Each record becomes a run whose id is the record's hash; one more run holds the table of all rows, its id the hash of
all records and of the table. Offline (the default) everything is written below `wandb/`, as `wandb sync` sends it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.csv_table import csv_frame, csv_text
from ecpe_zoo.leaderboard.rows import Board
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.selection import WATCHED
from ecpe_zoo.results.store import encoder_of
from ecpe_zoo.tasks import find_task

ID_LENGTH = 16

WHOLE = ".whole"
"""A file in the folder of an offline run that is complete; W&B does not upload it."""


class Pushed(NamedTuple):
    """The outcome of a push.

    Args:
        made: Ids of new runs.
        there: Ids of runs that existed already.
        mode: "offline" or "online".
        notes: Notes for the user.
    """

    made: tuple[str, ...]
    there: tuple[str, ...]
    mode: str
    notes: tuple[str, ...]


def run_id(entry: Entry) -> str:
    """The id of a record's run."""
    return f"r{entry.id[:ID_LENGTH]}"


def table_id(entries: Sequence[Entry], boards: Sequence[Board]) -> str:
    """The id of the run with the table, another one for other records or another table of them."""
    text = "".join(sorted(entry.id for entry in entries)) + csv_text(boards)
    return f"t{hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]}"


def push(
    entries: Sequence[Entry],
    boards: Sequence[Board],
    project: str,
    entity: str | None = None,
    folder: Path = Path(),
    workspace: bool = False,
) -> Pushed:
    """Make the runs that do not exist yet.

    Args:
        entries: Records.
        boards: Boards made from them, for the table.
        project: Project at W&B.
        entity: User or team; the account's own by default.
        folder: Folder in which `wandb/` is written.
        workspace: Also save a workspace with the headline metrics, online only.

    Raises:
        ZooError: W&B is switched off, a workspace is requested offline, or its extra is not installed.
    """
    mode = os.environ.get("WANDB_MODE", "offline")
    if mode not in ("offline", "online"):
        raise ZooError(
            f"Expected WANDB_MODE to be offline or online for a push, but got {mode!r}. Unset it, or set one."
        )
    if workspace and mode != "online":
        raise ZooError(
            "Expected WANDB_MODE=online for --workspace: a workspace lives on the server only. Push without it, "
            "`wandb sync`, then push again with WANDB_MODE=online --workspace."
        )
    folder.mkdir(parents=True, exist_ok=True)
    target = _Target(mode, project, entity, folder)
    made: list[str] = []
    there: list[str] = []
    wanted: list[tuple[str, Entry | None]] = [(run_id(entry), entry) for entry in entries]
    try:
        for id, entry in [*wanted, (table_id(entries, boards), None)]:
            if target.has(id):
                there.append(id)
                continue
            if entry is not None:
                _push_record(entry, id, target)
            else:
                _push_table(boards, id, target)
            made.append(id)
    finally:
        if made:
            import wandb

            wandb.teardown()  # a run's file is complete only when W&B's own process has ended
    for id in made:
        for path in target.folders(id):
            (path / WHOLE).touch()
    notes = [save_workspace(project, entity, boards)] if workspace else []
    return Pushed(tuple(made), tuple(there), mode, tuple(notes))


class _Target(NamedTuple):
    """Where runs go; see `push`."""

    mode: str
    project: str
    entity: str | None
    folder: Path

    def folders(self, id: str) -> list[Path]:
        """Folders of an offline run."""
        return [path for path in (self.folder / "wandb").glob(f"offline-run-*-{id}") if path.is_dir()]

    def has(self, id: str) -> bool:
        """Whether a run is complete; an incomplete one of an interrupted push is removed."""
        if self.mode == "offline":
            found = self.folders(id)
            broken = [path for path in found if not (path / WHOLE).is_file()]
            for path in broken:
                shutil.rmtree(path)
            return len(found) > len(broken)
        import wandb

        try:
            run = wandb.Api().run("/".join(part for part in (self.entity, self.project, id) if part))
        except (wandb.errors.CommError, ValueError):
            return False
        return bool(run.state == "finished")

    def run(self, id: str, **fields: Any) -> Any:
        """A new run without details of this machine, as a context that finishes it."""
        import wandb

        settings = wandb.Settings(
            console="off",
            silent=True,
            x_disable_stats=True,
            x_disable_meta=True,
            disable_git=True,
            disable_code=True,
            save_code=False,
        )
        place: dict[str, Any] = {"mode": self.mode, "project": self.project, "entity": self.entity}
        return wandb.init(id=id, dir=str(self.folder), settings=settings, **place, **fields)


def _push_record(entry: Entry, id: str, target: _Target) -> None:
    import wandb

    record = entry.record
    headline = find_task(entry.task).headline
    parts = "method config_hash seed status corpus protocol code machine inputs"
    about = record.model_dump(include=set(parts.split()))
    with target.run(
        id,
        name=f"{record.method} {record.corpus.id} fold {entry.fold} {record.protocol.name} seed {record.seed}",
        group=f"{record.method}-{record.corpus.id}-{record.protocol.name}-{entry.variant[:8]}",
        job_type="record",
        tags=[entry.task or "unknown", record.corpus.id, record.protocol.name, record.status],
        config={**record.config, "record": {"id": entry.id, "encoder": encoder_of(entry), **about}},
    ) as run:
        for row in entry.shown_history:
            values = {"epoch": row.get("epoch"), "optimiser_step": row.get("step")}
            for part in ("validation", WATCHED):
                values |= {f"{part}/{name}": value for name, value in (row.get(part) or {}).items()}
            run.log(values)
        run.summary.update(record.metrics)
        run.summary.update({"headline": entry.score, "headline_metric": headline, "status": record.status})
        metadata = {"sha256": entry.id, "method": record.method}
        artifact = wandb.Artifact(f"record-{entry.id[:ID_LENGTH]}", type="record", metadata=metadata)
        artifact.add_file(str(entry.path), name="record.json")
        try:
            artifact.add_file(str(entry.predictions), name="predictions.npz")
        except ZooError:
            artifact.description = "The record had no file of predictions."
        run.log_artifact(artifact)


def _push_table(boards: Sequence[Board], id: str, target: _Target) -> None:
    import wandb

    with target.run(id, name="leaderboard", job_type="leaderboard") as run:
        texts = csv_frame(boards).fillna("").astype(str)
        run.log({"leaderboard": wandb.Table(columns=list(texts), data=texts.values.tolist())})


def save_workspace(project: str, entity: str | None, boards: Sequence[Board]) -> str:
    """Save a workspace that shows the headline of every run and the learning curves, with a section for each task.

    Returns:
        A line that says where it is.

    Raises:
        ZooError: the extra is not installed, or nobody is logged in.
    """
    try:
        import wandb_workspaces.reports.v2 as panels
        import wandb_workspaces.workspaces as spaces
    except ImportError as error:
        raise ZooError(
            "Expected the package wandb-workspaces for --workspace, but it is not installed. Run: pip install "
            "'ecpe-zoo[workspaces]'"
        ) from error
    import wandb

    owner = entity or wandb.Api().default_entity
    if not owner:
        raise ZooError(
            "Expected an account of W&B for --workspace, but nobody is logged in. Run: wandb login"
        )
    sections = [
        spaces.Section(
            name=task.id,
            is_open=True,
            panels=[
                panels.BarPlot(title=f"test {task.headline}", metrics=[f"{task}.{task.headline}.v1"]),
                panels.LinePlot(title="validation", x="optimiser_step", y=[f"validation/{task.headline}"]),
                panels.LinePlot(title="watched test", x="optimiser_step", y=[f"{WATCHED}/{task.headline}"]),
            ],
        )
        for task in map(find_task, sorted({board.task for board in boards if board.rows}))
    ]
    sections.append(
        spaces.Section(name="leaderboard", panels=[panels.WeavePanelSummaryTable(table_name="leaderboard")])
    )
    saved = spaces.Workspace(
        entity=owner, project=project, name="ecpe-zoo leaderboard", sections=sections
    ).save()
    return f"workspace: {getattr(saved, 'url', '') or f'{owner}/{project}'}"

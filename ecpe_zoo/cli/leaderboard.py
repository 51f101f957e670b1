"""Tables, a web page, W&B runs and Hugging Face entries, made from records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ecpe_zoo.cli.functions import Repeated
from ecpe_zoo.cli.screen import say
from ecpe_zoo.errors import ZooError, counted
from ecpe_zoo.escaping import shell_quoted

if TYPE_CHECKING:
    from ecpe_zoo.leaderboard.rows import Board
    from ecpe_zoo.results.entry import Entry


def build(
    records: Sequence[Path],
    *,
    output: Path,
    root: Path | None = None,
    against: str | None = None,
    readme: Path | None = None,
    picture: str | None = None,
) -> int:
    """Write Markdown, LaTeX, CSV and a web page.

    The page (index.html) opens without a server.

    Args:
        records: Records, or folders of them.
        output: Folder for leaderboard.md, .tex, .csv and the page.
        root: Folder with a folder for each corpus, for records without kept counts (`results count`); ECPE_ZOO_DATA if
            not given, else the user's cache.
        against: Label of the row that all others are compared with; if not given, methods are compared with the best of
            their encoder and with the rule, ablations with their method.
        readme: File in which the Markdown replaces what is between <!-- leaderboard:start --> and
            <!-- leaderboard:end -->.
        picture: Corpus whose board is also drawn as one SVG file, `board.svg` in the output folder.
    """
    from ecpe_zoo.leaderboard.figures import write_board_picture
    from ecpe_zoo.leaderboard.page import build_page
    from ecpe_zoo.leaderboard.tables import between_marks, markdown, replace_between_marks
    from ecpe_zoo.results.store import find_failures

    if output.exists() and not output.is_dir():
        raise ZooError(f"{output}: expected a folder for --output, but it is a file.")
    if readme is not None:
        between_marks(readme)  # missing marks are reported before minutes of work
    entries, boards = _boards(records, root, against)
    failures = find_failures(records)
    say(*(f"{failure.cell}: no record: {failure.reason}" for failure in failures))
    failed = [failure.cell for failure in failures]
    written = build_page(boards, len(entries), output, root, failed)
    say(f"{counted(len(entries), 'record')}, {len(written)} files; open {output / 'index.html'}")
    if picture is not None:
        write_board_picture(boards, picture, output / "board.svg")
    if readme is not None:
        changed = replace_between_marks(readme, markdown(boards, failed))
        say(f"{readme}: {'table renewed' if changed else 'table as it was'}")
    return 0


def push(
    records: Sequence[Path],
    *,
    root: Path | None = None,
    against: str | None = None,
    project: str = "ecpe-zoo",
    entity: str | None = None,
    dir: Path = Path(),
    workspace: bool = False,
) -> int:
    """Make W&B runs of records, and a run with the table.

    A run has the record's config, summary and history, and the record with its predictions as an artifact. Without
    WANDB_MODE=online runs are written to a folder, which `wandb sync` sends later. A run's id is the hash of the
    record: existing runs are left alone.

    Args:
        records: Records, or folders of them.
        root: Folder with a folder for each corpus, for records without kept counts (`results count`); ECPE_ZOO_DATA if
            not given, else the user's cache.
        against: Label of the row that all others are compared with; if not given, methods are compared with the best of
            their encoder and with the rule, ablations with their method.
        project: W&B project.
        entity: W&B user or team; yours if not given.
        dir: Folder that holds the folder wandb/.
        workspace: Also save a workspace; needs WANDB_MODE=online and the extra ecpe-zoo[workspaces].
    """
    from ecpe_zoo.leaderboard import push as wandb_runs

    entries, boards = _boards(records, root, against)
    result = wandb_runs.push(entries, boards, project, entity, dir, workspace)
    say(f"{len(result.made)} runs made, {len(result.there)} were there already ({result.mode})")
    if result.mode == "offline":
        say(f"To send them: wandb sync --include-offline {shell_quoted(str(dir / 'wandb'))}/offline-run-*")
    say(*result.notes)
    return 0


def export(
    records: Sequence[Path],
    *,
    format: Literal["hf"],
    output: Path,
    dataset: Repeated[str] = (),
    source_url: str | None = None,
    protocol: Literal["strict", "paper"] = "strict",
) -> int:
    """Write entries for the leaderboards of Hugging Face.

    Makes ROW/.eval_results/CORPUS.yaml for each row, to be put into the model's repository.

    Args:
        records: Records, or folders of them.
        format: Form of the entries.
        output: Folder for the entries.
        dataset: The Hub's dataset with a corpus's benchmark, as CORPUS=OWNER/NAME; needed for each exported corpus.
        source_url: URL of the records.
        protocol: Protocol of the exported records.
    """
    from ecpe_zoo.leaderboard import hub
    from ecpe_zoo.results.store import find_records

    datasets = {}
    for pair in dataset:
        corpus, sign, name = pair.partition("=")
        if not sign or name.count("/") != 1:
            raise ZooError(f"Expected --dataset CORPUS=OWNER/NAME, but got {pair!r}.")
        datasets[corpus] = name
    say(*map(str, hub.export(find_records(records), output, datasets, protocol, source_url)))
    return 0


def _boards(
    records: Sequence[Path], root: Path | None, against: str | None
) -> tuple[list[Entry], list[Board]]:
    """The boards of records; prints what they leave out."""
    from ecpe_zoo.leaderboard.board import build_boards
    from ecpe_zoo.results.store import find_records

    entries = find_records(records)
    boards = build_boards(entries, root, against)
    for board in boards:
        if board.missing:
            say(f"{board.title}: no statistics over documents: {board.missing}")
        for row in board.rows:
            for protocol, cell in row.cells.items():
                say(*(f"{row.label} ({board.corpus}, {protocol}): {note}" for note in cell.notes))
    return entries, boards


COMMANDS = {"build": build, "push": push, "export": export}

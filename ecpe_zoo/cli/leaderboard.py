"""`ecpe-zoo leaderboard build | push | export`: tables, web page, W&B and Hugging Face as views of records."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ecpe_zoo.corpora.registry import ROOT_VARIABLE
from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.board import Board, build_boards
from ecpe_zoo.results.store import Entry, find_failures, find_records


def main(argv: Sequence[str]) -> int:
    """Run one of the commands.

    Args:
        argv: what stands behind `ecpe-zoo leaderboard`.

    Returns:
        The exit status.

    Raises:
        ZooError: something the user can mend.
    """
    options = _parser().parse_args(list(argv))
    status: int = options.command(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ecpe-zoo leaderboard",
        description="Tables and pages made from records; the records are the truth.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    records = argparse.ArgumentParser(add_help=False)
    records.add_argument(
        "records", nargs="+", type=Path, metavar="RECORDS", help="records, or folders of them"
    )
    corpora = argparse.ArgumentParser(add_help=False)
    corpora.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help=f"where each corpus has a folder, for tests over documents (default: {ROOT_VARIABLE}, else the cache)",
    )
    corpora.add_argument(
        "--against",
        metavar="LABEL",
        help="the row that others are compared with (default: the first of each protocol)",
    )

    built = commands.add_parser(
        "build",
        parents=[records, corpora],
        help="Markdown, LaTeX, CSV and a web page",
        description="Write leaderboard.md, .tex, .csv and a web page (index.html, which opens without a server) into a "
        "folder.",
    )
    built.add_argument("--output", type=Path, required=True, metavar="DIR")
    built.add_argument(
        "--readme",
        type=Path,
        metavar="FILE",
        help="also put the Markdown between <!-- leaderboard:start --> and <!-- leaderboard:end --> of this file",
    )
    built.set_defaults(command=_build)

    pushed = commands.add_parser(
        "push",
        parents=[records, corpora],
        help="runs, record artifacts and a table to W&B",
        description="Make a W&B run of each record (config, summary, history, the record and its predictions as an "
        "artifact) and one with the table. Without WANDB_MODE=online they are written to a folder, which `wandb sync` "
        "sends later. A run's id is the record's hash: what is there already is left alone.",
    )
    pushed.add_argument("--project", default="ecpe-zoo", help="default: %(default)s")
    pushed.add_argument("--entity", help="user or team (default: yours)")
    pushed.add_argument(
        "--dir", type=Path, default=Path(), metavar="DIR", help="holds the folder wandb/ (default: .)"
    )
    pushed.add_argument(
        "--workspace",
        action="store_true",
        help="also save a workspace: online, with the extra ecpe-zoo[workspaces]",
    )
    pushed.set_defaults(command=_push)

    exported = commands.add_parser(
        "export",
        parents=[records],
        help="entries for other leaderboards",
        description="Write Hugging Face .eval_results entries: for each row ROW/.eval_results/CORPUS.yaml, to be put "
        "into the model's repository.",
    )
    exported.add_argument("--format", required=True, choices=("hf",))
    exported.add_argument("--output", type=Path, required=True, metavar="DIR")
    exported.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="CORPUS=OWNER/NAME",
        help="the Hub's dataset that hosts a corpus' benchmark; needed for each corpus that is exported",
    )
    exported.add_argument("--source-url", metavar="URL", help="where the records can be read")
    exported.add_argument(
        "--protocol", default="strict", choices=("strict", "paper"), help="default: %(default)s"
    )
    exported.set_defaults(command=_export)
    return parser


def _boards(options: argparse.Namespace, console: Console) -> tuple[list[Entry], list[Board]]:
    entries = find_records(options.records)
    boards = build_boards(entries, options.root, options.against)
    for board in boards:
        if board.missing:
            console.print(
                f"{board.title}: no statistics over documents: {board.missing}", soft_wrap=True, markup=False
            )
        for row in board.rows:
            for protocol, cell in row.cells.items():
                for note in cell.notes:
                    console.print(
                        f"{row.label} ({board.corpus}, {protocol}): {note}", soft_wrap=True, markup=False
                    )
    return entries, boards


def _build(options: argparse.Namespace) -> int:
    from ecpe_zoo.leaderboard.page import build_page
    from ecpe_zoo.leaderboard.tables import between_marks, markdown, replace_between_marks

    if options.output.exists() and not options.output.is_dir():
        raise ZooError(f"{options.output}: expected a folder for --output, but it is a file.")
    if options.readme is not None:
        between_marks(options.readme)  # what is wrong with it is said before minutes of work
    console = Console()
    entries, boards = _boards(options, console)
    failures = find_failures(options.records)
    for failure in failures:
        console.print(f"{failure.cell}: no record: {failure.reason}", soft_wrap=True, markup=False)
    written = build_page(
        boards, len(entries), options.output, options.root, [failure.cell for failure in failures]
    )
    console.print(
        f"{len(entries)} records, {len(written)} files; open {options.output / 'index.html'}", soft_wrap=True
    )
    if options.readme is not None:
        changed = replace_between_marks(
            options.readme, markdown(boards, [failure.cell for failure in failures])
        )
        console.print(
            f"{options.readme}: {'table renewed' if changed else 'table as it was'}", soft_wrap=True
        )
    return 0


def _push(options: argparse.Namespace) -> int:
    from ecpe_zoo.leaderboard.push import push

    console = Console()
    entries, boards = _boards(options, console)
    result = push(entries, boards, options.project, options.entity, options.dir, options.workspace)
    console.print(
        f"{len(result.made)} runs made, {len(result.there)} were there already ({result.mode})",
        soft_wrap=True,
    )
    if result.mode == "offline":
        console.print(
            f"To send them: wandb sync --include-offline {options.dir / 'wandb'}/offline-run-*",
            soft_wrap=True,
        )
    for line in result.notes:
        console.print(line, soft_wrap=True, markup=False)
    return 0


def _export(options: argparse.Namespace) -> int:
    from ecpe_zoo.leaderboard.hub import export

    datasets = {}
    for pair in options.dataset:
        corpus, sign, name = pair.partition("=")
        if not sign or name.count("/") != 1:
            raise ZooError(f"Expected --dataset CORPUS=OWNER/NAME, but got {pair!r}.")
        datasets[corpus] = name
    entries = find_records(options.records)
    written = export(entries, options.output, datasets, options.protocol, options.source_url)
    Console().print("\n".join(map(str, written)), soft_wrap=True, markup=False)
    return 0

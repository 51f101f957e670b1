"""`ecpe-zoo data list | fetch | check`: the corpora that the zoo knows, and the files that are there."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from ecpe_zoo.corpora.audit import Audit, audit, file_states
from ecpe_zoo.corpora.fetch import MIRROR_VARIABLE, PUBLIC, fetch_file
from ecpe_zoo.corpora.overlap import together
from ecpe_zoo.corpora.registry import CORPORA, ROOT_VARIABLE, Corpus, data_root, find_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import replaced_when_complete

_STYLE: dict[str, Any] = {"box": box.SIMPLE, "pad_edge": False, "padding": (0, 1, 0, 0)}
_MOST_LISTED = 40
_MOST_SPEAKERS = 12
_MOST_TOGETHER = 15


def main(argv: Sequence[str]) -> int:
    """Run one of the commands.

    Args:
        argv: what stands behind `ecpe-zoo data`.

    Returns:
        The exit status: 1 if `check` finds files missing or altered, or files that `fit` refuses.

    Raises:
        ZooError: something the user can mend.
    """
    options = _parser().parse_args(list(argv))
    status: int = options.command(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ecpe-zoo data", description="Corpora: see, fetch and check them.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help=f"where each corpus has a folder (default: {ROOT_VARIABLE}, else the user's cache)",
    )

    shown = commands.add_parser("list", parents=[common], help="what there is, and what lies in your folder")
    shown.add_argument("--json", action="store_true", help="print JSON in place of a table")
    shown.set_defaults(command=_list)

    fetched = commands.add_parser(
        "fetch",
        parents=[common],
        help="download published files, pinned and checked",
        description="Download the files of corpora at a pinned commit; each is checked against its hash. "
        "A broken download goes on where it stopped.",
    )
    fetched.add_argument("corpora", nargs="+", metavar="CORPUS", help=", ".join(CORPORA))
    fetched.add_argument(
        "--mirror",
        metavar="URL",
        help=f"take BASE/repository/commit/path from here (default: {MIRROR_VARIABLE}, else {PUBLIC})",
    )
    fetched.add_argument("--optional", action="store_true", help="also what few need, as large word vectors")
    fetched.add_argument("--force", action="store_true", help="fetch again, over files that are there")
    fetched.set_defaults(command=_fetch)

    checked = commands.add_parser(
        "check",
        parents=[common],
        help="count, and look for leaks and altered files",
        description="Count what a corpus holds and look for text shared by its parts, documents that models "
        "cut, and files that are missing or altered (exit status 1).",
    )
    checked.add_argument("corpora", nargs="+", metavar="CORPUS", help=", ".join(CORPORA))
    checked.add_argument(
        "--tokens", type=int, default=512, metavar="N", help="the length a model takes (default: %(default)s)"
    )
    checked.add_argument(
        "--json", type=Path, metavar="FILE", help="write everything that was found to this file"
    )
    checked.set_defaults(command=_check)
    return parser


def _list(options: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    for corpus in CORPORA.values():
        folder = corpus.folder(options.root)
        needed = corpus.needed()
        here = [name for name in needed if (folder / name).is_file()]
        pinned = sum(file.bytes or 0 for file in corpus.files if not file.optional)
        rows.append(
            {
                "corpus": corpus.id,
                "description": corpus.description,
                "languages": list(corpus.languages),
                "tasks": list(corpus.tasks),
                "labels": list(corpus.labels),
                "folds": corpus.folds,
                "licence": corpus.licence,
                "bytes": pinned or sum((folder / name).stat().st_size for name in here),
                "source": "package" if corpus.bundled else "own files" if corpus.own else "published",
                "folder": str(folder),
                "files": len(needed),
                "missing": sorted(set(needed) - set(here)),
                "optional": [file.name for file in corpus.files if file.optional],
            }
        )
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    table = Table(title=f"Corpora in {data_root(options.root)}", **_STYLE)
    for column in ("corpus", "files", "MB", "text", "tasks", "labels", "folds"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        if row["source"] == "package":
            state = "bundled"
        elif row["missing"]:
            state = f"{row['files'] - len(row['missing'])} of {row['files']}"
            state += ", yours" if row["source"] == "own files" else ""
        else:
            state = "there"
        table.add_row(
            row["corpus"],
            state,
            f"{row['bytes'] / 1e6:.1f}",
            ", ".join(row["languages"]),
            ", ".join(row["tasks"]),
            str(len(row["labels"])),
            str(row["folds"]),
        )
    console = Console()
    console.print(table)
    for row in rows:
        console.print(f"{row['corpus']}: {row['description']} (licence: {row['licence']})", soft_wrap=True)
    wanting = [
        corpus.id
        for row, corpus in zip(rows, CORPORA.values(), strict=True)
        if row["missing"] and not corpus.own and not corpus.stored
    ]
    if wanting:
        console.print(f"To get what is missing: ecpe-zoo data fetch {' '.join(wanting)}", soft_wrap=True)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    corpora = [
        find_corpus(name) for name in options.corpora
    ]  # a wrong name is told before anything is fetched
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    for corpus in corpora:
        if corpus.bundled:
            console.print(f"{corpus.id} comes with the package: nothing to fetch")
            continue
        if corpus.own:
            raise ZooError(_bring(corpus, options.root))
        folder = corpus.folder(options.root)
        files = [file for file in corpus.files if options.optional or not file.optional]
        fetched = 0
        with Progress(*columns, console=console) as bars:
            for file in files:
                task = bars.add_task(file.name, total=file.bytes)
                fetched += fetch_file(
                    corpus,
                    file,
                    folder,
                    mirror=options.mirror,
                    force=options.force,
                    progress=partial(_advance, bars, task),
                )
                bars.remove_task(task)
        console.print(
            f"{corpus.id}: {fetched} files fetched, {len(files) - fetched} were there, all of them checked; "
            f"{folder}",
            soft_wrap=True,
        )
    return 0


def _bring(corpus: Corpus, root: Path | None) -> str:
    """How to get a corpus that cannot be fetched."""
    if corpus.home is not None:
        files = ", ".join(name for name in corpus.needed() if name not in corpus.beside)
        return f"{corpus.id} is described by a file of yours: nothing to fetch. Put {files} beside it."
    listed = ", ".join(corpus.needed())
    return (
        f"{corpus.id} {corpus.licence}: nothing can be fetched. If you have it, put {listed} into "
        f"{corpus.folder(root)}, or name with --root or {ROOT_VARIABLE} a folder that holds them in {corpus.id}/."
    )


def _advance(bars: Progress, task: TaskID, done: int, total: int | None) -> None:
    bars.update(task, completed=done, total=total)


def _check(options: argparse.Namespace) -> int:
    if options.tokens < 1:
        raise ZooError(f"Expected --tokens to be at least 1, but got {options.tokens}.")
    corpora = [find_corpus(name) for name in options.corpora]
    console = Console()
    found: dict[str, Any] = {}
    broken = False
    for corpus in corpora:
        states = file_states(corpus, options.root)
        wrong = [state for state in states if state.problem and not state.optional]
        broken = broken or bool(wrong)
        found[corpus.id] = {"files": [state.as_dict() for state in states]}
        for state in states:
            if state.problem:
                note = " (optional)" if state.optional else ""
                console.print(f"{state.path}: {state.problem}{note}", soft_wrap=True, markup=False)
        if any(state.problem == "missing" for state in wrong):
            way = f"To get what is missing: ecpe-zoo data fetch {corpus.id}"
            console.print(_bring(corpus, options.root) if corpus.own else way, soft_wrap=True, markup=False)
            continue
        result = audit(corpus, options.root, options.tokens)
        found[corpus.id] |= result.as_dict()
        _print(console, result)
        for refused in result.refused:
            console.print(f"fit refuses this corpus: {refused}", soft_wrap=True, markup=False)
        broken = broken or bool(result.refused)
    if options.json is not None:
        with replaced_when_complete(options.json) as part:
            part.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 1 if broken else 0


def _print(console: Console, result: Audit) -> None:
    _print_parts(console, result)
    if result.emotions:
        _print_emotions(console, result)
    if result.pairs:
        offsets = Table(title="Cause minus emotion", **_STYLE)
        offsets.add_column("offset", justify="right")
        offsets.add_column("pairs", justify="right")
        offsets.add_column("share", justify="right")
        total = sum(result.offsets.values()) or 1
        for offset, count in result.offsets.items():
            offsets.add_row(f"{offset:+d}" if offset else "0", f"{count:,}", _share(count, total))
        console.print(offsets)
    _print_overlap(console, result)
    findings = Table(title="Findings", **_STYLE)
    findings.add_column("finding", overflow="fold")
    findings.add_column("n", justify="right")
    findings.add_column("documents", overflow="fold")
    for finding in result.findings:
        findings.add_row(finding.what, f"{finding.count:,}", _shortened(finding.listed))
    console.print(findings)


def _print_parts(console: Console, result: Audit) -> None:
    parts = Table(title=f"{result.corpus}: what the files hold", **_STYLE)
    parts.add_column("part", no_wrap=True)
    columns = ["documents", "clauses" if result.pairs else "texts"]
    if result.pairs:
        columns += ["candidate\npairs", "annotated\npairs", "distinct\npairs"]
    for column in (*columns, f"> {result.tokens}\ntokens"):
        parts.add_column(column, justify="right", no_wrap=True)
    for part in result.parts:
        pairs = (part.candidates, part.annotated, part.distinct) if result.pairs else ()
        numbers = (part.documents, part.segments, *pairs, part.too_long)
        parts.add_row(part.name, *(f"{number:,}" for number in numbers))
    console.print(parts)


def _print_emotions(console: Console, result: Audit) -> None:
    """Tables of labels, of lengths and speakers, and of labels that stand together."""
    whole = result.emotions[0]
    labels = Table(title="Labels: texts, and their share of those that are judged", **_STYLE)
    labels.add_column("label", no_wrap=True)
    for part in result.emotions:
        labels.add_column(part.part, justify="right", no_wrap=True)
    for label in whole.labels:
        cells = [(part.labels[label], part.judged or 1) for part in result.emotions]
        labels.add_row(label, *(f"{count:,} {_share(count, judged):>7}" for count, judged in cells))
    rows = [("judged", [part.judged for part in result.emotions])]
    if whole.unlabelled:
        rows.append(("without a label", [part.unlabelled for part in result.emotions]))
    if whole.context:
        rows.append(("context only", [part.context for part in result.emotions]))
    for name, counts in rows:
        labels.add_row(name, *(f"{count:,}" + 8 * " " for count in counts))
    console.print(labels)

    spreads = Table(title="Lengths: median / 95 % / greatest", **_STYLE)
    for column in ("part", "texts in a document", "words in a text", "speakers"):
        spreads.add_column(column, justify="left" if column == "part" else "right", no_wrap=True)
    for part in result.emotions:
        lengths = (f"{s.median} / {s.most} / {s.greatest}" for s in (part.segments, part.words))
        spreads.add_row(part.part, *lengths, f"{len(part.speakers):,}")
    console.print(spreads)
    if whole.speakers:
        named = [f"{name} {count:,}" for name, count in whole.speakers.items()]
        console.print(f"Speakers: {_shortened(named, _MOST_SPEAKERS)}", markup=False)
    if whole.together:
        together = Table(title="Labels that stand together", **_STYLE)
        together.add_column("labels")
        together.add_column("texts", justify="right")
        for labelled, count in list(whole.together.items())[:_MOST_TOGETHER]:
            together.add_row(labelled, f"{count:,}")
        if len(whole.together) > _MOST_TOGETHER:
            together.add_row(f"{len(whole.together) - _MOST_TOGETHER} more: see --json", "")
        console.print(together)


def _print_overlap(console: Console, result: Audit) -> None:
    overlap = Table(title="Test texts that strict trains on too", **_STYLE)
    overlap.add_column("words")
    for column in ("test texts", "in training", "share", "in the same\nletter case"):
        overlap.add_column(column, justify="right", no_wrap=True)
    for row in (*result.overlap, together("all", result.overlap)):
        overlap.add_row(
            row.words,
            f"{row.texts:,}",
            f"{row.held:,}",
            _share(row.held, row.texts or 1),
            f"{row.same_case:,}",
        )
    console.print(overlap)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %"


def _shortened(listed: Sequence[str], most: int = _MOST_LISTED) -> str:
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f", and {rest} more: see --json" if rest > 0 else "")

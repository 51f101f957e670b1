"""See, fetch and check corpora."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ecpe_zoo.cli.functions import Command
from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import replaced_when_complete

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ecpe_zoo.corpora.registry import Corpus


def list_corpora(*, root: Path | None = None, json: bool = False) -> int:
    """List the corpora, and which of their files are in your folder.

    Args:
        root: Folder with a folder for each corpus; ECPE_ZOO_DATA if not given, else the user's cache.
        json: Print JSON instead of a table.
    """
    from ecpe_zoo.corpora.registry import CORPORA, data_root

    rows = [_described(corpus, root) for corpus in CORPORA.values()]
    if json:
        print(_dumped(rows))
        return 0
    cells = []
    for row in rows:
        joined = (", ".join(row["languages"]), ", ".join(row["tasks"]), len(row["labels"]))
        cells.append((row["corpus"], _state(row), f"{row['bytes'] / 1e6:.1f}", *joined, row["folds"]))
    columns = ("corpus", "files", "MB", "text", "tasks", "labels", "folds")
    show_table(f"Corpora in {data_root(root)}", columns, cells)
    say(*(f"{row['corpus']}: {row['description']} (licence: {row['licence']})" for row in rows))
    wanting = [row["corpus"] for row in rows if row["missing"] and not CORPORA[row["corpus"]].own]
    wanting = [name for name in wanting if not CORPORA[name].stored]
    if wanting:
        say(f"To get what is missing: ecpe-zoo data fetch {' '.join(wanting)}")
    return 0


def fetch(
    corpora: Sequence[str],
    *,
    root: Path | None = None,
    mirror: str | None = None,
    optional: bool = False,
    force: bool = False,
) -> int:
    """Download the published files of corpora at a pinned commit and check their hashes.

    An interrupted download is resumed.

    Args:
        corpora: Names of corpora; `ecpe-zoo data list` shows them.
        root: Folder with a folder for each corpus; ECPE_ZOO_DATA if not given, else the user's cache.
        mirror: URL below which files are found as repository/commit/path; ECPE_ZOO_MIRROR if not given, else GitHub.
        optional: Also fetch rarely needed files, such as large word vectors.
        force: Fetch again and overwrite existing files.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from ecpe_zoo.corpora.fetch import fetch_file
    from ecpe_zoo.corpora.registry import find_corpus

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    for corpus in [find_corpus(name) for name in corpora]:  # a wrong name fails before anything is fetched
        if corpus.bundled:
            say(f"{corpus.id} comes with the package: nothing to fetch", to=console)
            continue
        if corpus.own:
            raise ZooError(_how_to_get(corpus, root))
        folder = corpus.folder(root)
        files = [file for file in corpus.files if optional or not file.optional]
        fetched = 0
        with Progress(*columns, console=console) as bars:
            for file in files:
                task = bars.add_task(file.name, total=file.bytes)
                advance = partial(_advance, bars, task)
                fetched += fetch_file(corpus, file, folder, mirror=mirror, force=force, progress=advance)
                bars.remove_task(task)
        there = len(files) - fetched
        say(f"{corpus.id}: {fetched} files fetched, {there} were there, all checked; {folder}", to=console)
    return 0


def check(
    corpora: Sequence[str], *, root: Path | None = None, tokens: int = 512, json: Path | None = None
) -> int:
    """Count what corpora hold, and look for leaks and altered files.

    Looks for text shared by the parts of a corpus, documents that models cut, and files that are missing or altered
    (exit status 1, as for files that fit refuses).

    Args:
        corpora: Names of corpora; `ecpe-zoo data list` shows them.
        root: Folder with a folder for each corpus; ECPE_ZOO_DATA if not given, else the user's cache.
        tokens: Maximum input length of a model, in tokens; longer documents are listed.
        json: File for everything that was found.
    """
    from ecpe_zoo.cli.audit import show_audit
    from ecpe_zoo.corpora.audit import audit, file_states
    from ecpe_zoo.corpora.registry import find_corpus

    if tokens < 1:
        raise ZooError(f"Expected --tokens to be at least 1, but got {tokens}.")
    found: dict[str, Any] = {}
    broken = False
    for corpus in [find_corpus(name) for name in corpora]:
        states = file_states(corpus, root)
        wrong = [state for state in states if state.problem and not state.optional]
        found[corpus.id] = {"files": [state.as_dict() for state in states]}
        for state in states:
            if state.problem:
                say(f"{state.path}: {state.problem}{' (optional)' if state.optional else ''}")
        if any((state.problem or "").startswith("missing") for state in wrong):
            broken = True
            say(_how_to_get(corpus, root))
            continue
        result = audit(corpus, root, tokens)
        found[corpus.id] |= result.as_dict()
        show_audit(result)
        say(*(f"fit refuses this corpus: {refused}" for refused in result.refused))
        broken = broken or bool(wrong or result.refused)
    if json is not None:
        with replaced_when_complete(json) as part:
            part.write_text(_dumped(found) + "\n", encoding="utf-8")
    return 1 if broken else 0


def _described(corpus: Corpus, root: Path | None) -> dict[str, Any]:
    """A row of `list`."""
    folder, needed = corpus.folder(root), corpus.needed()
    here = [name for name in needed if (folder / name).is_file()]
    pinned = sum(file.bytes or 0 for file in corpus.files if not file.optional)
    return {
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


def _state(row: dict[str, Any]) -> str:
    if row["source"] == "package":
        return "bundled"
    if not row["missing"]:
        return "there"
    whose = ", yours" if row["source"] == "own files" else ""
    return f"{row['files'] - len(row['missing'])} of {row['files']}{whose}"


def _how_to_get(corpus: Corpus, root: Path | None) -> str:
    if not corpus.own:
        return f"To get what is missing: ecpe-zoo data fetch {corpus.id}"
    missing = [name for name in corpus.needed() if not (corpus.folder(root) / name).is_file()]
    if corpus.home is not None:
        files = ", ".join(name for name in missing if name not in corpus.beside)
        way = f" Put {files} beside it." if files else " All its files are there."
        return f"{corpus.id} is described by a file of yours: nothing to fetch.{way}"
    files = ", ".join(missing or corpus.needed())
    return (
        f"{corpus.id} {corpus.licence}: nothing can be fetched. If you have it, put {files} into "
        f"{corpus.folder(root)}, or name with --root or ECPE_ZOO_DATA a folder that holds them in {corpus.id}/."
    )


def _advance(bars: Progress, task: TaskID, done: int, total: int | None) -> None:
    bars.update(task, completed=done, total=total)


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


COMMANDS: Mapping[str, Command] = {"list": list_corpora, "fetch": fetch, "check": check}

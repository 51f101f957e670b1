"""What `mkdocs build` makes from the rest of the repository: pages of files outside of docs/, and the commands' help.

Such a file stays in one place. Links to it are those that work in the repository (`../CHANGELOG.md`); here they lead to
its page. The page `commands.md` has a mark, which is replaced by the help of every command of `ecpe-zoo`.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "experiments/README.md": "experiments.md",
    "experiments/REPORT.md": "report.md",
    **{
        f"experiments/figures/{path.name}": f"figures/{path.name}"
        for path in ROOT.glob("experiments/figures/*.svg")
    },
}
"""File of the repository -> its page, or its place on the site."""
MARK = "<!-- help of every command -->"
FULL_HELP = ("fit",)
"""Training commands with their options; the others have those of `fit`."""
LINK = re.compile(r"(\]\()([^)#:\s]+)(#[^)]*)?\)")
WIDTH = "80"
"""Columns of the help."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages of files outside of docs/."""
    from mkdocs.structure.files import File

    for name, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to pages, and put the help into its page."""
    sources = {page: name for name, page in OUTSIDE.items()}
    source = sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    text = LINK.sub(lambda link: f"{link[1]}{target(link[2], source)}{link[3] or ''})", markdown)
    return text.replace(MARK, commands()) if MARK in text else text


def target(link: str, source: str) -> str:
    """A link of a file in the repository, as a link of its page.

    Args:
        link: Path from the file's folder.
        source: Path of the file in the repository.

    >>> target("docs/start.md", "README.md"), target("../CHANGELOG.md", "docs/start.md")
    ('start.md', 'changelog.md')
    >>> target("start.md", "docs/faq.md"), target("../README.md", "experiments/README.md")
    ('start.md', 'index.md')
    """
    parent = PurePosixPath(source).parent
    path = normpath(str(parent / link))
    page = OUTSIDE.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
    own = OUTSIDE.get(source, source.removeprefix("docs/"))
    return link if page is None else relpath(page, str(PurePosixPath(own).parent))


def commands() -> str:
    """The help of every command, each under a heading of its own."""
    parts = []
    for words in command_lines():
        title = " ".join(("ecpe-zoo", *words))
        parts.append(f"## `{title}`\n\n```text\n{help_of(*words)}\n```\n")
    return "\n".join(parts)


def command_lines() -> Iterator[tuple[str, ...]]:
    """The words of every command: none, the command, or the command and its subcommand."""
    from ecpe_zoo.cli.main import COMMANDS, TRAINING

    yield ()
    for command in COMMANDS:
        if command in TRAINING:
            if command in FULL_HELP:
                yield (command,)
            continue
        found = import_module(f"ecpe_zoo.cli.{command}").COMMANDS
        yield from ((command, name) for name in found) if isinstance(found, dict) else ((command,),)


def help_of(*words: str) -> str:
    """What a command prints with `--help`."""
    from ecpe_zoo.cli.main import main

    text = io.StringIO()
    with patch.dict(os.environ, COLUMNS=WIDTH), redirect_stdout(text), suppress(SystemExit):
        main([*words, "--help"])
    printed = text.getvalue().strip()
    if not printed.startswith("usage: ecpe-zoo"):
        raise RuntimeError(f"Expected the help of `ecpe-zoo {' '.join(words)}`, but got {printed[:80]!r}.")
    return printed

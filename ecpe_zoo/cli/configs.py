"""See the configs that come with the package."""

from __future__ import annotations

from collections.abc import Mapping

from ecpe_zoo.cli.functions import Command
from ecpe_zoo.configs import shipped
from ecpe_zoo.errors import ZooError, did_you_mean


def list_configs() -> int:
    """List the methods with their configs: one that runs offline, and one of the paper's setting."""
    print("\n".join(listing()))
    return 0


def show(name: str) -> int:
    """Print a config, to read it or to start one of your own.

    Args:
        name: Name of a config, as `ecpe-zoo configs list` shows it.
    """
    short = name.removeprefix("configs/").removesuffix(".yaml")
    if short not in shipped():
        raise ZooError(
            f"Expected the name of a config (see `ecpe-zoo configs list`), but got {name!r}."
            + did_you_mean(short, shipped())
        )
    print(shipped()[short].path.read_text(encoding="utf-8"), end="")
    return 0


COMMANDS: Mapping[str, Command] = {"list": list_configs, "show": show}


def listing() -> list[str]:
    """Lines of a table: method, the config that runs offline with its corpus, the paper's with its corpus."""
    rows = [("method", "--config", "corpus (offline)", "--config", "corpus of the paper")]
    for name, config in shipped().items():
        paper = shipped().get(f"paper/{name}")
        if "/" not in name:
            of_paper = (f"paper/{name}", paper.corpus) if paper else ("", "")
            rows.append((config.class_path.split(".")[-1], name, config.corpus, *of_paper))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def overview(command: str) -> str:
    """What a training command prints without arguments."""
    more = "" if command == "fit" else " --ckpt_path FILE"
    return "\n".join(
        [
            f"usage: ecpe-zoo {command} --config NAME|FILE{more} [OPTIONS]",
            "",
            *listing(),
            "",
            f"First steps: ecpe-zoo {command} --config mgcl{more}",
            "Details:     ecpe-zoo configs show NAME; ecpe-zoo fit --model.help METHOD; ecpe-zoo fit --help",
            "",
        ]
    )

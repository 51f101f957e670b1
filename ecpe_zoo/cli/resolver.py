"""The config that a fit would record, without the fit."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from ecpe_zoo.cli import training
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.loading import is_own, method_class


class Resolver(training.ZooCLI):
    """Parses arguments of fit as fit does, and lets the data module and this package's methods check their options.

    Its parser is built once, which takes longer than parsing.
    """

    def __init__(self) -> None:
        self._begun = False

    def __call__(self, arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
        """The method's id and the config that the record of this fit would hold.

        Raises:
            ZooError: An option that fit would refuse.
        """
        args = ["fit", *arguments]
        printed = io.StringIO()
        try:
            with contextlib.redirect_stderr(printed), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if not self._begun:
                    super().__init__(args)
                    self._begun = True
                else:
                    self.parse_arguments(self.parser, args)
                dumped = self._parser("fit").dump(
                    self.config.fit, skip_none=False, skip_check=True, format="json"
                )
        except SystemExit as error:
            message = printed.getvalue().rpartition("error: ")[2].strip().splitlines()
            raise ZooError("\n".join(message[:12]) or "Expected arguments that fit takes.") from error
        config: dict[str, Any] = json.loads(dumped)
        EmotionDataModule(**config["data"])  # checks its options
        method = method_class(config["model"]["class_path"])
        if is_own(config["model"]["class_path"]):  # others may take objects, which are plain values here
            method(**(config["model"].get("init_args") or {}))  # networks are built later
        return method.id, config

    def _parsed(self, parser: LightningArgumentParser) -> Namespace:
        """What the parser of fit makes of them: the one that knows all commands would check every value again."""
        return Namespace(subcommand="fit", fit=self._parser("fit").parse_args(self.typed[1:]))

    def _set_seed(self) -> None:
        """Not here: this process trains nothing, and children read the seed from their arguments."""

    def instantiate_classes(self) -> None:
        """Not here."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Not here."""

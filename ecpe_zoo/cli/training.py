"""fit, validate, test and predict: LightningCLI with the zoo's defaults."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import Namespace
from lightning import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ecpe_zoo.cli.report import show_results
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.base import Method
from ecpe_zoo.methods.loading import read_checkpoint
from ecpe_zoo.training.checkpoints import metric_of
from ecpe_zoo.training.config_lines import place
from ecpe_zoo.training.mistakes import one_line
from ecpe_zoo.training.options import (
    SEED,
    TRAINER_DEFAULTS,
    add_options,
    settle,
    spelled,
    take_stored_options,
)
from ecpe_zoo.training.process import SCORING, settings
from ecpe_zoo.training.staged import Run, plain

ENDED_BY_SIGTERM = 143
"""Exit status: 128 plus the signal's number, as in shells."""


class Parser(LightningArgumentParser):
    """Lightning's parser, with errors of one line."""

    typed: Sequence[str] = ()
    """Arguments that it parses; `ZooCLI` sets them."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Leave with the reason and the way out."""
        if not self.exit_on_error:
            super().error(message, ex)
        parser = getattr(ex, "subcommand_parser", None) or self
        prog = parser.prog.replace(" [options]", "")
        reason = one_line(message, parser._option_string_actions)
        where = place(reason, self.typed)
        print(f"{prog}: error: {where}{reason} See {prog} --help.", file=sys.stderr)
        sys.exit(2)


class ZooCLI(LightningCLI):
    """Parses the options of a run and shows its scores; the rest is Lightning's and `Run`'s."""

    datamodule: EmotionDataModule
    model: Method
    trainer: Trainer

    def __init__(self, args: list[str]) -> None:
        self._command = args[0]
        super().__init__(
            Method,
            EmotionDataModule,
            save_config_callback=None,  # `Run` saves it into the run's folder
            subclass_mode_model=True,
            seed_everything_default=SEED,
            trainer_defaults=TRAINER_DEFAULTS,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            parser_class=Parser,
            args=args,
        )

    def init_parser(self, **options: Any) -> LightningArgumentParser:
        """A parser that knows options by their full names alone: an abbreviation may be a slip."""
        return super().init_parser(**{"prog": "ecpe-zoo"} | options | {"allow_abbrev": False})

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # Lightning's is static
        """The typed command alone: a parser takes longer to make than its arguments to parse."""
        return {self._command: LightningCLI.subcommands()[self._command]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Options of the callbacks that every run has."""
        add_options(parser)

    def instantiate_classes(self) -> None:
        """Build the objects.

        Raises:
            ZooError: an option that its class refuses. The parser packs this error into one about all types that the
                value could have had.
        """
        try:
            super().instantiate_classes()
        except ValueError as error:
            packed: BaseException | None = error
            while packed is not None and not isinstance(packed, ZooError):
                packed = packed.__cause__ or packed.__context__
            raise packed or error from None

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse, without Lightning's warning about arguments that do not come from `sys.argv`."""
        assert isinstance(args, list)
        self.typed = spelled(args)  # what the user typed wins over a checkpoint
        for one in (parser, self._parser(self._command)):
            one.typed = self.typed
        try:
            self.config = self._parsed(parser)
        except UnicodeDecodeError as error:
            found = f"the byte 0x{error.object[error.start]:02x}"
            raise ZooError(
                f"Expected a config file in UTF-8, but got {found}. Save the file as UTF-8."
            ) from None
        command = self.config.subcommand
        settle(self.config[command], command, self.typed)
        if command != "fit" and not self.config[command].ckpt_path:
            raise ZooError(
                f"Expected --ckpt_path FILE for {command!r}, but got none: train with 'fit' first."
            )

    def _parsed(self, parser: LightningArgumentParser) -> Namespace:
        return parser.parse_args(self.typed)

    def _parse_ckpt_path(self) -> None:
        """Put a checkpoint's hyper-parameters over the config's, but under what the user typed."""
        config = self.config[self.config.subcommand]
        take_stored_options(config.model, config.get("ckpt_path"), typed_model_options(self.typed))

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer of the run, which for `fit` is that of its first stage."""
        command = str(self.subcommand)
        recorded = plain(self.parser, self.config)[command]
        parser, config, init = self._parser(command), self.config[command], self.config_init[command]
        self.run = Run(command, parser, config, init, recorded, self.model, self.datamodule)
        return self.run.trainer

    def fit(self, **options: Any) -> None:
        """Train in stages."""
        self.run.fit()

    def after_fit(self) -> None:
        """Test the checkpoint of the `checkpoint` option, or else the last weights, and show everything."""
        run = self.run
        run.complete(lambda: show_results(run.scorer, run.method, run.data, run.recorder))
        if run.trainer.fast_dev_run:
            return
        rank_zero_info(f"checkpoint:  {like_folder(run.folder, run.best_path) if run.best_path else 'none'}")
        rank_zero_info(f"log:         {run.folder / 'metrics.csv'}")
        rank_zero_info(f"predictions: {run.folder / 'predictions'}")

    def before_test(self) -> None:
        """Our table replaces Lightning's."""
        self.config_init[self.subcommand]["verbose"] = False

    def after_test(self) -> None:
        """Show the scores."""
        if self.trainer.is_global_zero:
            path = Path(self.config[self.subcommand].ckpt_path)
            show_results(
                self.run.scorer,
                self.model,
                self.datamodule,
                metric_of(read_checkpoint(path, finite=False), path),
            )
        self.run.draw()


def like_folder(folder: Path, path: str) -> str:
    """A path in a folder, relative if the folder's is: Lightning makes that of a later stage's checkpoint absolute.

    >>> like_folder(Path("runs/a"), str(Path("runs/a/best.ckpt").resolve()))
    'runs/a/best.ckpt'
    >>> like_folder(Path("runs"), "/other/best.ckpt")
    '/other/best.ckpt'
    """
    home = folder.resolve()
    return str(folder / Path(path).relative_to(home)) if Path(path).is_relative_to(home) else path


def typed_model_options(args: list[str]) -> set[str]:
    """Names of the method's arguments on a command line.

    >>> sorted(typed_model_options(["--model.encoder.size", "1", "--model.init_args.beta=2", "--data.fold", "1"]))
    ['beta', 'encoder.size']
    """
    names = (argument.removeprefix("--model.") for argument in args if argument.startswith("--model."))
    return {name.removeprefix("init_args.").split("=")[0] for name in names}


def run(args: list[str]) -> int:
    """Run a training command.

    Returns:
        0, or 143 if SIGTERM ended it (a cluster's preemption), for which Lightning would give 0. Errors are raised
        (`ZooError`) or leave through `SystemExit` (a wrong option).
    """
    try:
        with settings(() if args[0] == "fit" else SCORING):
            ZooCLI(args)
    except SIGTERMException:
        return ENDED_BY_SIGTERM
    return 0

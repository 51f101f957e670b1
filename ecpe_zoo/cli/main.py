"""The command `ecpe-zoo`."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from importlib.metadata import version

from ecpe_zoo.errors import ZooError, did_you_mean

HELP = """\
usage: ecpe-zoo COMMAND [OPTIONS]

Train, score and compare methods that find emotions in text and their causes.

training (every option of Lightning; --help after the command lists all):
  fit       --config mgcl                          train, then score the test documents
  validate  --config C --ckpt_path F               score the validation documents
  test      --config C --ckpt_path F               score the test documents
  predict   --config C --ckpt_path F               write all scores of a part of the corpus
  configs list | show NAME                         methods with their configs: names for --config

your own text:
  annotate  --ckpt_path F --input FILE|-           pairs, or emotions and their intensity, in your texts
  export    CKPT FOLDER                            a trained method as a folder for the Hugging Face hub
  explain   --ckpt_path F --input FILE|-           the clauses and words that these answers rest on

corpora:
  data list                                        what there is, and what is in your folder
  data fetch CORPUS...                             download, with hashes checked
  data check CORPUS                                count, and look for leaks and altered files
  synthesize --narratives FILE --output DIR ...    emotion training texts from a language model

experiments:
  run SUITE.yaml                                   methods x corpora x folds x seeds -> records, resumable
  compare BASE NEW                                 two folders of records; exit status 1 if a number moved too far

records:
  results show | diff | selection | arms           spread, tests, what choosing on test and other practices add
  results plan | count                             runs that a difference needs; counts, so that boards need no corpus
  results recompute | schema                       metrics again from saved scores; the form of a record
  leaderboard build | push | export                tables and web page; W&B; Hugging Face

  --version, --help

Often used options of fit: --data.corpus, --data.root, --data.fold, --data.protocol, --seed_everything,
--trainer.max_epochs, --model.NAME (a method's arguments), --test false.
"""

TRAINING = ("fit", "validate", "test", "predict")
COMMANDS = (
    *TRAINING,
    "configs",
    "annotate",
    "export",
    "explain",
    "data",
    "run",
    "compare",
    "synthesize",
    "results",
    "leaderboard",
)


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        The exit status: 0, or 1 after an error that the user can mend, which is printed without a traceback; 130
        after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # print what the console cannot encode as escapes
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _dispatch(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return status
    except ZooError as error:
        message = str(error)
    except KeyboardInterrupt:
        print("ecpe-zoo: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head`: the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a folder without permission
        if error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        problem = ZooError(f"{where}expected to read or write here, but got: {error.strerror}. Solve this.")
        message = str(problem)
    print(f"ecpe-zoo: {message}", file=sys.stderr)
    return 1


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    command, *rest = arguments
    if command == "--version":
        print(version("ecpe-zoo"))
        return 0
    if command in TRAINING and not rest:
        from ecpe_zoo.cli.configs import overview

        print(overview(command), end="")
        return 2
    if command in TRAINING:
        from ecpe_zoo.cli import training  # torch and lightning take seconds to import

        return training.run(arguments)
    if command in COMMANDS:
        from ecpe_zoo.cli import functions

        module = import_module(f"ecpe_zoo.cli.{command}")
        return functions.run(module.COMMANDS, f"ecpe-zoo {command}", module.__doc__ or "", rest)
    later = next((word for word in arguments if word in COMMANDS), None)
    if command.startswith("-") and later is not None:
        others = [word for index, word in enumerate(arguments) if index != arguments.index(later)]
        raise ZooError(
            f"Expected the command first, but got {command!r}. Write: ecpe-zoo {later} {' '.join(others)}"
        )
    like = did_you_mean(command, COMMANDS)
    raise ZooError(
        f"Expected a command ({', '.join(COMMANDS)}), but got {command!r}.{like} See ecpe-zoo --help."
    )


if __name__ == "__main__":
    sys.exit(main())

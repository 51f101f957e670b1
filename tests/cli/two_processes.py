"""Run commands one after another in this process, which is one of two: `python -m tests.cli.two_processes FILE`.

FILE is a JSON list of arguments of `ecpe_zoo.cli.main`. Starting the processes once for all methods saves the time in
which each would import torch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ecpe_zoo.cli.main import main


def run(path: Path) -> int:
    """Run the commands up to the first that fails; its number is said, and its exit status returned."""
    for number, arguments in enumerate(json.loads(path.read_text(encoding="utf-8"))):
        if status := main(arguments):
            print(f"command {number} failed: {arguments}", file=sys.stderr)
            return status
    return 0


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))

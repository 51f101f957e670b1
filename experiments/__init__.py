"""Measurements and generators around the package; each is run as `python -m experiments.NAME`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ecpe_zoo.errors import ZooError


def run(main: Callable[[], int]) -> int:
    """The exit status of a script; what the user can mend is printed without a traceback, as `ecpe-zoo` does."""
    try:
        return main()
    except ZooError as error:
        print(f"{sys.argv[0]}: {error}", file=sys.stderr)
        return 1

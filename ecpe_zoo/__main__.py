"""`python -m ecpe_zoo` is the command `ecpe-zoo`."""

from __future__ import annotations

import sys

from ecpe_zoo.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

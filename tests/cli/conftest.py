"""What the tests of commands share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ecpe_zoo.training import pictures


@pytest.fixture(scope="package", autouse=True)
def _small_pictures() -> Iterator[None]:
    """Pictures of few points: drawing takes a fifth of a short run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "DPI", 30)
        yield

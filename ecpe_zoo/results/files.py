"""Moved to ecpe_zoo.files."""

from ecpe_zoo.files import replaced_when_complete as replaced_when_complete

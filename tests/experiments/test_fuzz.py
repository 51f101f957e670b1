"""A short run of the fuzz script over every format: read or refused, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ecpe_zoo.errors import ZooError
from experiments.fuzz import fuzz
from experiments.fuzz_formats import Format, all_formats


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory) -> list[Format]:
    return all_formats(tmp_path_factory.mktemp("formats"))


def test_every_reader_reads_or_refuses(formats: list[Format], tmp_path: Path) -> None:
    found = {format.name: fuzz(format, 25, tmp_path / format.name) for format in formats}
    assert {name: counts.failures for name, counts in found.items() if counts.failures} == {}
    assert sum(counts.read for counts in found.values()) > 100
    assert sum(counts.refused for counts in found.values()) > 300


def test_the_files_that_are_mutated_are_sound(formats: list[Format], tmp_path: Path) -> None:
    for format in formats:
        path = tmp_path / format.name / format.file
        path.parent.mkdir()
        for name, content in format.beside.items():
            (path.parent / name).write_bytes(content)
        if format.save is not None:
            format.save(format.tree, path)
        else:
            text = None if format.tree is None else json.dumps(format.tree).encode()
            path.write_bytes(text or format.content or b"")
        format.read(path)


def test_failures_are_counted_by_place(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        text = path.read_bytes()
        if b"b" in text:
            raise ZooError("clear")
        raise KeyError(text)

    found = fuzz(Format("x", "x.txt", read, b"a b c"), 40, tmp_path)
    assert found.inputs == 40
    assert found.refused + sum(found.failures.values()) == 40
    assert list(found.failures) == ["KeyError at ?"]
    assert b"b" not in found.kept["KeyError at ?"]
    again = fuzz(Format("x", "x.txt", read, b"a b c"), 40, tmp_path)
    assert again.failures == found.failures

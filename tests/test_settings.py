"""Settings files: what is read, and how mistakes are named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ecpe_zoo.errors import ZooError
from ecpe_zoo.settings import read_yaml, words


@dataclass(frozen=True)
class Colour:
    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    name: str
    share: float = 1.0


class Box(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: Annotated[int, Field(ge=1)]
    labels: Annotated[tuple[str, ...], BeforeValidator(words)] = ()
    colours: tuple[Colour, ...] = ()
    boxes: dict[str, Box] = {}


def read(folder: Path, text: str, name: str = "box.yaml") -> Box:
    (folder / name).write_text(text, encoding="utf-8")
    return read_yaml(folder / name, Box, "a box")


def test_yaml_and_json_give_the_same(tmp_path: Path) -> None:
    expected = Box(size=2, labels=("a",), colours=(Colour("red", 0.5),), boxes={"in": Box(size=1)})
    text = "size: 2\nlabels: [a]\ncolours: [{name: red, share: 0.5}]\nboxes: {in: {size: 1}}\n"
    assert read(tmp_path, text) == expected
    json = '{"size": 2, "labels": ["a"],\n\t"colours": [{"name": "red", "share": 0.5}],\n'
    assert read(tmp_path, f'{json}\t"boxes": {{"in": {{"size": 1}}}}}}', "box.json") == expected
    assert read(tmp_path, "\ufeffsize: 1\n") == Box(size=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: expected a field 'size', but got none."),
        ("- 1\n", "1: expected a box with the fields size, labels, colours, boxes, but got [1]."),
        ("size: much\n", "1: size: expected an integer, but got 'much'."),
        ("size: 0\n", "1: size: expected greater than or equal to 1, but got 0."),
        (
            "size: 1\nlabels: [a, no]\n",
            "2: labels: expected a list of texts (write words like yes, no, on and off",
        ),
        ("size: 1\ncolours:\n- {name: no}\n", "3: colours.0.name: expected text (write words like yes"),
        (
            "size: 1\ncolours:\n- name: a\n  hue: 3\n",
            "4: colours.0.hue: expected one of the fields name, share",
        ),
        ("size: 1\ncolours: [3]\n", "2: colours.0: expected the fields name, share, but got 3."),
        (
            "size: 1\nboxes:\n  a: {size: 1}\n  b: {sise: 1}\n",
            "4: boxes.b.sise: expected one of the fields size,",
        ),
        ("size: 1\nboxes:\n  a: {}\n", "3: expected a field 'boxes.a.size', but got none."),
        ("size: 1\nsize: 2\n", "2: expected each field once, but got 'size' again (line 1)."),
        ("size: [\n", "2: expected YAML, but got invalid text: "),
    ],
)
def test_mistakes_have_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ZooError) as caught:
        read(tmp_path, text)
    assert f"{tmp_path / 'box.yaml'}:{message}" in str(caught.value)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ZooError) as caught:
        read(tmp_path, "size: 1\nlabel: [a]\nboxes: {a: 3, b: {size: x}}\n")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n\t"size": 1,\n\t"labels": "a"\n}', ":3: labels: expected a list of texts"),
        ('{"size": 1,\n"size": 2}', ":2: expected each field once"),
        ("{\nsize: 1}", ":2: expected JSON, but got invalid text: Expecting property name"),
    ],
)
def test_json_has_lines_too(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ZooError) as caught:
        read(tmp_path, text, "box.json")
    assert message in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"Expected a box at .*none.yaml, but got: No such file"):
        read_yaml(tmp_path / "none.yaml", Box, "a box")
    (tmp_path / "bad.yaml").write_bytes(b"labels: [a]\nsize: \xff")
    with pytest.raises(ZooError, match=r"bad.yaml:2: expected YAML, but got invalid text: .*0xff"):
        read_yaml(tmp_path / "bad.yaml", Box, "a box")


def test_a_value_of_another_kind_and_a_field_without_a_name(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r":2: expected YAML, but got invalid text: a value that is no bool"):
        read(tmp_path, "size: 1\nlabels: !!bool\n")
    with pytest.raises(ZooError, match=r":2: expected the name of a field, but got a list or a mapping"):
        read(tmp_path, "size: 1\n? [a]\n: 1\n")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("size: 1\nlabels: !!int x\n", ":2: "),
        ("size: 1\nlabels: 2001-99-99\n", ":2: "),
        ("labels: !!bool\n", ":1: "),
        ("labels: !!timestamp x\n", ":1: "),
        ("labels: " + "[" * 3000, ": "),
        ("boxes: &a {a: *a}\n", ": "),
    ],
)
def test_values_that_yaml_cannot_build_are_named(tmp_path: Path, text: str, where: str) -> None:
    """These were tracebacks."""
    with pytest.raises(ZooError) as caught:
        read(tmp_path, text)
    assert f"box.yaml{where}expected YAML, but got" in str(caught.value)


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5000])
def test_values_that_json_cannot_build_are_named(tmp_path: Path, value: str) -> None:
    with pytest.raises(ZooError, match=r"box.json: expected JSON, but got"):
        read(tmp_path, f'{{"size": {value}}}', "box.json")

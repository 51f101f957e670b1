"""Tables on the screen: nothing is cut off."""

from __future__ import annotations

import pytest

from ecpe_zoo.cli.screen import PIPED, show_table

COLUMNS = ("practice", *(f">number {n}" for n in range(12)), "done by")
ROW = (
    "epoch chosen on the test fold",
    *(f"{n}{n}.{n}" for n in range(10, 22)),
    "the released code of five papers",
)


@pytest.mark.parametrize("width", ["40", "80", None])
def test_numbers_are_whole_on_any_screen(
    width: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if width is not None:
        monkeypatch.setenv("COLUMNS", width)
    show_table("a title that is longer than a narrow screen, and is one line", COLUMNS, [ROW], least=8)
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert all(f" {cell} " in shown for cell in ROW[1:-1])
    assert shown.startswith("a title that is longer than a narrow screen, and is one line\n")
    lines = shown.splitlines()[1:]
    least = sum(max(len(head) - 1, 1) + 1 for head in COLUMNS[1:-1]) + 8
    assert least <= max(map(len, lines)) <= max(PIPED, int(width or 0))
    assert len(lines) > 5 if width == "40" else True  # text folds instead


def test_a_table_of_numbers_is_one_line_a_row_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("numbers", (">one", ">two"), [(1, 2), (3, 4)])
    assert [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()] == [
        ["numbers"],
        ["one", "two"],
        ["─" * len("one─two─")],
        ["1", "2"],
        ["3", "4"],
    ]

"""Label names of any script and with any sign can be read in pictures, or are numbered and said so."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest

from ecpe_zoo.training import fonts
from ecpe_zoo.training.fonts import LONGEST_SHOWN, USUAL, readable
from ecpe_zoo.training.pictures import draw_views
from ecpe_zoo.views import Confusion, Heatmap, Points, View

CHINESE = ("喜悦", "悲伤")


def installed(monkeypatch: pytest.MonkeyPatch, **families: str) -> None:
    """These fonts have these characters, beside the usual one."""
    real = fonts._characters_of(USUAL)
    monkeypatch.setattr(fonts, "_characters_of", lambda name: frozenset(families.get(name, "")) or real)
    monkeypatch.setattr(fonts, "_installed", lambda: [USUAL, *families])
    fonts._families_with.cache_clear()


def test_a_font_that_has_the_characters_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, Half="喜悦", All="喜悦悲伤", Thai="ก")
    found = readable(["joy", *CHINESE])
    assert (found.shown, found.families, found.numbered) == (("joy", *CHINESE), (USUAL, "All"), ())
    assert not found.note
    assert readable(["joy", "été"]).families == (USUAL,)
    both = readable(["ก", "悲"])
    assert set(both.families) == {USUAL, "All", "Thai"}
    fonts._families_with.cache_clear()


def test_names_that_no_font_has_are_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, Half="喜悦")
    found = readable([*CHINESE, "anger"])
    assert found.shown == ("喜悦", "2", "anger")
    assert found.numbered == ("悲伤",)
    assert "悲伤" in found.note
    fonts._families_with.cache_clear()


def test_long_names_are_cut() -> None:
    """Pictures of names of 1,500 letters took minutes: their area grows with the square of the longest."""
    shown = readable(["a" * 5000, "b" * LONGEST_SHOWN]).shown
    assert shown == ("a" * (LONGEST_SHOWN - 1) + "…", "b" * LONGEST_SHOWN)


def test_pictures_of_any_names_draw_without_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed(monkeypatch)  # no font but the usual one, as on a small machine
    labels = (*CHINESE, "$a$ $", "_hidden", "x\x1b[2J")
    square = np.eye(len(labels))
    vectors = np.random.default_rng(0).normal(size=(len(labels), 4))
    views: list[View] = [
        Confusion("c", square.astype(int), labels),
        Heatmap("h", "cosines", square, labels, -1.0, 1.0),
        Points("p", "anchors", vectors, labels, vectors, vectors, labels),
    ]
    with warnings.catch_warnings(), caplog.at_level(logging.INFO, "lightning.pytorch.utilities.rank_zero"):
        warnings.simplefilter("error")
        draw_views(tmp_path, views)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["c.png", "h.png", "p.png"]
    assert "喜悦" in (tmp_path / "c.csv").read_text(encoding="utf-8")
    fonts._families_with.cache_clear()

from __future__ import annotations

from pathlib import Path

import pytest

from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.methods.mgcl import MGCL
from experiments import case_study
from tests.annotation.making import built, save


def test_the_page_shows_every_token_and_the_gold_clauses(tmp_path: Path) -> None:
    path, page = save(built("mgcl"), tmp_path / "m.ckpt"), tmp_path / "case.html"
    options = [str(path), str(path), "--corpus", "bundled-ecpe", "--output", str(page)]
    assert case_study.main(options) == 0
    text = page.read_text(encoding="utf-8")
    document = case_study.choose(load_corpus("bundled-ecpe").test, None)
    pairs = set(document.pairs or ())
    assert len(pairs) > 1
    method = built("mgcl")
    assert isinstance(method, MGCL)
    pieces = [piece for s in document.segments for piece in method.reader.encoder.tokenizer.pieces(s.text)]
    assert text.count('<span class="token"') == 2 * 2 * len(pieces)
    emotions, causes = ({pair[side] for pair in pairs} for side in (0, 1))
    assert text.count('class="gold"') == 2 * (len(emotions) + len(causes))
    first = min(pairs)
    assert f"({first[0] + 1}, {first[1] + 1})" in text


def test_what_cannot_be_shown_is_an_error(tmp_path: Path) -> None:
    page = ["--corpus", "bundled-ecpe", "--output", str(tmp_path / "case.html")]
    with pytest.raises(ZooError, match="expected a checkpoint of mgcl, but got one of rule"):
        case_study.main([str(save(built("rule"), tmp_path / "r.ckpt")), *page])
    path = str(save(built("mgcl"), tmp_path / "m.ckpt"))
    with pytest.raises(ZooError, match="but got 'x'"):
        case_study.main([path, *page, "--id", "x"])
    assert not (tmp_path / "case.html").exists()

"""What answers rest on: scores without parts of a text, as data, text and pages."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from ecpe_zoo.annotation import annotate_texts
from ecpe_zoo.annotation.annotator import Annotator, Options
from ecpe_zoo.annotation.explain import Explainer
from ecpe_zoo.annotation.explanation_page import Pages, arcs_of, page
from ecpe_zoo.annotation.explanation_text import lines_of
from ecpe_zoo.annotation.explanations import Answer, Explanation, explanation_of, read_explanations
from ecpe_zoo.annotation.inputs import entry_of
from ecpe_zoo.annotation.occlusion import BLANK, Piece, Target, changes, without
from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.data.predictions import Prediction
from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.layers.anchors import similarity
from ecpe_zoo.methods.eacl import EACL
from ecpe_zoo.methods.mgcl import MGCL
from ecpe_zoo.methods.traces import gradient_times_input
from tests.annotation.making import built, save, some_documents
from tests.methods.contract import CONTRACT, WITHOUT_LEARNING

EVIL = '<script>alert("x")</script>'


@cache
def explained(id: str) -> tuple[Document, Explanation]:
    method = built(id)
    options = Options() if method.task.labelled else Options(top=2)
    document = some_documents(method.task.id)[0]
    return document, Explainer(Annotator(method, options)).explain(entry_of(1, document))


# --- every method


@pytest.mark.parametrize("id", sorted(CONTRACT))
def test_every_method_is_explained(id: str) -> None:
    document, found = explained(id)
    assert found.method == id
    assert len(found.parts) >= len(document)
    assert found.answers
    for answer in found.answers:
        assert answer.changes is not None
        assert len(answer.changes) == len(found.parts)
        assert None not in answer.changes
    if id != "cd_mrc":  # untrained, it adopts every pair in both directions, whatever is left out
        assert any(change for answer in found.answers for change in answer.changes or ())
    assert explanation_of(json.loads(found.line())) == found  # there and back


@pytest.mark.parametrize("id", sorted(CONTRACT))
def test_every_token_of_every_segment_has_a_value(id: str) -> None:
    document, found = explained(id)
    for answer in found.answers:
        if id in WITHOUT_LEARNING:
            assert answer.tokens is None
            continue
        assert answer.tokens is not None
        assert any(value for listed in answer.tokens for _, value in listed)
        for listed, segment in zip(answer.tokens, document.segments, strict=True):
            assert "".join(text for text, _ in listed).replace(" ", "") == segment.text.replace(" ", "")


@pytest.mark.parametrize("id", ["e2eecpe", "mm_r", "eacl"])
def test_a_change_is_the_score_minus_the_score_without_the_part(id: str) -> None:
    document, found = explained(id)
    method, answer = built(id), found.answers[-1]
    assert answer.changes is not None

    def score(texts: Document, first: int, second: int) -> float:
        with torch.no_grad():
            (prediction,) = method.decode(method.collator(False)([texts.without_gold()]))
        if answer.label is not None:
            return float(prediction.scores["emotions"][first, method.labels.index(answer.label)])
        return float(prediction.scores["pair"][first, second])

    first, second = answer.own[0] - 1, answer.own[-1] - 1
    left_out = next(i for i in range(len(document)) if i not in (first, second))
    rest = document.segments[:left_out] + document.segments[left_out + 1 :]
    without_it = Document("rest", rest, language=document.language)
    moved = (index - (index > left_out) for index in (first, second))
    expected = score(document, first, second) - score(without_it, *moved)
    assert answer.changes[left_out] == pytest.approx(expected, abs=2e-4)


def test_the_rule_rests_on_the_clause_with_the_keyword_alone() -> None:
    _, found = explained("rule")
    for answer in found.answers:
        assert answer.emotion is not None
        expected = [0.0] * len(found.parts)
        expected[answer.emotion - 1] = answer.score or 0.0
        assert answer.changes == tuple(expected)


def test_the_same_text_gives_the_same_explanation() -> None:
    document, found = explained("rankcp")
    assert Explainer(Annotator(built("rankcp"), Options(top=2))).explain(entry_of(1, document)) == found


# --- leaving out


def test_what_is_left_of_a_document() -> None:
    document = document_from_texts("d", ["a", "b", "c"], pairs=[(2, 1)])
    pieces = [Piece(index, text) for index, text in enumerate("abc")]
    gone = without(document, pieces, 1, blank=False)
    assert ([s.text for s in gone.document.segments], gone.places) == (["a", "c"], [0, None, 1])
    assert gone.document.pairs is None
    blank = without(document, pieces, 1, blank=True)
    assert ([s.text for s in blank.document.segments], blank.places) == (["a", BLANK, "c"], [0, 1, 2])
    single = document_from_texts("s", ["I won , he lost"])
    cut = without(single, [Piece(0, "I won ,"), Piece(0, "he lost")], 0, blank=True)
    assert [s.text for s in cut.document.segments] == ["he lost"]


def test_indices_are_mapped_back() -> None:
    def predict(documents: Sequence[Document]) -> list[Prediction]:
        found = []
        # the score of (e, c): letters of e's text, tenths for c, thousandths for the length
        for d in documents:
            size = np.array([len(s.text.strip(BLANK)) for s in d.segments], dtype=np.float32)
            pair = size[:, None] + size[None] / 10 + len(d) / 1000
            found.append(Prediction(d.id, {"pair": pair.astype(np.float32)}))
        return found

    document = document_from_texts("d", ["a", "bb", "ccc", "dddd"])
    pieces = [Piece(index, s.text) for index, s in enumerate(document.segments)]
    (full,) = predict([document])
    table = changes(document, pieces, [Target(1, 3), Target(0, 0)], full, predict)
    expected = [[0.001, 2.0, 0.001, 0.4], [1.1, 0.001, 0.001, 0.001]]
    np.testing.assert_allclose(table, expected, atol=1e-6)


def test_parts_that_are_far_away_are_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecpe_zoo.annotation.occlusion.MOST_LEFT_OUT", 3)
    document = document_from_texts("d", ["钱 经理 感到 格外 恐惧", *["他 来 了"] * 5])
    found = Explainer(Annotator(built("rule"))).explain(entry_of(1, document))
    assert found.answers[0].changes is not None
    assert [change is None for change in found.answers[0].changes] == [False] * 3 + [True] * 3


def test_texts_of_one_segment_are_explained_by_their_clauses() -> None:
    text = "I am glad that he won, but she is very sad."
    found = Explainer(Annotator(built("eqn"))).explain(entry_of(1, text))
    assert [part.text for part in found.parts] == ["I am glad that he won,", "but she is very sad."]
    assert all(answer.segment == 1 for answer in found.answers)
    assert not Explainer(Annotator(built("eqn"))).explain(entry_of(1, " ")).answers


def test_blank_parts_keep_their_numbers_and_no_pair_is_said_so() -> None:
    entry = entry_of(1, document_from_texts("a", ["他 赢 了", "x", "他 高兴"]))
    entry = entry._replace(texts=("他 赢 了", " ", "他 高兴"))
    found = Explainer(Annotator(built("e2eecpe"), Options(threshold=0.999))).explain(entry)
    (answer,) = found.answers
    assert not answer.given
    assert answer.changes is not None
    assert answer.changes[1] is None
    assert set(answer.own) <= {1, 3}


# --- what methods say themselves


def test_mgcl_gives_the_probabilities_of_its_teacher() -> None:
    document, found = explained("mgcl")
    method = built("mgcl")
    assert isinstance(method, MGCL)
    with torch.no_grad():
        (expected,) = method.predict_step(method.collator(False)([document.without_gold()]), 0)
    by_name = {clue.name: clue.tokens for clue in found.clues}
    assert list(by_name) == ["teacher: emotion", "teacher: cause"]
    for name in ("emotion", "cause"):
        tokens = by_name[f"teacher: {name}"]
        assert tokens is not None
        for segment, listed, row in zip(
            document.segments, tokens, expected.scores[f"token_teacher_{name}"], strict=True
        ):
            assert "".join(text for text, _ in listed) == segment.text.replace(" ", "")
            np.testing.assert_allclose([v or 0.0 for _, v in listed], row[~np.isnan(row)], atol=1e-4)


def test_eacl_gives_similarities_to_its_anchors() -> None:
    document, found = explained("eacl")
    method = built("eacl")
    assert isinstance(method, EACL)
    with torch.no_grad():
        batch = method.collator(False)([document.without_gold()])
        near = similarity(method.read(batch).vectors, method.anchors())  # (R, C)
    assert [clue.name.split()[-1] for clue in found.clues] == list(method.labels)
    for clue, column in zip(found.clues, near.T.tolist(), strict=True):
        assert [value for value in clue.segments or () if value is not None] == pytest.approx(
            column, abs=1e-4
        )
    assert not built("eqn").clues(document)


# --- pages, text and files


def evil() -> Explanation:
    return Explanation.model_validate(
        {
            "id": EVIL,
            "method": EVIL,
            "parts": [{"segment": n, "text": EVIL, "speaker": f"{EVIL}\x1b[2J"} for n in (1, 2)],
            "answers": [
                {
                    "emotion": 1,
                    "cause": 2,
                    "score": 0.5,
                    "changes": [0.1, -0.2],
                    "tokens": [[["<script>", 0.004], ["alert", -0.002], ["(", None]], [["other", 0.0]]],
                },
                {"segment": 2, "label": EVIL, "given": False},
            ],
            "clues": [{"name": EVIL, "tokens": [[[EVIL, 0.5]], []]}, {"name": EVIL, "segments": [0.1, None]}],
        }
    )


def test_pages_escape_every_text(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    path = pages.add(evil())
    for text in (path.read_text(encoding="utf-8"), pages.finish().read_text(encoding="utf-8")):
        assert "<script" not in text
        assert "&lt;script&gt;" in text
        assert "\x1b" not in text
        assert not re.search(r"(?:src|href)=\"(?!data:|#|index\.html|\d+\.html)", text)
    assert path.name == "0001.html"
    assert not any("\x1b" in line for line in lines_of(evil()))


def test_pages_say_in_words_what_shades_and_arcs_show() -> None:
    text = page(evil())
    assert "-0.1000" in text  # the score falls without the part
    assert "+0.2000" in text
    assert text.count('class="arc"') == 1
    assert "too low" in text
    assert 'title="+0.5"' in text


def test_words_are_shaded_with_a_sign_without_colour() -> None:
    text = page(evil())
    assert (
        '<span class="p4" title="+0.004">&lt;script&gt;</span><span class="n2" title="-0.002">alert</span>('
        in text
    )
    assert '<td class="number">-0.002</td>' in text  # also without a pointer
    assert "solid line" in text
    assert "dotted line" in text
    assert ".n2 {" in text
    lines = lines_of(evil())
    assert "      1  <script> +0.004, alert -0.002" in lines
    assert not any("other" in line for line in lines)


def test_values_of_words_come_from_the_method() -> None:
    document, found = explained("rankcp")
    answer = found.answers[0]
    place = (0, answer.own[0] - 1, answer.own[1] - 1)
    expected = gradient_times_input(built("rankcp"), [document.without_gold()], [place])
    assert expected is not None
    assert answer.tokens is not None
    for listed, values in zip(answer.tokens, expected[0], strict=True):
        np.testing.assert_allclose([v or 0.0 for _, v in listed], values, rtol=2e-3, atol=1e-9)
    without = Explainer(Annotator(built("rankcp"), Options(top=2)), gradients=False)
    assert without.explain(entry_of(1, document)).answers[0].tokens is None


def test_overlapping_arcs_have_lanes_of_their_own() -> None:
    pairs = ((1, 4), (2, 3), (5, 6), (7, 7))
    arcs, lanes = arcs_of([Answer(emotion=e, cause=c) for e, c in pairs])
    assert lanes == 2
    assert arcs[0].x < arcs[1].x == arcs[2].x == arcs[3].x


@pytest.mark.parametrize("id", ["rankcp", "eacl", "eqn"])
def test_rows_of_annotate_open_in_the_same_page(id: str, tmp_path: Path) -> None:
    document = some_documents(built(id).task.id)[0]
    (row,) = annotate_texts(built(id), [document], Options() if id != "rankcp" else Options(top=2))
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    (found,) = read_explanations(path)
    assert [part.text for part in found.parts] == [segment.text for segment in document.segments]
    _, full = explained(id)
    scores = [answer.score for answer in full.answers]
    assert [answer.name for answer in found.answers] == [answer.name for answer in full.answers]
    assert [answer.score for answer in found.answers] == pytest.approx(scores, abs=2e-4)
    assert main(["explain", "--from", str(path), "--html", str(tmp_path / "pages")]) == 0
    assert (tmp_path / "pages" / "index.html").is_file()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nothing", "annotate or explain"),
        ("[1]", "annotate or explain"),
        ('{"id": "a"}', "annotate or explain"),
        (
            '{"id": "a", "clauses": ["x"], "pairs": [{"emotion": 2, "cause": 1, "probability": 1}]}',
            "from 1 to 1",
        ),
        ('{"format": "other", "id": "a", "parts": [], "answers": []}', "format"),
    ],
)
def test_other_files_are_one_line(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=message) as caught:
        list(read_explanations(path))
    assert f"{path}:2: expected" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = save(built("rule"), tmp_path / "rule.ckpt")
    source, rows = tmp_path / "in.jsonl", tmp_path / "why.jsonl"
    source.write_text(
        '{"id": "a", "segments": ["他 来 了", "钱 经理 感到 格外 恐惧"]}\nbroken\n', encoding="utf-8"
    )
    common = ["explain", "--ckpt_path", str(checkpoint), "--input", str(source)]
    assert main([*common, "--on_error", "skip", "--no_gradients"]) == 0
    shown = capsys.readouterr()
    assert "emotion 2, cause 1: score 1.0000" in shown.out
    assert "-1.0000 without 2 (blanked)" in shown.out
    assert "left out" in shown.err
    assert main([*common, "--json", str(rows)]) == 1
    assert "in.jsonl:2: expected" in capsys.readouterr().err
    assert not rows.exists()
    assert main([*common, "--json", str(rows), "--html", str(tmp_path / "pages"), "--on_error", "skip"]) == 0
    assert not capsys.readouterr().out
    (found,) = read_explanations(rows)
    assert found.answers[0].changes == (0.0, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "x"], "--ckpt_path and --input, or --from alone"),
        (["--from", "x", "--input", "y"], "--ckpt_path and --input, or --from alone"),
        (["--from", "there"], "expected rows of annotate or explain"),
        (["--from", "x", "--most", "0"], "--most to be at least 1"),
        (["--from", "x", "--json", "full/file"], "--overwrite"),
        (["--from", "x", "--html", "full"], "to be empty"),
    ],
)
def test_mistakes_are_one_line(
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert main(["explain", *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_empty_input_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").touch()
    assert main(["explain", "--from", str(tmp_path / "in.jsonl")]) == 0
    assert "0 texts" in capsys.readouterr().err


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ZooError, match="to be a folder"):
        Pages(tmp_path / "file")

"""Rows of single texts and of texts behind their context."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import ByteLevel, Whitespace
from tokenizers.processors import BertProcessing, RobertaProcessing

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.errors import ZooError
from ecpe_zoo.text.texts import TextReader, targets_of, training_texts
from ecpe_zoo.text.tokenizers import SPECIAL, PretrainedTokenizer, TokenizerFacts, VocabularyTokenizer

WORDS = [*SPECIAL, *"abcdefghijklmnopqrst"]
PAD, CLS, SEP = 0, 2, 3


def ids(letters: str) -> list[int]:
    return [WORDS.index(letter) for letter in letters]


def document(*texts: str, judged: Sequence[int] = (-1,)) -> Document:
    wanted = {place % len(texts) for place in judged}
    segments = tuple(
        Segment(text, emotions=("joy",) if place in wanted else (), judged=place in wanted)
        for place, text in enumerate(texts)
    )
    return Document("d", segments, language="en")


def reader(max_tokens: int | None = None, context: bool = False) -> TextReader:
    return TextReader(VocabularyTokenizer(WORDS, "characters"), max_tokens, context)


def pretrained(processor: BertProcessing | RobertaProcessing) -> PretrainedTokenizer:
    backend = Backend(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.pre_tokenizer = Whitespace()
    backend.post_processor = processor
    facts: TokenizerFacts = {
        "cls": CLS,
        "sep": SEP,
        "mask": 4,
        "pad": PAD,
        "special": [0, 1, 2, 3, 4],
        "max_tokens": 128,
    }
    return PretrainedTokenizer(backend.to_str(), facts)


def test_a_single_text() -> None:
    row = reader().row(document("a b c"), 0)
    assert row == ([CLS, *ids("abc"), SEP], 5, False)
    row = reader().row(document("x y", "a b c"), 1)  # the context is not read
    assert row.ids == [CLS, *ids("abc"), SEP]


def test_a_text_behind_its_context() -> None:
    row = reader(context=True).row(document("a b", "c", "d e"), 2)
    assert row.ids == [CLS, *ids("ab"), SEP, *ids("c"), SEP, *ids("de"), SEP]
    assert row.second == 6
    alone = reader(context=True).row(document("d e"), 0)
    assert alone.ids == [CLS, *ids("de"), SEP]
    assert alone.second == len(alone.ids)


def test_the_separators_are_those_of_the_tokenizers_model() -> None:
    bert = pretrained(BertProcessing(("[SEP]", SEP), ("[CLS]", CLS)))
    roberta = pretrained(RobertaProcessing(("[SEP]", SEP), ("[CLS]", CLS)))
    for tokenizer in (bert, roberta):
        mine = TextReader(tokenizer, None, context=True).row(document("a b", "c d"), 1)
        assert mine.ids == tokenizer.backend.encode("a b", "c d").ids
        assert TextReader(tokenizer, None).row(document("c d"), 0).ids == tokenizer.backend.encode("c d").ids
    assert (bert.pair_separators, roberta.pair_separators) == (1, 2)


def test_pieces_are_what_tokens_stand_for() -> None:
    bert = pretrained(BertProcessing(("[SEP]", SEP), ("[CLS]", CLS)))
    own = VocabularyTokenizer(WORDS, "characters")
    for tokenizer in (bert, own):
        assert tokenizer.pieces("a  zebra, b") == ["a", "zebra", ",", "b"]
        assert len(tokenizer.encode("a  zebra, b")) == 4  # with one that is unknown, shown as written


def test_the_context_is_cut_from_the_left_and_the_text_survives() -> None:
    before, text = "a b c d e f", "p q r s t"
    for limit in range(11, 15):
        row = reader(limit, context=True).row(document(before, text), 1)
        room = limit - 3 - 5
        assert row.ids == [CLS, *ids("abcdef")[6 - room :], SEP, *ids("pqrst"), SEP]
        assert len(row.ids) == limit
        assert not row.cut
    row = reader(11, context=True).row(document(before, "a b c d e f g h i"), 1)
    assert row.ids == [CLS, *ids("abcdefghi"), SEP]  # no room for a context
    row = reader(11, context=True).row(document(before, "a b c d e f g h i j k"), 1)
    assert row == ([CLS, *ids("abcdefghi"), SEP], 11, True)
    with pytest.raises(ZooError, match="max_tokens of at least 11"):
        reader(10)


def test_a_batch() -> None:
    documents = [document("a b", "c d e", "f", judged=(1, 2)), document("g")]
    batch = reader(context=True).batch(documents)
    assert batch.ids == ["d", "d"]
    assert batch.sizes == [3, 1]
    assert batch.cut == [0, 0]
    assert batch.places == [(0, 1), (0, 2), (1, 0)]
    assert batch.lengths == [8, 10, 3]
    assert batch.tokens.tolist() == [
        [CLS, *ids("ab"), SEP, *ids("cde"), SEP, PAD, PAD],
        [CLS, *ids("ab"), SEP, *ids("cde"), SEP, *ids("f"), SEP],
        [CLS, *ids("g"), SEP, *[PAD] * 7],
    ]
    assert batch.types.tolist() == [[0] * 4 + [1] * 4 + [0] * 2, [0] * 8 + [1] * 2, [0] * 10]
    assert batch.targets.shape == (3, 0)
    assert reader(context=True).tokens(documents[0]) == 18


def test_turns_have_a_boundary_and_a_speaker() -> None:
    """A byte-level tokenizer joined the last word of a turn with the first of the next."""
    backend = Backend(BPE({letter: place for place, letter in enumerate(SPECIAL + tuple("abn:Ġ"))}, []))
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    facts: TokenizerFacts = {
        "cls": CLS,
        "sep": SEP,
        "mask": 4,
        "pad": PAD,
        "special": [0, 1, 2, 3, 4],
        "max_tokens": 128,
    }
    tokenizer = PretrainedTokenizer(backend.to_str(), facts)
    a, b, n, colon, space = range(5, 10)
    turns = (Segment("ab", speaker="n", judged=False), Segment("b", judged=False), Segment("a", speaker="n"))
    talk = Document("d", turns, language="en")
    row = TextReader(tokenizer, None, context=True).row(talk, 2)
    named = [n, colon, space]
    assert row.ids == [CLS, *named, a, b, SEP, b, SEP, *named, a, SEP]
    assert row.second == 9
    cut = TextReader(tokenizer, 11, context=True)  # room for four tokens of context
    assert cut.row(talk, 2).ids == [CLS, a, b, SEP, b, SEP, *named, a, SEP]
    assert TextReader(tokenizer, None).row(talk, 2).ids == [CLS, a, SEP]  # by itself, a text has no speaker


def test_a_cut_context_begins_with_a_word() -> None:
    row = reader(11, context=True).row(document("a b c", "d e", "o p q r s t"), 2)
    assert row.ids == [CLS, *ids("de"), SEP, *ids("opqrst"), SEP]  # not [SEP], for which there was room


def test_targets_and_texts_without_one() -> None:
    segments = (
        Segment("a", emotions=("joy",)),
        Segment("b"),
        Segment("c", intensities={"fear": 2.5}),
        Segment("d", emotions=("fear",), judged=False),
    )
    some = Document("d", segments, language="en")

    def target(segment: Segment) -> list[float] | None:
        return targets_of(segment, ["fear", "joy"], soft=True)

    batch = reader().batch([some], target)
    assert batch.places == [(0, 0), (0, 2)]
    torch.testing.assert_close(batch.targets, torch.tensor([[0.0, 1.0], [0.25, 0.0]]))
    units = training_texts([some, document("e")], target)
    assert [(unit.id, [segment.text for segment in unit.segments]) for unit in units] == [
        ("d#0", ["a"]),
        ("d#2", ["c"]),
        ("d", ["e"]),
    ]
    assert [len(unit) for unit in training_texts([some], target, context=True)] == [1, 3]

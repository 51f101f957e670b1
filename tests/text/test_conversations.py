from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, trainers

from ecpe_zoo.corpora.document import Document, Segment, document_from_texts
from ecpe_zoo.errors import ZooError
from ecpe_zoo.text.conversations import ORDER_NAMES, ConversationReader, Speakers, unit_of, with_speakers
from ecpe_zoo.text.tokenizers import (
    PretrainedTokenizer,
    TokenizerFacts,
    VocabularyTokenizer,
    count_vocabulary,
)

TURNS = ["hello there", "good day", "I won", "me too"]
SPEAKERS = ["Ann", "Bob", "Ann", "Bob"]


def conversation(*texts: str) -> Document:
    return document_from_texts("c", texts, speakers=SPEAKERS[: len(texts)], language="en")


@pytest.fixture
def tokenizer() -> VocabularyTokenizer:
    words = ["For utterance : says feels Ann Bob Somebody a b", *TURNS]
    return VocabularyTokenizer(count_vocabulary(words, "words", min_count=1), "words")


def text_of(tokenizer: VocabularyTokenizer, ids: list[int]) -> str:
    names = {index: word for word, index in tokenizer.ids.items()}
    return " ".join(names[index] for index in ids)


def test_a_row_is_the_papers_prompt(tokenizer: VocabularyTokenizer) -> None:
    row = ConversationReader(tokenizer, 2, 64).row(conversation(*TURNS), 3)
    assert text_of(tokenizer, row.ids) == (
        "[CLS] bob says : good day [SEP] ann says : i won [SEP] for utterance : me too bob feels [MASK] [SEP]"
    )
    assert row.ids[row.mask_at] == tokenizer.mask_id
    assert not row.cut


def test_no_later_turn_is_read(tokenizer: VocabularyTokenizer) -> None:
    reader = ConversationReader(tokenizer, 8, 64)
    assert reader.row(conversation(*TURNS), 1) == reader.row(conversation(*TURNS[:2]), 1)


def test_the_oldest_tokens_are_lost_first_and_never_the_mask(tokenizer: VocabularyTokenizer) -> None:
    whole = ConversationReader(tokenizer, 8, 512).row(conversation(*TURNS), 3)
    for limit in range(24, len(whole.ids) + 1):
        row = ConversationReader(tokenizer, 8, limit).row(conversation(*TURNS), 3)
        assert len(row.ids) == min(limit, len(whole.ids))
        assert row.ids[0] == tokenizer.cls_id
        assert row.ids[1:] == whole.ids[len(whole.ids) - len(row.ids) + 1 :]
        assert row.ids[row.mask_at] == tokenizer.mask_id


def test_a_very_long_utterance_is_cut_and_counted(tokenizer: VocabularyTokenizer) -> None:
    long = conversation("hello there", " ".join(["a"] * 1999 + ["b"]))
    reader = ConversationReader(tokenizer, 8, 64)
    row = reader.row(long, 1)
    assert len(row.ids) == 64
    assert row.cut
    assert text_of(tokenizer, row.ids).endswith("a b bob feels [MASK] [SEP]")
    batch = reader.batch([long, conversation("I won")], ["joy", "neutral"])
    assert batch.cut == [1, 0]
    assert batch.sizes == [2, 1]
    assert batch.places == [(0, 0), (0, 1), (1, 0)]


def test_turns_that_are_not_judged_are_context_only(tokenizer: VocabularyTokenizer) -> None:
    segments = (Segment("hello there", "Ann", judged=False), Segment("good day", "Bob", ("joy",)))
    document = Document("c", segments, None, "en")
    reader = ConversationReader(tokenizer, 8, 64)
    batch = reader.batch([document], ["anger", "joy"])
    assert batch.places == [(0, 1)]
    assert batch.labels.tolist() == [1]
    assert reader.tokens(document) == batch.lengths[0]
    assert reader.batch([document.without_gold()], ["joy"]).labels.tolist() == [-1]


def test_a_piece_of_a_conversation_gives_the_same_row(tokenizer: VocabularyTokenizer) -> None:
    reader = ConversationReader(tokenizer, 2, 64)
    whole = conversation(*TURNS)
    batch = reader.batch([whole], [])
    for index in range(len(whole)):
        piece = reader.batch([unit_of(whole, index, 2)], [])
        assert piece.keys == [batch.keys[index]]


def test_speakers_may_be_unknown_and_chinese_has_its_own_words(tokenizer: VocabularyTokenizer) -> None:
    reader = ConversationReader(tokenizer, 2, 64)
    row = reader.row(document_from_texts("c", ["I won"], language="en"), 0)
    assert "somebody feels [MASK]" in text_of(tokenizer, row.ids)
    assert len(reader.row(document_from_texts("c", ["I won"], language="zh"), 0).ids) > 5


def test_speakers_are_named_as_in_the_released_code(tokenizer: VocabularyTokenizer) -> None:
    names = ["Ross Geller", "Joey Tribbiani and Ross Geller", "#ALL#", "Ross Geller"]
    document = document_from_texts("c", TURNS, speakers=names, language="en")

    def speakers(how: Speakers) -> list[str | None]:
        return [segment.speaker for segment in with_speakers(document, how).segments]

    assert speakers("given") == names
    assert speakers("first-name") == ["Ross", "Joey", "#ALL#", "Ross"]
    first, second, third = ORDER_NAMES["en"][:3]
    assert speakers("by-order") == [first, second, third, first]
    for how in ("given", "first-name", "by-order"):
        named = with_speakers(document, how)  # type: ignore[arg-type]
        ours = ConversationReader(tokenizer, 8, 64, how)  # type: ignore[arg-type]
        plain = ConversationReader(tokenizer, 8, 64)
        assert ours.batch([document], []).keys == plain.batch([named], []).keys
        assert ours.tokens(document) == plain.tokens(named)


@pytest.mark.parametrize("how", ["given", "first-name", "by-order"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("count", [2, 20])
def test_a_piece_of_a_named_conversation_keeps_its_names(how: Speakers, language: Any, count: int) -> None:
    texts = [f"turn {number}" for number in range(30)]
    given = [None if number == 3 else f"Person {number * 7 % count} Smith" for number in range(30)]
    document = document_from_texts("c", texts, speakers=given, language=language)
    named = with_speakers(document, how)
    found = [segment.speaker for segment in named.segments]
    assert found[3] is None
    if how == "by-order":
        assert len(set(found)) == count + 1
    for index in range(30):
        piece = unit_of(named, index, 4)
        assert with_speakers(piece, how) == piece


def test_rows_too_short_for_the_prompt_are_refused(tokenizer: VocabularyTokenizer) -> None:
    with pytest.raises(ZooError, match="max_tokens"):
        ConversationReader(tokenizer, 2, 10)


@pytest.mark.parametrize(("cls", "sep", "mask", "pad"), [(0, 2, 4, 1), (1, 2, 4, 0)])
def test_marks_come_from_the_tokenizer_of_roberta_or_deberta_kind(
    cls: int, sep: int, mask: int, pad: int
) -> None:
    backend = Backend(models.BPE(unk_token=None))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    names = {cls: "<s>", sep: "</s>", mask: "<mask>", pad: "<pad>"}
    special = [names.get(index, f"<{index}>") for index in range(5)]
    trainer = trainers.BpeTrainer(
        special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator(TURNS, trainer)
    facts: TokenizerFacts = {
        "cls": cls,
        "sep": sep,
        "mask": mask,
        "pad": pad,
        "special": [0, 1, 2, 3, 4],
        "max_tokens": 128,
    }
    reader = ConversationReader(PretrainedTokenizer(backend.to_str(), facts), 8, 128)
    batch = reader.batch([conversation(*TURNS)], [])
    for row, length in enumerate(batch.lengths):
        ids = batch.tokens[row].tolist()
        assert ids[0] == cls
        assert ids[length - 1] == sep
        assert ids[int(batch.mask_at[row])] == mask
        assert set(ids[length:]) <= {pad}

"""Special tokens typed in a text are plain text, for every kind of tokenizer and every reader of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from tokenizers import AddedToken, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Backend

from ecpe_zoo.corpora.document import Document, document_from_texts
from ecpe_zoo.text.conversations import FRAMES, ConversationReader
from ecpe_zoo.text.prompts import KINDS, PROMPT_TEXTS
from ecpe_zoo.text.queries import Query, QueryBuilder
from ecpe_zoo.text.texts import TextReader
from ecpe_zoo.text.tokenizers import (
    FROM_FILE,
    SPECIAL,
    PretrainedTokenizer,
    Tokenizer,
    TokenizerFacts,
    VocabularyTokenizer,
    count_vocabulary,
)

BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
TYPED = (*BERT, *ROBERTA, "[mask]", "＜ｓ＞", "a<mask>b", "[SEP][SEP]", " <mask> ", "<s>so sad</s>")
TEXTS = ["I won a mask", "so sad , so sad", "he said : [ no ] < yes > /", *PROMPT_TEXTS]


def facts(names: Sequence[str], backend: Backend) -> TokenizerFacts:
    pad, unknown, cls, sep, mask = (backend.token_to_id(name) or 0 for name in names)
    special = [pad, unknown, cls, sep, mask]
    return {"cls": cls, "sep": sep, "mask": mask, "pad": pad, "special": special, "max_tokens": 128}


def word_piece(split: pre_tokenizers.PreTokenizer, names: Sequence[str] = BERT) -> PretrainedTokenizer:
    """As BERT's, over words or over whatever stands between spaces."""
    characters = sorted(set("".join(TEXTS)) - {" "})
    pieces = [*names, *characters, *(f"##{c}" for c in characters), "mask", "sad"]
    backend = Backend(models.WordPiece({piece: n for n, piece in enumerate(pieces)}, unk_token=names[1]))
    backend.pre_tokenizer = split
    backend.add_special_tokens(list(names))
    backend.post_processor = processors.BertProcessing((names[3], 3), (names[2], 2))
    return PretrainedTokenizer(backend.to_str(), facts(names, backend))


def byte_pairs() -> PretrainedTokenizer:
    """As RoBERTa's; the mask takes the space before it."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        special_tokens=[*ROBERTA[:4]], initial_alphabet=alphabet, vocab_size=400, show_progress=False
    )
    backend.train_from_iterator([*TEXTS, "<mask> </s> <s>"], trainer)
    backend.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return PretrainedTokenizer(backend.to_str(), facts(ROBERTA, backend))


def unigram() -> PretrainedTokenizer:
    """As XLM-RoBERTa's and DeBERTa-v3's: the marks are pieces of the model, and NFKC makes one of wide brackets."""
    letters = sorted(set("".join(TEXTS)) - {" "})
    pieces = [*((name, 0.0) for name in ROBERTA[:4]), *((letter, -9.0) for letter in ("▁", *letters))]
    backend = Backend(models.Unigram([*pieces, ("▁sad", -3.0), ("mask", -3.0)], unk_id=1))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.add_special_tokens([*ROBERTA[:4], AddedToken("<mask>", lstrip=True)])
    return PretrainedTokenizer(backend.to_str(), facts(ROBERTA, backend))


def not_flagged() -> PretrainedTokenizer:
    """Marks that were added without being called special."""
    backend = Backend(models.WordLevel({name: n for n, name in enumerate((*BERT, "so", "sad"))}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.add_tokens(list(BERT))
    return PretrainedTokenizer(backend.to_str(), facts(BERT, backend))


def vocabulary(units: str) -> VocabularyTokenizer:
    """A vocabulary counted from text, and for words a file that holds the names of marks itself."""
    from_file = ["[SEP]", "<s>", "[", "sad"] if units == "words" else []
    words = count_vocabulary(TEXTS, units, min_count=1, from_file=from_file)  # type: ignore[arg-type]
    return VocabularyTokenizer(words, units)  # type: ignore[arg-type]


TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "bert": lambda: word_piece(pre_tokenizers.BertPreTokenizer()),
    "between spaces": lambda: word_piece(pre_tokenizers.WhitespaceSplit()),
    "roberta": byte_pairs,
    "unigram": unigram,
    "not flagged": not_flagged,
    "characters": lambda: vocabulary("characters"),
    "words": lambda: vocabulary("words"),
}


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return TOKENIZERS[request.param]()


def marks_of(tokenizer: Tokenizer) -> set[int]:
    return {tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id, tokenizer.pad_id}


@pytest.mark.parametrize("typed", TYPED)
def test_typed_marks_are_plain_text(tokenizer: Tokenizer, typed: str) -> None:
    for text in (typed, f"so {typed} sad", f"{typed}{typed}"):
        ids = tokenizer.encode(text)
        assert ids
        assert not marks_of(tokenizer) & set(ids), text
        pieces = tokenizer.pieces(text)
        assert len(pieces) == len(ids)
        assert all(piece in text for piece in pieces)


def test_other_text_is_encoded_as_before(tokenizer: Tokenizer) -> None:
    if not isinstance(tokenizer, PretrainedTokenizer):
        return
    untouched = Backend.from_str(tokenizer.backend.to_str())
    for text in (*TEXTS, "", "sad mask [ ] <>", "né 天"):
        assert tokenizer.encode(text) == untouched.encode(text, add_special_tokens=False).ids


def test_added_words_that_are_no_marks_stay_one_token() -> None:
    backend = Backend.from_str(byte_pairs().backend.to_str())
    backend.add_tokens(["[NAME]"])
    tokenizer = PretrainedTokenizer(backend.to_str(), facts(ROBERTA, backend))
    assert tokenizer.encode("[NAME]<mask>")[0] == backend.token_to_id("[NAME]")
    assert not marks_of(tokenizer) & set(tokenizer.encode("[NAME]<mask>"))


@pytest.mark.parametrize("typed", TYPED)
def test_rows_have_their_own_marks_and_no_others(tokenizer: Tokenizer, typed: str) -> None:
    """Texts and speakers with typed marks against plain ones: as many marks, each in its place."""

    def conversation(word: str) -> Document:
        texts = ["so sad", f"so {word}", f"{word} sad"]
        return document_from_texts("d", texts, speakers=[f"I{word}"] * 3, language="en")

    def marks(ids: Sequence[int]) -> list[int]:
        return [id for id in ids if id in marks_of(tokenizer)]

    cls, sep, mask = tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id
    row = ConversationReader(tokenizer, 8, 512).row(conversation(typed), 2)
    assert marks(row.ids) == [cls, sep, sep, mask, sep]
    assert row.ids[row.mask_at] == mask
    between = [sep] * tokenizer.pair_separators
    for context, expected in ((False, [cls, sep]), (True, [cls, sep, *between, sep])):
        assert marks(TextReader(tokenizer, None, context).row(conversation(typed), 2).ids) == expected
    builder = QueryBuilder(tokenizer, None)
    rows = builder.rows([builder.tokenise(conversation(typed))], [Query(0, KINDS.index("ESCE"), 1)])
    assert marks(rows.tokens[0].tolist()) == [cls, sep, sep, sep]


def test_no_prompt_holds_a_typed_mark() -> None:
    """Prompts get their marks as ids: as text they would be plain."""
    frames = [part for frame in FRAMES.values() for part in frame]
    assert not [part for part in (*PROMPT_TEXTS, *frames) for name in (*BERT, *ROBERTA) if name in part]


def test_a_file_of_vectors_cannot_take_the_marks_over() -> None:
    words = count_vocabulary(["so sad"], "words", min_count=1, from_file=[*SPECIAL, "sad"])
    tokenizer = VocabularyTokenizer(words, "words")
    marks = (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
    assert marks == (0, 1, 2, 3, 4)
    assert tokenizer.special_ids == {0, 1, 2, 3, 4, words.index(FROM_FILE)}

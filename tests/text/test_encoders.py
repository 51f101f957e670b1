"""The three kinds of encoder, built, rebuilt from a vocabulary alone, and blind to padding."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from ecpe_zoo.errors import CorpusError, ZooError
from ecpe_zoo.layers.optimisation import parameter_groups
from ecpe_zoo.options import EncoderSettings
from ecpe_zoo.text.encoders import Vocabulary, make_encoder, make_encoder_vocabulary
from ecpe_zoo.text.token_encoder import TokenEncoder
from ecpe_zoo.text.tokenizers import FROM_FILE, SPECIAL, VocabularyTokenizer, count_vocabulary
from ecpe_zoo.text.transformer_encoder import TransformerEncoder, rounded_width
from ecpe_zoo.text.vectors import read_word_vectors

TEXTS = ["我 很 高兴 ，", "我 哭 了", "She cried , she cried", "高兴 高兴"]
PROMPTS = ["哪些 子句 ？"]


@pytest.fixture
def bert_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder like bert-base-chinese's, with random weights in half precision."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "bert-tiny-chinese"
    characters = sorted(set("".join(TEXTS + PROMPTS)) - {" "})
    BertModel(
        BertConfig(
            vocab_size=len(characters) + 5,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=40,
        )
    ).half().save_pretrained(folder)
    order = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    (folder / "vocab.txt").write_text("\n".join(order), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}), encoding="utf-8"
    )
    return str(folder)


@pytest.fixture
def vectors(tmp_path: Path) -> str:
    path = tmp_path / "vectors.txt.gz"
    lines = ["3 4", "高兴 1 2 3 4", "Cried 0 0 0 1", "only 5 5 5 5"]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(params=["embedded", "recurrent", "vectors", "folder"])
def settings(request: pytest.FixtureRequest) -> EncoderSettings:
    match request.param:
        case "embedded":
            return EncoderSettings("embedded", size=16, heads=2, layers=1)
        case "recurrent":
            return EncoderSettings("recurrent", size=12, layers=2, vector_size=6)
        case "vectors":
            path = request.getfixturevalue("vectors")
            return EncoderSettings("recurrent", size=12, vectors=path, vector_size=4, train_vectors=False)
        case _:
            return EncoderSettings(request.getfixturevalue("bert_folder"))


def build(settings: EncoderSettings, from_checkpoint: bool = False) -> tuple[TokenEncoder, Vocabulary]:
    vocabulary = make_encoder_vocabulary(settings, TEXTS, PROMPTS)
    return make_encoder(settings, vocabulary, from_checkpoint).eval(), vocabulary


def batch(encoder: TokenEncoder, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [[encoder.tokenizer.cls_id, *encoder.tokenizer.encode(text)] for text in texts]
    width = max(map(len, rows))
    ids = torch.tensor([row + [encoder.tokenizer.pad_id] * (width - len(row)) for row in rows])
    return ids, torch.arange(width) < torch.tensor([[len(row)] for row in rows])


def test_shape_gradient_and_padding(settings: EncoderSettings) -> None:
    encoder, _ = build(settings)
    ids, mask = batch(encoder, ["我 哭 了", "我 很 高兴 ， 高兴 高兴"])
    types = torch.zeros_like(ids)
    types[:, 2:] = 1
    output = encoder(ids, mask, types)
    assert output.shape == (*ids.shape, encoder.hidden_size)
    assert output.dtype == torch.float32
    alone = encoder(ids[:1, mask[0]], mask[:1, mask[0]], types[:1, mask[0]])
    torch.testing.assert_close(output[0, mask[0]], alone[0], atol=1e-5, rtol=0)
    output.square().sum().backward()
    without = [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_words_without_a_gradient_do_not_move(settings: EncoderSettings) -> None:
    encoder, _ = build(settings)
    optimizer = torch.optim.AdamW(parameter_groups([(encoder, 1e-2)], 0.5))
    tables = [part.weight for part in encoder.modules() if isinstance(part, torch.nn.Embedding)]
    before = [table.detach().clone() for table in tables]
    ids, mask = batch(encoder, ["我 很 高兴"])
    for _ in range(3):
        optimizer.zero_grad()
        encoder(ids, mask).square().sum().backward()
        optimizer.step()
    idle = 0
    for table, start in zip(tables, before, strict=True):
        untouched = torch.ones(len(table), dtype=torch.bool) if table.grad is None else ~table.grad.any(dim=1)
        assert torch.equal(table[untouched], start[untouched])
        idle += int(untouched.sum())
    assert idle > 0
    assert any((table != start).any() for table, start in zip(tables, before, strict=True))


def test_rebuilt_without_files(settings: EncoderSettings) -> None:
    encoder, vocabulary = build(settings)
    gone = replace(
        settings,
        name="/no/such/folder" if settings.name not in ("embedded", "recurrent") else settings.name,
        vectors="/no/such/file" if settings.vectors else None,
    )
    again = make_encoder(gone, json.loads(json.dumps(vocabulary)), from_checkpoint=True).eval()
    again.load_state_dict(encoder.state_dict())
    ids, mask = batch(encoder, TEXTS)
    again_ids, _ = batch(again, TEXTS)
    assert torch.equal(ids, again_ids)
    assert again.max_tokens == encoder.max_tokens
    torch.testing.assert_close(encoder(ids, mask)[mask], again(ids, mask)[mask])


def test_bf16(settings: EncoderSettings) -> None:
    encoder, _ = build(settings)
    ids, mask = batch(encoder, TEXTS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert encoder(ids, mask)[mask].isfinite().all()


def test_pretrained_facts(bert_folder: str) -> None:
    encoder, _ = build(EncoderSettings(bert_folder))
    tokenizer = encoder.tokenizer
    assert encoder.max_tokens == 40
    assert (tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id) == (0, 2, 3, 4)
    assert tokenizer.special_ids == {0, 1, 2, 3, 4}
    assert len(tokenizer.encode("我 很 高兴")) == 4  # characters, no special tokens
    stored = BertModel.from_pretrained(bert_folder).state_dict()
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(value, stored[name.removeprefix("model.")].float())


def test_the_lowest_layers_of_a_pretrained_encoder_are_kept(bert_folder: str) -> None:
    whole, low = (build(EncoderSettings(bert_folder, layers=layers))[0] for layers in (None, 1))
    stored = whole.state_dict()
    assert {name for name in stored if ".layer.1." in name} == stored.keys() - low.state_dict().keys()
    for name, value in low.state_dict().items():
        torch.testing.assert_close(value, stored[name])
    with pytest.raises(ZooError, match=r"layers from 1 to the 2 layers of .* but got 3"):
        build(EncoderSettings(bert_folder, layers=3))


def test_a_checkpoint_of_the_first_releases_holds_json_texts(bert_folder: str) -> None:
    settings = EncoderSettings(bert_folder)
    encoder, source = build(settings)
    assert not isinstance(source, list)
    old = [json.dumps(source["config"]), json.dumps(source["facts"]), source["tokenizer"]]
    again = make_encoder(settings, old, True)
    again.load_state_dict(encoder.state_dict())
    assert again.max_tokens == encoder.max_tokens
    assert again.tokenizer.encode("我 很 高兴") == encoder.tokenizer.encode("我 很 高兴")


def test_placeholders_are_one_token_each(bert_folder: str) -> None:
    settings = EncoderSettings(bert_folder)
    plain = build(settings)[0]
    vocabulary = make_encoder_vocabulary(settings, ["我 [NAME]", "[RELIGION] 很"], [])
    encoder = make_encoder(settings, vocabulary, False).eval()
    assert isinstance(encoder, TransformerEncoder)
    tokenizer = encoder.tokenizer
    assert len(tokenizer.encode("我[NAME] 很")) == 3 < len(plain.tokenizer.encode("我[NAME] 很"))
    assert len({*tokenizer.encode("[NAME] [RELIGION]")} - {*tokenizer.encode("name religion")}) == 2
    assert tokenizer.pieces("我[NAME]") == ["我", "[NAME]"]
    table = encoder.model.get_input_embeddings().weight
    words = tokenizer.encode("name")
    torch.testing.assert_close(table[tokenizer.encode("[NAME]")[0]], table[words].mean(dim=0))
    ids, mask = batch(encoder, ["[NAME] 很"])
    assert encoder(ids, mask).isfinite().all()
    again = make_encoder(settings, vocabulary, True).eval()
    again.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(again(ids, mask), encoder(ids, mask))
    own = VocabularyTokenizer(count_vocabulary(["[NAME] a", "a [NAME]"], "words"), "words")
    assert own.unk_id not in own.encode("[NAME]")


def test_unknown_name_says_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ZooError, match=r"'embedded', 'recurrent'.*no-such/encoder.*path of the folder"):
        make_encoder_vocabulary(EncoderSettings("./no-such/encoder"), TEXTS, PROMPTS)


def test_vectors_reach_their_words_and_stay_frozen(vectors: str) -> None:
    encoder, vocabulary = build(
        EncoderSettings("recurrent", 8, vectors=vectors, vector_size=4, train_vectors=False)
    )
    assert isinstance(vocabulary, list)
    assert vocabulary[vocabulary.index(FROM_FILE) + 1 :] == ["高兴", "Cried", "only"]
    tokens = encoder.tokenizer.encode("高兴 only 哪些 天书")
    start = vocabulary.index(FROM_FILE) + 1
    assert tokens[:2] == [start, start + 2]
    assert tokens[2] < start  # a prompt's word is learned although it is rare
    assert tokens[3] == SPECIAL.index("[UNK]")
    file_words = encoder.file_words
    assert isinstance(file_words, torch.nn.Embedding)
    assert file_words.weight[0].tolist() == [1, 2, 3, 4]
    assert not file_words.weight.requires_grad


def test_vectors_of_another_size(vectors: str) -> None:
    with pytest.raises(ZooError, match=r"Give --model\.encoder\.vector_size 4"):
        build(EncoderSettings("recurrent", vectors=vectors))


def test_vocabulary_counts_units() -> None:
    vocabulary = count_vocabulary(TEXTS, "characters", always=["哪"])
    assert vocabulary == [*SPECIAL, "兴", "高", "cried", "she", "我", "哪"]
    tokenizer = VocabularyTokenizer(vocabulary, "characters")
    assert tokenizer.encode("She 我天") == [8, 9, 1]


def test_rounded_widths_are_few_and_cost_little() -> None:
    lengths = range(1, 513)
    widths = [rounded_width(length, most=512) for length in lengths]
    assert widths == sorted(widths)
    assert len(set(widths)) == 96
    assert all(width % 16 == 0 for width in widths[256:])
    assert rounded_width(513) == 544
    assert sum(widths) < 1.02 * sum(lengths)
    assert max(width / length for width, length in zip(widths, lengths, strict=True)) < 1 + 1 / 16
    assert [rounded_width(width) for width in widths] == widths
    assert rounded_width(500, most=502) == 502
    assert rounded_width(503, most=502) == 503  # the model itself refuses it


def roberta() -> TransformerEncoder:
    """Counts positions from its padding id on, which is 1."""
    config = RobertaConfig(
        vocab_size=12,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=39,
    )
    tokenizer = VocabularyTokenizer([*SPECIAL, *"abcdefg"], "characters")
    tokenizer.pad_id, tokenizer.unk_id = 1, 0
    return TransformerEncoder(RobertaModel(config), tokenizer, max_tokens=37)


@pytest.mark.parametrize("kind", ["embedded", "roberta"])
@pytest.mark.parametrize(("tokens", "width"), [(30, 30), (33, 34), (37, 37)])
def test_a_transformer_reads_few_widths_and_says_the_same(kind: str, tokens: int, width: int) -> None:
    encoder: TokenEncoder = roberta()
    if kind == "embedded":
        encoder, _ = build(EncoderSettings("embedded", size=16, heads=2, layers=1))
        encoder.max_tokens = 37
    assert isinstance(encoder.eval(), TransformerEncoder)
    ids = torch.randint(5, encoder.tokenizer.vocab_size, (3, tokens))
    mask = torch.ones_like(ids, dtype=torch.bool)
    ids[1, 20:], mask[1, 20:] = encoder.tokenizer.pad_id, False
    types = (torch.arange(tokens) > 9).long().expand(3, -1)
    model: Any = encoder.model
    seen: list[int] = []
    model.register_forward_pre_hook(
        lambda module, args, given: seen.extend(value.shape[1] for value in given.values()), with_kwargs=True
    )
    found = encoder(ids, mask, types)
    assert set(seen) == {width}
    assert found.shape == (3, tokens, encoder.hidden_size)
    given = {"token_type_ids": types} if encoder.has_types else {}
    plain = model(input_ids=ids, attention_mask=mask.long(), **given).last_hidden_state
    torch.testing.assert_close(found[mask], plain[mask], atol=1e-5, rtol=0)


def test_words_are_read_at_their_own_width() -> None:
    encoder, _ = build(EncoderSettings("recurrent", size=12, vector_size=6))
    seen: list[int] = []
    for module in encoder.modules():
        if isinstance(module, torch.nn.LSTM):
            module.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[1]))
    encoder(torch.ones(2, 33, dtype=torch.long), torch.ones(2, 33, dtype=torch.bool))
    assert set(seen) == {33}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e39"])
def test_vectors_that_are_no_numbers_are_refused_by_line(value: str, tmp_path: Path) -> None:
    path = tmp_path / "w.txt"
    path.write_text(f"2 2\na 1 2\nb 0 {value}\n")
    with pytest.raises(CorpusError, match=rf"w\.txt:3: expected 2 numbers.*'{value}'"):
        read_word_vectors(path)


@pytest.mark.parametrize("header", ["9" * 5000 + " 2", "0 " + "9" * 20, "2 x"])
def test_a_header_of_word_vectors_has_two_numbers(header: str, tmp_path: Path) -> None:
    path = tmp_path / "w.txt"
    path.write_text(f"{header}\na 1 2\n")
    with pytest.raises(CorpusError, match=r"w\.txt:1: expected 'count size', two numbers"):
        read_word_vectors(path)

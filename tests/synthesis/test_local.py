"""The local back end with a tiny random model, which yields nonsense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from ecpe_zoo.cli.main import main
from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis.language_model import Request
from ecpe_zoo.synthesis.local import LocalModel, SeededSampling, fingerprint
from tests.synthesis.teacher import write_narratives


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    bytes_ = Tokenizer(
        models.BPE({c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, [])
    )
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    bytes_.add_special_tokens(["<end>"])
    PreTrainedTokenizerFast(tokenizer_object=bytes_, eos_token="<end>").save_pretrained(path)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=257,
        n_positions=4096,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=256,
        eos_token_id=256,
        initializer_range=0.5,
    )
    GPT2LMHeadModel(config).save_pretrained(path)
    return path


def requests(count: int = 4, temperature: float = 1.0) -> list[Request]:
    words = ["Say", "Say something", "Say something long and winding", "?"]
    return [Request("m", "be brief", words[n % 4], n, temperature, 6 + n % 3) for n in range(count)]


def test_batch_mates_change_nothing(folder: Path) -> None:
    model = LocalModel(folder, batch=4, device="cpu")
    for temperature in (0.0, 1.0):
        asked = requests(temperature=temperature)
        together = model.complete(asked)
        alone = [model.complete([request])[0] for request in asked]
        assert [reply.text for reply in together] == [reply.text for reply in alone]
        assert [reply.prompt_tokens for reply in together] == [reply.prompt_tokens for reply in alone]
        assert [reply.completion_tokens for reply in together] == [6, 7, 8, 6]
        assert {reply.finish for reply in together} == {"length"}
    assert LocalModel(folder, device="cpu").complete(asked)[0].text == together[0].text


def test_seeds_decide_unless_the_temperature_is_zero(folder: Path) -> None:
    model = LocalModel(folder, device="cpu")
    for temperature, different in ((1.0, 4), (0.0, 1)):
        asked = [Request("m", "", "Say", seed, temperature, 8) for seed in range(4)]
        assert len({reply.text for reply in model.complete(asked)}) == different


def test_draws_follow_the_distribution() -> None:
    scores = torch.tensor([0.5, 0.3, 0.2]).log().expand(4000, 3)
    drawn = SeededSampling(range(4000), [1.0] * 4000)(torch.zeros(4000, 1), scores).argmax(dim=1)
    shares = torch.bincount(drawn, minlength=3) / 4000
    assert torch.allclose(shares, torch.tensor([0.5, 0.3, 0.2]), atol=0.03)


def test_an_answer_ends_where_the_model_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = LocalModel(folder, device="cpu")
    (whole,) = model.complete([Request("m", "", "Say", 0, 0.0, 8)])
    asked = [Request("m", "", "Say", 0, 0.0, 8)]
    generated = model._generate([model._tokens(asked[0])], asked)[0]
    monkeypatch.setattr(model, "stops", [generated[2]])
    (cut,) = model.complete(asked)
    assert cut.finish == "stop"
    assert (cut.completion_tokens or 9) <= 3
    assert whole.text.startswith(cut.text)


def test_a_prompt_that_is_too_long_is_refused_alone(folder: Path) -> None:
    model = LocalModel(folder, device="cpu")
    long = Request("m", "", "x" * 5000, 0, 0.0, 8)
    refused, answered = model.complete([long, requests()[0]])
    assert "in 4096 tokens, but got 50" in refused.refused
    assert not answered.refused
    assert answered.text == model.complete([requests()[0]])[0].text


def test_chat_templates_are_used(folder: Path, tmp_path: Path) -> None:
    model = LocalModel(folder, device="cpu")
    plain = model._tokens(requests()[0])
    assert model.tokenizer.decode(plain) == "be brief\n\nSay\n\nAnswer:\n"
    turns = "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}"
    model.tokenizer.chat_template = turns + "{% if add_generation_prompt %}[me]{% endif %}"
    assert model.tokenizer.decode(model._tokens(requests()[0])) == "[system] be brief[user] Say[me]"
    refusal = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    model.tokenizer.chat_template = refusal + "{{ messages[0].content }}"
    assert model.tokenizer.decode(model._tokens(requests()[0])) == "be brief\n\nSay"


def test_typed_special_tokens_are_plain_text_and_those_of_the_template_work(folder: Path) -> None:
    model = LocalModel(folder, device="cpu")
    end = model.tokenizer.eos_token_id
    typed = Request("m", "be brief", "Say <end> and <end><end>", 0, 0.0, 8)
    assert end not in model._tokens(typed)
    model.tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<end>{% endfor %}"
    tokens = model._tokens(typed)
    assert tokens.count(end) == 2
    assert model.tokenizer.decode(tokens) == "be brief<end>Say < end> and < end>< end><end>"
    untyped = Request("m", "be brief", "Say <en d> [end] < end>", 0, 0.0, 8)
    assert model.tokenizer.decode(model._tokens(untyped)) == "be brief<end>Say <en d> [end] < end><end>"


def test_the_name_follows_the_weights(folder: Path, tmp_path: Path) -> None:
    assert LocalModel(folder, device="cpu").name == f"tiny@{fingerprint(folder)}"
    copy = tmp_path / "tiny"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert fingerprint(copy) == fingerprint(folder)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert fingerprint(copy) != fingerprint(folder)
    (copy / "model.safetensors").unlink()
    with pytest.raises(ZooError, match="Expected a causal language model in"):
        LocalModel(copy)


def test_nonsense_is_kept_aside(folder: Path, tmp_path: Path) -> None:
    path = write_narratives(tmp_path / "narratives.jsonl", 3)
    command = [
        "synthesize",
        "--narratives",
        str(path),
        "--output",
        str(tmp_path / "out"),
        "--local",
        str(folder),
    ]
    command += ["--max-tokens", "12", "--attempts", "2", "--batch-size", "2", "--device", "cpu"]
    assert main(command) == 0
    rejected = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert [row["place"] for row in rejected] == ["n0/0", "n1/0", "n2/0"]
    assert {row["reason"] for row in rejected} == {"malformed answer"}
    assert all(row["answer"] and "asked 2 times" in row["detail"] for row in rejected)
    assert any("cut off at 12 tokens" in row["detail"] for row in rejected)
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert told["requests"]["asked"] == 6
    assert 6 < told["tokens"]["completion"] <= 6 * 12
    assert told["model"] == f"tiny@{fingerprint(folder)}"
    assert told["subsets"]["orig"]["accepted"] == 0
    before = (tmp_path / "out" / "rejected.jsonl").read_bytes()
    assert main(command) == 0
    assert (tmp_path / "out" / "rejected.jsonl").read_bytes() == before

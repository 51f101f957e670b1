"""A causal language model of transformers, from a local folder."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
)

from ecpe_zoo.errors import ZooError
from ecpe_zoo.synthesis.language_model import Reply, Request

_TAIL = 1 << 20  # bytes


class SeededSampling(LogitsProcessor):  # type: ignore[misc]
    """Draw each row's tokens with its own generator.

    The likeliest token of `log p / t + g`, where g is Gumbel noise, is a draw from p at temperature t. So a greedy
    search over such scores samples, and a row's draws do not depend on the rows beside it.

    Args:
        seeds: Seed of each row.
        temperatures: Temperature of each row; 0 leaves the row as it is, which takes the likeliest token.
    """

    def __init__(self, seeds: Sequence[int], temperatures: Sequence[float]) -> None:
        self.temperatures = temperatures
        self.seeds = seeds
        self.generators: list[torch.Generator] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Add the noise to scores (R, V)."""
        if not self.generators:
            self.generators = [torch.Generator(scores.device).manual_seed(seed) for seed in self.seeds]
        rows = [
            _noisy(row, temperature, generator) if temperature > 0 else row
            for row, temperature, generator in zip(
                scores.float(), self.temperatures, self.generators, strict=True
            )
        ]
        return torch.stack(rows)


def _noisy(scores: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    noise = -torch.empty_like(scores).exponential_(generator=generator).clamp_min_(1e-30).log()
    return scores / temperature + noise


class LocalModel:
    """A model and its tokenizer, which answer in batches.

    Args:
        folder: Folder of the model, as `save_pretrained` writes it.
        batch: Maximum number of requests per call.
        device: `cpu`, `cuda`, ...; by default an accelerator if there is one.

    Raises:
        ZooError: the folder holds no causal language model.
    """

    calls = 1

    def __init__(self, folder: Path, batch: int = 8, device: str | None = None) -> None:
        if not (folder / "config.json").is_file():
            raise ZooError(f"Expected a model with its config.json in the folder {folder}, but found none.")
        self.batch = batch
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = torch.float32 if self.device.type == "cpu" else "auto"
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(
                folder, padding_side="left", local_files_only=True
            )
            self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ZooError(f"Expected a causal language model in {folder}, but {error}") from None
        self.model.eval().to(self.device)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token or self.tokenizer.unk_token
        self.name = f"{folder.resolve().name}@{fingerprint(folder)}"
        stops = self.model.generation_config.eos_token_id
        stops = self.tokenizer.eos_token_id if stops is None else stops
        self.stops: list[int] = [stops] if isinstance(stops, int) else list(stops or [])
        marks = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        marks |= set(self.tokenizer.all_special_tokens)
        longest_first = sorted((mark for mark in marks if len(mark) > 1), key=len, reverse=True)
        self.marks = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self.longest = int(getattr(self.model.config, "max_position_embeddings", 0) or 0)

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        """See `LanguageModel.complete`."""
        started = time.monotonic()
        rows = [self._tokens(request) for request in requests]
        replies: list[Reply | None] = [None] * len(rows)
        for place, (row, request) in enumerate(zip(rows, requests, strict=True)):
            if self.longest and len(row) + request.max_tokens > self.longest:
                asked = f"{len(row)} + {request.max_tokens}"
                refused = f"expected prompt and answer in {self.longest} tokens, but got {asked}"
                replies[place] = Reply("", len(row), 0, finish="refused", refused=refused)
        places = [place for place, reply in enumerate(replies) if reply is None]
        if places:
            answers = self._generate([rows[place] for place in places], [requests[place] for place in places])
            seconds = (time.monotonic() - started) / len(places)
            for place, answer in zip(places, answers, strict=True):
                finish = "stop" if any(token in self.stops for token in answer) else "length"
                kept = [token for token in answer if token not in self.stops]
                text = self.tokenizer.decode(kept, skip_special_tokens=True)
                replies[place] = Reply(text, len(rows[place]), len(answer), seconds, finish)
        return [reply for reply in replies if reply is not None]

    def close(self) -> None:
        """See `LanguageModel.close`; a batch under way is completed."""

    def _plain(self, text: str) -> str:
        """A text without special tokens: one that is spelled out gets a space after its first character."""
        return self.marks.sub(lambda mark: f"{mark[0][0]} {mark[0][1:]}", text)

    def _tokens(self, request: Request) -> list[int]:
        request = replace(request, system=self._plain(request.system), user=self._plain(request.user))
        if self.tokenizer.chat_template:
            format = partial(self.tokenizer.apply_chat_template, tokenize=False, add_generation_prompt=True)
            system = {"role": "system", "content": request.system}
            try:
                text = format([system, {"role": "user", "content": request.user}])
            except Exception:  # templates without a system role raise anything
                text = format([{"role": "user", "content": request.merged}])
            tokens: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            tokens = self.tokenizer(f"{request.merged}\n\nAnswer:\n")["input_ids"]
        return tokens

    @torch.inference_mode()
    def _generate(self, rows: list[list[int]], requests: Sequence[Request]) -> list[list[int]]:
        inputs = self.tokenizer.pad({"input_ids": rows}, padding=True, return_tensors="pt").to(self.device)
        sampling = SeededSampling(
            [request.seed for request in requests], [request.temperature for request in requests]
        )
        settings = GenerationConfig(
            max_new_tokens=max(request.max_tokens for request in requests),
            do_sample=False,  # `SeededSampling` draws
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.stops or None,
        )
        output = self.model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            generation_config=settings,
            logits_processor=LogitsProcessorList([sampling]),
        )
        answers: list[list[int]] = []
        for row, request in zip(output[:, inputs["input_ids"].shape[1] :].tolist(), requests, strict=True):
            ends = [place + 1 for place, token in enumerate(row) if token in self.stops]
            answers.append(row[: min([request.max_tokens, *ends])])
        return answers


def fingerprint(folder: Path) -> str:
    """Hash of a model's files: of large ones the size and the end. The folder's name is not part of it."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".bin", ".model", ".txt", ".jinja"):
            size = path.stat().st_size
            digest.update(f"{path.name}:{size}:".encode())
            with path.open("rb") as file:
                file.seek(max(size - _TAIL, 0))
                digest.update(file.read())
    return digest.hexdigest()[:12]

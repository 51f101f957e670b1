"""What the methods over texts share: where a head begins."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ecpe_zoo.corpora.document import Document, Segment
from ecpe_zoo.methods.emo_pillars import EmoPillars
from ecpe_zoo.methods.eqn import EQN
from ecpe_zoo.methods.texts import TextMethod, label_frequencies, start_bias

SMALL: dict[str, Any] = {"encoder": "embedded", "encoder_size": 16, "encoder_heads": 2}
LABELS = ["anger", "joy", "neutral"]


def comment(id: str, text: str, *emotions: str) -> Document:
    return Document(id, (Segment(text, emotions=emotions),))


def comments() -> list[Document]:
    """Nineteen of twenty are neutral, one has joy and anger."""
    common = [comment(str(n), f"text {n}", "neutral") for n in range(19)]
    return [*common, comment("rare", "what a day", "joy", "anger")]


def test_frequencies_by_hand() -> None:
    found = label_frequencies(comments(), LABELS)
    assert found == pytest.approx([1.5 / 21, 1.5 / 21, 19.5 / 21])


@pytest.mark.parametrize(
    ("method", "start"),
    [
        (lambda: EQN(objective="cross-entropy", **SMALL), "sigmoid"),
        (lambda: EQN(objective="coeqn", **SMALL), "linear"),
        (lambda: EQN(**SMALL), "linear"),
        (lambda: EQN(objective="cross-entropy", network="textcnn", hidden=9, vector_size=8), "sigmoid"),
        (lambda: EmoPillars(**SMALL), "sigmoid"),
        (lambda: EmoPillars(single_label=True, **SMALL), "softmax"),
    ],
)
def test_a_head_starts_at_the_frequencies(method: Any, start: Any) -> None:
    torch.manual_seed(0)
    made: TextMethod = method()
    made.build_from(comments())
    frequencies = label_frequencies(comments(), LABELS)
    linear = made.head[1]  # type: ignore[index]
    torch.testing.assert_close(linear.bias.detach(), start_bias(frequencies, start))
    scores = made.scores(linear.bias.detach()[None])[0]
    expected = torch.tensor(frequencies)
    torch.testing.assert_close(scores, expected / expected.sum() if start == "softmax" else expected)
    made.renew(3)  # a later stage starts there, too
    torch.testing.assert_close(made.head[1].bias.detach(), start_bias(frequencies, start))  # type: ignore[index]


def test_a_checkpoint_without_frequencies_is_read() -> None:
    old, again = EQN(**SMALL), EQN(**SMALL)
    old.build_from(comments())
    checkpoint: dict[str, Any] = {}
    old.on_save_checkpoint(checkpoint)
    del checkpoint["ecpe_zoo"]["facts"]["frequencies"]  # of the first release
    again.on_load_checkpoint(checkpoint)
    again.load_state_dict(old.state_dict())
    assert torch.equal(again.head[1].bias, old.head[1].bias)  # type: ignore[index]

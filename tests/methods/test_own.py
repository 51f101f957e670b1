"""A method of one's own: what it forgets or gets wrong is said before it trains, or where it is."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.errors import ZooError
from ecpe_zoo.layers.pair_set import PairSet
from ecpe_zoo.layers.segment_encoder import Encoded
from ecpe_zoo.methods.ecpe import EncodedPairMethod, PairLogits
from ecpe_zoo.methods.loading import load_method, method_class
from ecpe_zoo.options import EncoderSettings, OptimiserSettings, PairSettings, ReadingSettings
from tests.cli.test_training import QUIET, run_folder

SMALL: dict[str, Any] = {"name": "embedded", "size": 16, "heads": 2, "layers": 1}


class Heads(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.emotion, self.pair_head = nn.Linear(size, 1), nn.Linear(size, 1)


class Own(EncodedPairMethod):
    """The sum of two clauses; the groups of options have no defaults."""

    id = "own"
    ablations = frozenset({"factor"})

    def __init__(
        self,
        encoder: EncoderSettings,
        reading: ReadingSettings,
        pairs: PairSettings,
        optimiser: OptimiserSettings,
        factor: float = 1.0,
    ) -> None:
        super().__init__()
        self.factor = factor

    def make_heads(self, size: int) -> Heads:
        return Heads(size)

    def score(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> PairLogits:
        heads: Any = self.heads
        both = pairs.of_emotion(encoded.clauses) + pairs.of_cause(encoded.clauses)
        return PairLogits(
            pairs, heads.pair_head(both)[:, 0] * self.factor, heads.emotion(encoded.clauses)[..., 0]
        )


class Wide(Own):
    """Logits with one dimension too many."""

    def score(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> PairLogits:
        found = super().score(encoded, mask, pairs)
        return found._replace(pair=found.pair[:, None])


class Tall(Own):
    """The same of the clauses."""

    def score(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> PairLogits:
        found = super().score(encoded, mask, pairs)
        assert found.emotion is not None
        return found._replace(emotion=found.emotion[..., None])


class Bare(Own):
    """No named outputs."""

    def score(self, encoded: Encoded, mask: Tensor, pairs: PairSet) -> Any:
        return tuple(super().score(encoded, mask, pairs))


class Slash(Own):
    id = "bad/name"


class Number(Own):
    id = 7  # type: ignore[assignment]


class Nameless(EncodedPairMethod):
    pass


class Typo(Own):
    ablations = frozenset({"facto"})


def settings() -> dict[str, Any]:
    return {
        "encoder": EncoderSettings(**SMALL),
        "reading": ReadingSettings(),
        "pairs": PairSettings(),
        "optimiser": OptimiserSettings(1e-3),
    }


def options(name: str, folder: Path, *more: str) -> list[str]:
    place = [
        "--data.corpus",
        "bundled-ecpe",
        "--data.batch_size",
        "8",
        "--trainer.default_root_dir",
        str(folder),
    ]
    encoder = [f"--model.encoder.{option}={value}" for option, value in SMALL.items()]
    few = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2", "--model.optimiser.lr", "0.001"]
    groups = ["--model.reading.read", "document", "--model.pairs.prior", "true"]
    return ["fit", "--model", f"{__name__}.{name}", *place, *encoder, *groups, *few, *QUIET, *more]


def test_groups_without_defaults_are_kept_in_a_checkpoint(tmp_path: Path) -> None:
    assert main(options("Own", tmp_path)) == 0
    (best,) = (run_folder(tmp_path) / "checkpoints").glob("best-*.ckpt")
    assert load_method(best, method=Own).hparams["encoder"]["size"] == SMALL["size"]


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (Slash, r"Slash to have an `id`, a name \(letters .*\), but got 'bad/name'"),
        (Number, "Number to have an `id`, .* but got 7"),
        (Typo, "Expected `ablations` of Typo among its arguments to be one of: .* but got 'facto'. .*factor"),
    ],
)
def test_a_class_that_could_not_be_recorded_is_refused_at_the_start(method: type[Own], said: str) -> None:
    with pytest.raises(ZooError, match=said):
        method(**settings())
    with pytest.raises(ZooError, match=r"Nameless to have an `id`, .* but got None"):
        Nameless()


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (Wide, r"`score` of Wide to return pair logits of shape \((\d+),\), but got \(\1, 1\)"),
        (Tall, r"`score` of Tall to return emotion logits of shape \((\d+), (\d+)\), but got \(\1, \2, 1\)"),
        (Bare, "`score` of Bare to return `PairLogits`, but got tuple"),
    ],
)
def test_outputs_of_another_shape_are_named(method: type[Own], said: str) -> None:
    documents = load_corpus("bundled-ecpe").train[:3]
    made = method(**settings())
    made.build_from(documents)
    with pytest.raises(TypeError, match=said):
        made(made.batch_of(documents))


def test_what_a_method_must_give_is_named() -> None:
    made = Own(**settings())
    with pytest.raises(NotImplementedError, match="Own to have `make_heads`"):
        EncodedPairMethod.make_heads(made, 8)
    with pytest.raises(NotImplementedError, match="Own to have `score`"):
        EncodedPairMethod.score(made, None, None, None)  # type: ignore[arg-type]


def test_weights_that_are_no_numbers_end_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(options("Own", tmp_path, "--model.factor", ".nan")) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("ecpe-zoo: Expected finite weights after epoch 1, but ")
    assert "--trainer.detect_anomaly true" in error
    assert not list(tmp_path.rglob("record.json"))


def test_a_loss_that_overflows_once_does_not() -> None:
    """In 16 bits its step is skipped."""
    made = Own(**settings())
    made.build_from(load_corpus("bundled-ecpe").train[:3])
    made.log = lambda *of, **options: None  # type: ignore[method-assign]
    made.means.add({"loss": torch.tensor(math.inf)}, 1)
    made.on_train_epoch_end()


def test_a_module_that_is_no_python_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_method.py").write_text("import torch\nclass Mine(:\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZooError, match=r"broken_method\.py:2: expected Python, but got: "):
        method_class("broken_method.Mine")
    assert "broken_method" not in sys.modules
    with pytest.raises(ZooError, match=r"No module named 'not_there'.* into PYTHONPATH"):
        method_class("not_there.Mine")

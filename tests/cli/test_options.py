"""Options of the trainer and configs of any content: a run or one line, never a traceback."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from lightning import Trainer

from ecpe_zoo.cli.main import main
from ecpe_zoo.cli.resolver import Resolver
from ecpe_zoo.errors import ZooError
from tests.conftest import ROOT

OPTIONS = tuple(name for name in inspect.signature(Trainer.__init__).parameters if name != "self")
"""All options of the installed Lightning."""

VALUES = ("x", "-1")
"""Most options refuse at least one of them: the parser, or Lightning after it."""

E2EECPE = ["--config", str(ROOT / "configs" / "e2eecpe.yaml")]
SMALL = ("hidden", "filters", "node")


def fit(folder: Path, *options: str) -> int | str | None:
    """The exit status of a fit of one batch."""
    arguments = [f"--model.{name}=2" for name in SMALL]
    arguments += [
        f"--trainer.{name}=1"
        for name in ("max_epochs", "max_steps", "limit_train_batches", "limit_val_batches")
    ]
    arguments += ["--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false", "--test=false"]
    try:
        return main(["fit", *E2EECPE, *arguments, f"--trainer.default_root_dir={folder}", *options])
    except SystemExit as error:
        return error.code


@pytest.fixture(scope="module")
def resolve() -> Callable[..., object]:
    return Resolver()


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_the_trainer_is_taken_or_refused_in_one_line(
    resolve: Callable[..., object],
    option: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    passed: list[str] = []
    for value in VALUES:
        with suppress(ZooError):  # what the parser refuses is one line for fit as well
            resolve([*E2EECPE, f"--trainer.{option}={value}"])
            passed.append(value)
    for value in passed:
        status = fit(tmp_path, f"--trainer.{option}={value}")
        said = capsys.readouterr().err.strip().splitlines()
        assert status in (0, 1, 2), (value, status)
        if status:
            assert said[-1].startswith("ecpe-zoo"), (value, said)
            assert "Traceback" not in "".join(said)


def test_a_reason_of_lightning_is_one_line_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tmp_path, "--trainer.gradient_clip_algorithm=x") == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == (
        "ecpe-zoo: Expected options that Lightning accepts, but it says: `gradient_clip_algorithm` x is invalid. "
        "Allowed algorithms: ['value', 'norm']. See ecpe-zoo fit --help."
    )


METHOD = "model: {class_path: ecpe_zoo.methods.rankcp.RANKCP}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"seed_everything: 0 # \xe9\n", "a config file in UTF-8, but got the byte 0xe9"),
        (b"seed_everything: !!int x\n", "invalid literal for int"),
        (b"a: [", "while parsing a flow node"),
        (b"[" * 3000, "exceeded maximum nesting depth"),
        (b"- 1", "Unexpected config: - 1"),
        (METHOD.encode() + b"data:\n", "options by name in the section 'data' of the config, but got None"),
        (METHOD.encode() + b"data: 3\n", "options by name in the section 'data'"),
        (METHOD.encode() + b"checkpoint: 1\n", "options by name in the section 'checkpoint'"),
        (METHOD.encode() + b"data: {corpus: null}\n", r"--data\.corpus NAME, but got none"),
    ],
)
def test_configs_of_any_content_are_refused_in_one_line(
    resolve: Callable[..., object], tmp_path: Path, text: bytes, message: str
) -> None:
    (tmp_path / "c.yaml").write_bytes(text)
    with pytest.raises(ZooError, match=message):
        resolve(["--config", str(tmp_path / "c.yaml")])


PLACES: list[tuple[str, str]] = [
    (
        "model: {M}\ndate: {batch_size: 4}\n",
        r"c.yaml:2: unrecognized arguments: --date.batch_size. Did you mean --data.b",
    ),
    (
        "model: {M}\ntrainer:\n  max_epoch: 4\n",
        "c.yaml:3: unrecognized arguments: --trainer.max_epoch. Did you mean",
    ),
    (
        "model:\n  class_path: {M}\n  init_args:\n    hiden: 4\n",
        "c.yaml:4: unrecognized arguments: --model.hiden. Did you",
    ),
    (
        "model:\n  class_path: {M}\n  init_args: {hidden: big}\n",
        "c.yaml:3: argument --model.hidden: expected an int",
    ),
    (
        "model:\n  class_path: {M}\n  init_args:\n    encoder:\n      siz: 4\n",
        "c.yaml:5: unrecognized arguments: --model.encoder.siz. Did you mean --model.encoder.size",
    ),
    (
        "model:\n  class_path: {M}\n  init_args:\n    lr: x\n",
        "c.yaml:4: argument --model.optimiser.lr: expected a float",
    ),
    ("seed_everything: 0\nmodel:\n  class_path: {M}X\n", "c.yaml:3: argument --model: .*Did you mean {M}?"),
    ("model: e2ecpe\n", "c.yaml:1: argument --model: .*Did you mean {M}?"),
    ("model: [\n", "c.yaml: Problems parsing config: .* line 2"),
    ("seed_everything: !!int x\n", "c.yaml: Problems parsing config: values that cannot be read"),
    ("&a\nmodel: {M}\nextra: *a\n", "c.yaml: Problems parsing config: a value inside itself"),
    (
        "model:\n  class_path: {M}\n  init_args: {hidden: &h [*h]}\n",
        "c.yaml: Problems parsing config: a value inside itself",
    ),
    ("model:", "c.yaml: Unexpected config: model:. Expected options by section"),
    ("", "c.yaml: Unexpected config: it is empty. Expected options by section, as `ecpe-zoo configs show"),
    ("some text", "c.yaml: Unexpected config: some text. Expected options by section"),
    ("model: {M}\ndata:\n", "c.yaml:2: Expected options by name in the section 'data'"),
    (
        "model: {M}\nseed_everything: -1\n",
        "c.yaml:2: Expected --seed_everything from 0 to 4294967295, but got -1",
    ),
]


@pytest.mark.parametrize(("text", "message"), PLACES)
def test_a_mistake_in_a_config_has_its_file_and_line(
    resolve: Callable[..., object], tmp_path: Path, text: str, message: str
) -> None:
    own = tmp_path / "c.yaml"
    own.write_text(text.replace("{M}", "ecpe_zoo.methods.e2eecpe.E2EECPE"), encoding="utf-8")
    expected = message.replace("{M}", "ecpe_zoo.methods.e2eecpe.E2EECPE").replace("?", r"\?")
    with pytest.raises(ZooError, match=f"^{re.escape(str(tmp_path))}/{expected}"):
        resolve(["--config", str(own)])


def test_of_a_key_given_twice_the_last_line_counts(resolve: Callable[..., object], tmp_path: Path) -> None:
    own, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    own.write_text("data:\n  batch_size: 4\n  fold: 1\n  batch_size: x\n", encoding="utf-8")
    with pytest.raises(ZooError, match=rf"^{re.escape(str(own))}:4: argument --data.batch_size"):
        resolve(["--config", str(own), "--model", "ecpe_2d"])
    own.write_text("model:\n  init_args:\n    encoder:\n      size: x\n", encoding="utf-8")
    other.write_text("model:\n  init_args:\n    size: 4\n", encoding="utf-8")  # an option of its own
    with pytest.raises(ZooError, match=rf"^{re.escape(str(own))}:4: argument --model.encoder.size"):
        resolve(["--model", "ecpe_2d", "--config", str(own), "--config", str(other)])


def test_an_option_out_of_its_range_is_refused_before_a_run(resolve: Callable[..., object]) -> None:
    """As in the dry run of a suite, which resolves all of its cells."""
    with pytest.raises(ZooError, match=r"^Expected --data\.batch_size to be at least 1, but got 0\.$"):
        resolve([*E2EECPE, "--data.batch_size=0"])
    with pytest.raises(ZooError, match=r"^Expected --seed_everything from 0 to 4294967295, but got -1\.$"):
        resolve([*E2EECPE, "--seed_everything=-1"])


def test_a_mistake_on_the_command_line_has_no_file(resolve: Callable[..., object], tmp_path: Path) -> None:
    own = tmp_path / "c.yaml"
    own.write_text("model: ecpe_zoo.methods.e2eecpe.E2EECPE\ndata:\n  batch_size: 4\n", encoding="utf-8")
    with pytest.raises(ZooError, match=r"^argument --data.batch_size: expected an int, but got x"):
        resolve(["--config", str(own), "--data.batch_size", "x"])
    for option in ("--data", "--config"):
        value = "{batch_size: x}" if option == "--data" else "{data: {batch_size: x}}"
        with pytest.raises(ZooError, match=r"^argument --data"):
            resolve(["--config", str(own), option, value])

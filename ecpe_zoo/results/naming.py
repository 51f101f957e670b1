"""The settings that decide a record's result, and labels that tell groups of records apart."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from ecpe_zoo.corpora.lexicon import FILES as LEXICON_FILES
from ecpe_zoo.declared import PACKAGE, Declared, declared
from ecpe_zoo.escaping import visible, without_folder
from ecpe_zoo.options import flat
from ecpe_zoo.results.identity import decisive
from ecpe_zoo.results.record import RunRecord

if TYPE_CHECKING:
    from ecpe_zoo.results.store import RunGroup

_OWN_FIELDS = {
    "data": ("corpus", "fold", "protocol"),
    "trainer": ("devices", "num_nodes", "precision", "strategy"),
    "early_stopping": (),
    "checkpoint": (),
}
"""Options for which a group of runs has fields of its own, or of which the record keeps the outcome (precision,
processes)."""

_ARMS = ("data.lexicon", "data.truncation")
"""Practice that is named only on the groups that have it."""

_BEFORE = {"data.split_version": 1, "data.batch_spread": 0.0, "early_stopping.counts_from": "first-epoch"}
"""Behaviour of runs from before an option was added, if it is not today's default."""


def declared_method(record: RunRecord) -> Declared | None:
    """What the record's method declares; None if it is not in this package (any more)."""
    class_path = _class_path(record)
    return declared(class_path) if class_path.startswith("ecpe_zoo.methods.") else None


def _class_path(record: RunRecord) -> str:
    return str((record.config.get("model") or {}).get("class_path", ""))


def arguments_of(record: RunRecord) -> dict[str, Any]:
    """The arguments of a record's method, flat."""
    return flat((record.config.get("model") or {}).get("init_args") or {})


def settings_of(record: RunRecord) -> dict[str, Any]:
    """What decides a result, flat, without seed, fold and protocol: `model.filters` -> 75.

    Null options and arguments at their default are left out, so that a record from before an argument was added is
    grouped with those from after it, unless it behaved otherwise than today's default (`_BEFORE`). A file that an
    argument names is represented by its content: `model.vectors` -> sha256; other files that were read are
    `inputs.NAME` -> sha256. A class of somebody else's that has the id of a method of this package is
    `model.class_path`: it is not that method.
    """
    method, arguments = declared_method(record), arguments_of(record)
    default: Mapping[str, Any] = {} if method is None else method.defaults
    idle = frozenset() if method is None else method.idle(arguments)
    named = {str(value) for name, value in arguments.items() if str(value) in record.inputs}
    found: dict[str, Any] = {
        f"model.{name}": record.inputs.get(str(value), value)
        for name, value in arguments.items()
        if name not in idle and (name not in default or default[name] != value)
    }
    class_path = _class_path(record)
    if (
        class_path
        and not class_path.startswith("ecpe_zoo.")
        and (PACKAGE / "methods" / f"{record.method}.py").is_file()
    ):
        found["model.class_path"] = class_path
    data = declared("ecpe_zoo.data.module.EmotionDataModule")
    assert data is not None
    # only of sections that the config has: a run without early stopping has none of its options
    before = {name: value for name, value in _BEFORE.items() if record.config.get(name.split(".")[0])}
    for name, value in (before | decisive(record.config)).items():
        section, _, option = name.partition(".")
        if section not in _OWN_FIELDS or option.split(".")[0] in _OWN_FIELDS[section]:
            continue
        usual = section == "data" and option in data.defaults and data.defaults[option] == value
        if name in _BEFORE or not usual:
            found[name] = value
    if record.machine.precision not in ("32", "32-true"):
        found["trainer.precision"] = record.machine.precision
    if record.machine.world_size != 1:
        found["trainer.devices"] = record.machine.world_size
    return found | {f"inputs.{name}": sha for name, sha in record.inputs.items() if name not in named}


def idle_settings(record: RunRecord) -> frozenset[str]:
    """Names of settings that have no effect with the record's other arguments: of a filter in a run without one."""
    method = declared_method(record)
    idle = frozenset() if method is None else method.idle(arguments_of(record))
    return frozenset(f"model.{name}" for name in idle)


def differing(
    settings: Iterable[Mapping[str, Any]], idle: Iterable[frozenset[str]] = repeat(frozenset())
) -> list[str]:
    """The names whose values are not the same in all settings, sorted.

    Args:
        settings: See `settings_of`.
        idle: For each of them the names that do not count; see `idle_settings`.
    """
    listed = list(zip(settings, idle, strict=False))
    return [
        name
        for name in sorted({name for setting, _ in listed for name in setting})
        if len(
            {
                json.dumps(setting.get(name), sort_keys=True, default=str)
                for setting, without in listed
                if name not in without
            }
        )
        > 1
    ]


def labels(groups: Sequence[RunGroup]) -> dict[int, str]:
    """A readable label for each group, unique within corpus and protocol.

    A label names, where they are not at the method's default:

    - the arguments that make another method of it (`Method.ablations`), always;
    - the lexicon and the truncation, and a class that borrows the id of a method of this package, always;
    - arguments and files that differ between the method's groups on one corpus;
    - practice (data, trainer, early stopping) that differs between the method's groups of one protocol, on all of them,
      and not between protocols: the strict and the paper run of one method share a label.

    If groups differ in more than `MOST_NAMED` of the latter two, only those are named that tell them apart, the encoder
    first, followed by `...` for arguments left out. Groups that are still alike have their settings' hash.

    Returns:
        `id(group)` -> `e2eecpe [filters=75, masked=false]`.
    """
    families: defaultdict[tuple[str, str, str], list[RunGroup]] = defaultdict(list)
    for group in groups:
        families[group.task, group.corpus, group.method].append(group)
    found: dict[int, str] = {}
    for family in families.values():
        differ = differing(
            (group.first.settings for group in family),
            [idle_settings(group.first.record) for group in family],
        )
        always, arguments = zip(*(_arguments(group, differ) for group in family), strict=True)
        practice: dict[int, dict[str, str]] = {}
        for protocol in {group.protocol for group in family}:
            members = [group for group in family if group.protocol == protocol]
            practice |= {id(group): it for group, it in zip(members, _practices(members), strict=True)}
        practices = [practice[id(group)] for group in family]
        shown = _telling(family, always, arguments, practices)
        said = {
            id(group): [*own, *(word for name, word in (mine | theirs).items() if name in shown)]
            for group, own, mine, theirs in zip(family, always, arguments, practices, strict=True)
        }
        for group, mine in zip(family, arguments, strict=True):
            if said[id(group)] and mine.keys() - shown:
                said[id(group)].append("...")
        often = Counter((group.protocol, tuple(said[id(group)]), group.content) for group in family)
        for group in family:
            words = said[id(group)]
            if often[group.protocol, tuple(words), group.content] > 1:
                words = [*words, f"config {group.variant[:8]}"]
            text = visible(", ".join([*words, *(f"{name} {sha[:8]}" for name, sha in group.content)]))
            found[id(group)] = f"{group.method} [{text}]" if text else group.method
    return found


MOST_NAMED = 3
"""Maximum number of differing settings that all labels of a method name."""


def _telling(
    family: Sequence[RunGroup],
    always: Sequence[Sequence[str]],
    arguments: Sequence[Mapping[str, str]],
    practices: Sequence[Mapping[str, str]],
) -> set[str]:
    """The names to show: all if they are few, otherwise as few as tell the same groups apart."""
    words = [mine | theirs for mine, theirs in zip(arguments, practices, strict=True)]  # type: ignore[operator]
    names = list(dict.fromkeys(name for part in (arguments, practices) for one in part for name in one))
    if len(names) <= MOST_NAMED:
        return set(names)
    names.sort(key=lambda name: name != "model.encoder.name")
    start = [(group.protocol, *own, group.content) for group, own in zip(family, always, strict=True)]

    def kinds(chosen: Iterable[str]) -> int:
        listed = list(chosen)
        return len({(place, *map(one.get, listed)) for place, one in zip(start, words, strict=True)})

    kept: list[str] = []
    for name in names:
        if kinds([*kept, name]) > kinds(kept):
            kept.append(name)
    return set(kept)


def _arguments(group: RunGroup, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """A group's arguments and files as words: those that are always named, and the others by name."""
    method, configured = declared_method(group.first.record), arguments_of(group.first.record)
    ablations = frozenset() if method is None else method.ablations
    always, others = [], {}
    settings = group.first.settings
    for name, value in sorted(settings.items(), key=lambda item: (item[0].startswith("inputs."), item[0])):
        argument = name.removeprefix("model.")
        if name == "model.class_path":
            always.append(f"class_path={value}")
        elif name.startswith("inputs."):
            if name in names and name.removeprefix("inputs.") not in LEXICON_FILES:
                others[name] = f"{name}={value[:8]}"
        elif name.startswith("model.") and (name in names or argument in ablations):
            shown = configured.get(argument)
            is_file = isinstance(value, str) and shown != value  # the settings have the hash of its content
            word = (
                f"{argument}={without_folder(str(shown))} {value[:8]}"
                if is_file
                else f"{argument}={_plain(value)}"
            )
            if argument in ablations and argument != "encoder.name":
                always.append(word)
            else:
                others[name] = word
    always += [f"{arm.removeprefix('data.')}={_plain(settings[arm])}" for arm in _ARMS if arm in settings]
    return always, others


def _practices(members: Sequence[RunGroup]) -> list[dict[str, str]]:
    """For each group of one protocol the practice in which any of them differ: name -> words."""
    settings = [group.first.settings for group in members]
    names = [name for name in differing(settings) if not name.startswith(("model.", "inputs.", *_ARMS))]
    return [
        {name: f"{name.removeprefix('data.')}={_plain(setting.get(name))}" for name in names}
        for setting in settings
    ]


def _plain(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, Mapping) and "class_path" in item for item in value):
        return "+".join(str(item["class_path"]).rsplit(".", 1)[-1] for item in value)  # callbacks
    return json.dumps(value) if isinstance(value, bool) or value is None else without_folder(str(value))

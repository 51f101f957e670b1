"""The model card of an exported method: the README.md that the Hugging Face hub shows, with its front matter.

It is made from the record of the run. What no record says is named as missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ecpe_zoo.corpora.corpus import Corpus
from ecpe_zoo.corpora.registry import CORPORA, find_corpus
from ecpe_zoo.errors import ZooError, counted
from ecpe_zoo.escaping import markdown_escaped, visible
from ecpe_zoo.results.entry import Entry
from ecpe_zoo.results.evidence import corpus_of, document_counts
from ecpe_zoo.results.limits import limited
from ecpe_zoo.results.record import TEST_FOLD
from ecpe_zoo.results.resampling import bootstrap
from ecpe_zoo.results.rising import last_rise, rising_in_words
from ecpe_zoo.results.store import each_record
from ecpe_zoo.tasks import TASKS

HUB_LICENCES = {
    "Apache-2.0": "apache-2.0",
    "GPL-3.0": "gpl-3.0",
    "CC BY-NC-SA 3.0": "cc-by-nc-sa-3.0",
    "CC BY 4.0": "cc-by-4.0",
    "MIT": "mit",
}
"""How a corpus states its licence -> the hub's name of it; all others are `other`."""


KINDS = ("precision", "recall", "f1")
"""What an item of a task has in the table of scores."""


class Evidence(NamedTuple):
    """The record of a checkpoint.

    Args:
        entry: Record of the run that the checkpoint was tested in; None if there is none.
        missing: Why not, in words.
    """

    entry: Entry | None
    missing: str = ""


def evidence_beside(path: Path, stored: Mapping[str, Any]) -> Evidence:
    """The record in the run's folder of a checkpoint, if it is about these weights.

    Args:
        path: Of the checkpoint, which `fit` puts into `RUN/checkpoints`.
        stored: Its content.
    """
    place = path.absolute().parent.parent / "record.json"
    if not place.is_file():
        return Evidence(None, f"no {place.name} in the run's folder; `fit` writes it when its test is over")
    try:
        (entry,) = each_record([place])
    except ZooError as error:
        return Evidence(None, str(error))
    record, kept = entry.record, stored["ecpe_zoo"]
    tuned = float(stored["state_dict"].get("tuned_threshold", float("nan")))
    pairs = {
        "method": (record.method, kept["method"]),
        "epoch": (record.epoch, stored.get("epoch")),
        "stage": (record.stages[-1].name if record.stages else None, kept.get("stage")),
        "tuned threshold": (record.protocol.tuned_threshold, None if tuned != tuned else round(tuned, 6)),
    }
    for name, (there, here) in pairs.items():
        if None not in (there, here) and there != here:
            problem = (
                f"the record beside the checkpoint is about other weights: {name} {there} there, {here} here"
            )
            return Evidence(None, problem)
    return Evidence(entry)


def model_card(stored: Mapping[str, Any], evidence: Evidence, root: Path | None = None) -> str:
    """The card.

    Args:
        stored: Content of the checkpoint.
        evidence: See `evidence_beside`.
        root: Folder of corpora, for the interval of the score.
    """
    kept, entry = stored["ecpe_zoo"], evidence.entry
    profile = kept.get("texts") or {}
    id = entry.record.corpus.id if entry is not None else profile.get("corpus")
    corpus = _corpus(entry, id, root)
    where = f" on {id}" if id else ""
    method = kept["method"]
    front = yaml.safe_dump(_front(method, id, corpus, entry), sort_keys=False, allow_unicode=True, width=1000)
    parts = [
        f"---\n{front}---",
        _line(f"# {method}{where}"),
        _line(f"A trained method of ecpe-zoo: {method}, stage {kept.get('stage')}.")
        + "\nIt finds emotions in text or what caused them. ecpe-zoo loads it from JSON and safetensors;\n"
        "nothing in this folder is executed.\n\n"
        "    ecpe-zoo annotate --ckpt_path hf://USER/NAME --input FILE.jsonl --output ROWS.jsonl",
        *_data(id, corpus, entry, profile),
    ]
    if entry is None:
        parts.append(
            f"## Protocol and scores\n\nMissing: {_line(evidence.missing)}. No score of this model is known."
        )
    else:
        parts += [_protocol(entry), _scores(entry, root)]
    parts += [_limits(id, corpus, entry), _licence(corpus)]
    return "\n\n".join(parts) + "\n"


def _line(text: object) -> str:
    return markdown_escaped(str(text))


def _corpus(entry: Entry | None, id: str | None, root: Path | None) -> Corpus | None:
    """What is known about the corpus; None for one whose description is not there."""
    try:
        return find_corpus(corpus_of(entry, root)) if entry is not None else CORPORA.get(id or "")
    except ZooError:
        return None


def _hub_licence(corpus: Corpus | None) -> str:
    stated = corpus.licence if corpus is not None else ""
    return next((hub for name, hub in HUB_LICENCES.items() if stated.startswith(name)), "other")


def _front(method: str, id: str | None, corpus: Corpus | None, entry: Entry | None) -> dict[str, Any]:
    """What the hub reads."""
    front: dict[str, Any] = {"library_name": "ecpe-zoo"}
    if corpus is not None:
        front["language"] = list(corpus.languages)
    front |= {"license": _hub_licence(corpus), "pipeline_tag": "text-classification"}
    front["tags"] = ["ecpe-zoo", "emotion", visible(method)]
    if id:
        front["datasets"] = [visible(id)]
    if entry is None or entry.score is None:
        return front
    task = TASKS[entry.task]
    metrics = [
        {"type": name.rpartition("_")[2], "name": name, "value": round(value, 4)}
        for name, value in _values(
            entry, (task.headline, *(f"{task.leading}_{kind}" for kind in KINDS[:2]))
        ).items()
    ]
    result = {
        "task": {"type": "text-classification", "name": task.title},
        "dataset": {
            "type": visible(str(id)),
            "name": f"{visible(str(id))}, fold {entry.fold}",
            "split": "test",
        },
        "metrics": metrics,
    }
    return front | {"model-index": [{"name": f"{visible(method)}-{visible(str(id))}", "results": [result]}]}


def _values(entry: Entry, names: Sequence[str]) -> dict[str, float]:
    """Those of the metrics that the record has and that are shares."""
    found = {name: entry.metric(name) for name in names}
    return {name: value for name, value in found.items() if value is not None and 0 <= value <= 1}


def _table(head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_line(cell) for cell in row) + " |" for row in lines)


def _data(
    id: str | None, corpus: Corpus | None, entry: Entry | None, profile: Mapping[str, Any]
) -> list[str]:
    rows: list[tuple[object, ...]] = [("corpus", id or "not known: the checkpoint does not name it")]
    if corpus is not None:
        rows += [("description", corpus.description), ("languages", ", ".join(corpus.languages))]
        if corpus.repository:
            rows.append(("source", f"github.com/{corpus.repository} at {corpus.commit}"))
    if entry is not None:
        used = entry.record.corpus
        numbers = (
            f"{used.train:,} for training, {used.validation:,} for validation, {used.test:,} for the test"
        )
        rows += [("fold", used.fold), ("documents", numbers)]
        if used.overlap is not None and used.overlap.notable:
            rows.append(("overlap", used.overlap.in_words))
    for part, share in (profile.get("unknown") or {}).items():
        rows.append((f"unknown tokens, {part} texts", f"{100 * share:.1f} %"))
    if scripts := profile.get("scripts"):
        listed = ", ".join(f"{name} {100 * share:.1f} %" for name, share in scripts.items())
        rows.append(("scripts of the training words", listed))
    return ["## Training data", _table(("", ""), rows)]


def _protocol(entry: Entry) -> str:
    record, rule = entry.record, entry.record.protocol
    rows = [
        ("protocol", rule.name),
        ("epoch chosen on", f"{rule.selection} ({rule.selection_metric or 'metric not recorded'})"),
        ("epochs trained", record.epochs),
        ("seed", record.seed),
        ("threshold", "none" if entry.threshold is None else f"{entry.threshold:g} ({rule.headline})"),
        ("lexicon of the scores", rule.lexicon),
        ("truncation", rule.truncation),
        ("test fold scored before its last time", f"{rule.test_reads} times"),
        ("code", f"ecpe-zoo {record.code.version}, commit {record.code.commit or 'not known'}"),
        ("config", f"sha256 {record.config_hash}"),
    ]
    return "## Protocol\n\n" + _table(("", ""), rows)


def _scores(entry: Entry, root: Path | None) -> str:
    task = TASKS[entry.task]
    interval = ""
    try:
        counts = document_counts(entry, root).counts
        low, high = bootstrap(counts, task.average)
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        note = (
            f"The interval is of 10,000 bootstrap draws of the {len(counts):,} test documents. It speaks of other "
            "documents of this\ncorpus, not of other seeds."
        )
    except ZooError as error:
        note = f"The interval is missing: {_line(error)}"
    names = {task.headline: task.headline_in_words, **task.shown}
    single = [
        (names[name], f"{100 * value:.1f}", interval if name == task.headline else "")
        for name, value in _values(entry, tuple(names)).items()
    ]
    items = []
    for item, label in task.rows.items():
        values = _values(entry, [f"{item}_{kind}" for kind in KINDS])
        if values:
            items.append((label, *(f"{100 * value:.1f}" for value in values.values())))
    parts = ["## Scores", _table(("metric, %", "test fold", "95 % interval"), single), note]
    if items:
        parts.append(_table(("%", *KINDS), [row for row in items if len(row) == 1 + len(KINDS)]))
    return "\n\n".join(parts)


def _limits(id: str | None, corpus: Corpus | None, entry: Entry | None) -> str:
    limits = []
    if corpus is not None and corpus.bundled:
        limits.append(
            f"{id} is invented text: the scores say nothing, and the answers to real text say nothing."
        )
    if entry is not None:
        limits.append(
            f"One run: fold {entry.fold}, seed {entry.record.seed}. Other seeds and folds give other scores."
        )
        if entry.record.protocol.selection == TEST_FOLD:
            limits.append("The test fold chose the epoch: the scores are too high by what that choice adds.")
        if entry.record.protocol.lexicon != "none":
            limits.append(
                "The scores are of filtered predictions (see the lexicon above); annotate has no such filter."
            )
        if rising := rising_in_words(last_rise(entry), 1):
            limits.append(f"{rising.capitalize()}.")
        if unread := limited(entry.record):
            limits.append(f"{unread.capitalize()}.")
        if entry.partial:
            used = entry.record.corpus
            limits.append(f"Only {used.scored:,} of {counted(used.test, 'test document')} were scored.")
        if entry.record.status != "ok":
            limits.append(f"The record says that the run {entry.record.status}.")
    always = (
        "Texts unlike the training texts (another language, domain or time) get worse answers. `annotate` warns of\n"
        "  other scripts and of unknown words, and of nothing else.",
        "A label says what annotators would say of a text. It is no measurement of what a person feels, and no ground\n"
        "  for a decision about a person.",
    )
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in (*map(_line, limits), *always))


def _licence(corpus: Corpus | None) -> str:
    stated = corpus.licence if corpus is not None else "not known"
    return (
        f"## Licence\n\nLicence of the training data: {_line(stated)}.\nWhoever publishes the weights chooses "
        "their licence, and keeps to that of the data and of a pretrained encoder;\nthe `license` above only repeats "
        "the data's."
    )

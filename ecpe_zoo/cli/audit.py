"""What `ecpe-zoo data check` prints of a corpus."""

from __future__ import annotations

from collections.abc import Sequence

from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.corpora.audit import Audit
from ecpe_zoo.corpora.overlap import together

MOST_LISTED, MOST_SPEAKERS, MOST_TOGETHER = 40, 12, 15


def show_audit(result: Audit) -> None:
    """Print the tables of a corpus: its parts, labels, causes, overlap and findings."""
    _show_parts(result)
    if result.emotions:
        _show_emotions(result)
    if result.pairs:
        total = sum(result.offsets.values()) or 1
        rows = (
            (f"{offset:+d}" if offset else "0", f"{count:,}", _share(count, total))
            for offset, count in result.offsets.items()
        )
        show_table("Cause minus emotion", (">offset", ">pairs", ">share"), rows)
    show_table(
        "Test texts that strict trains on too",
        ("words", ">test texts", ">in training", ">share", ">in the same\nletter case"),
        (
            (
                row.words,
                f"{row.texts:,}",
                f"{row.held:,}",
                _share(row.held, row.texts or 1),
                f"{row.same_case:,}",
            )
            for row in (*result.overlap, together("all", result.overlap))
        ),
    )
    found = ((each.what, f"{each.count:,}", _shortened(each.listed)) for each in result.findings)
    show_table("Findings", ("finding", ">n", "documents"), found)


def _show_parts(result: Audit) -> None:
    pairs = (">candidate\npairs", ">annotated\npairs", ">distinct\npairs") if result.pairs else ()
    columns = ("part", ">documents", ">clauses" if pairs else ">texts", *pairs, f">> {result.tokens}\ntokens")
    rows = []
    for part in result.parts:
        counted = (part.candidates, part.annotated, part.distinct) if pairs else ()
        numbers = (part.documents, part.segments, *counted, part.too_long)
        rows.append((part.name, *(f"{number:,}" for number in numbers)))
    show_table(f"{result.corpus}: what the files hold", columns, rows)


def _show_emotions(result: Audit) -> None:
    """Tables of labels, of lengths and speakers, and of labels of the same text."""
    everything = result.emotions[0]
    rows = [
        (
            label,
            *(
                f"{part.labels[label]:,} {_share(part.labels[label], part.judged or 1):>7}"
                for part in result.emotions
            ),
        )
        for label in everything.labels
    ]
    counts = [("judged", [part.judged for part in result.emotions])]
    if everything.unlabelled:
        counts.append(("without a label", [part.unlabelled for part in result.emotions]))
    if everything.context:
        counts.append(("context only", [part.context for part in result.emotions]))
    rows += [(name, *(f"{number:,}" + 8 * " " for number in numbers)) for name, numbers in counts]
    columns = ("label", *(f">{part.part}" for part in result.emotions))
    show_table("Labels: texts, and their share of those that are judged", columns, rows)

    lengths = []
    for part in result.emotions:
        spreads = (f"{s.median} / {s.most} / {s.greatest}" for s in (part.segments, part.words))
        lengths.append((part.part, *spreads, f"{len(part.speakers):,}"))
    columns = ("part", ">texts in a document", ">words in a text", ">speakers")
    show_table("Lengths: median / 95 % / greatest", columns, lengths)
    if everything.speakers:
        named = [f"{name} {count:,}" for name, count in everything.speakers.items()]
        say(f"Speakers: {_shortened(named, MOST_SPEAKERS)}")
    if everything.together:
        texts = [(labels, f"{count:,}") for labels, count in everything.together.items()]
        rest = len(texts) - MOST_TOGETHER
        more = [(f"{rest} more: see --json", "")] if rest > 0 else []
        show_table("Labels of the same text", ("labels", ">texts"), texts[:MOST_TOGETHER] + more)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %"


def _shortened(listed: Sequence[str], most: int = MOST_LISTED) -> str:
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f", and {rest} more: see --json" if rest > 0 else "")

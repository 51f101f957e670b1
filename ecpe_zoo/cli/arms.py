"""What `ecpe-zoo results arms` prints: what each practice of published code adds to strict scores."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ecpe_zoo.cli.screen import say, show_table
from ecpe_zoo.leaderboard.tables import interval, mean_and_sd, percent, signed
from ecpe_zoo.results.arm_table import ArmResult, GroupArms

NOTE = (
    "Points of F1 added to the strict score of the same run, of pairs if the practice names nothing else. Interval: "
    "mean ± t(k-1) sd sqrt(1/k + n_test/n_train) over folds (means over seeds), which share training documents, or "
    "mean ± t(k-1) sd / sqrt(k) over seeds if there is one fold. Over documents: bootstrap of the pooled test "
    "documents, with weights and choices held fixed. Thresholds are those of the run, unless the practice chooses "
    "its own. What is the maximum of something on the test fold cannot be negative."
)


def show_arms(found: GroupArms, label: str) -> None:
    """Print the arms of a group: over its runs, and run by run."""
    strict = found.strict
    runs = "one run" if strict.runs == 1 else f"{strict.over.n} {strict.unit}, {strict.runs} runs"
    score = " ".join(filter(None, (mean_and_sd(strict), interval(strict))))
    title = f"{label} on {found.group.corpus}, strict: pair F1 {score}, {runs}"
    collapsed = found.group.collapsed
    without = (">without\ncollapsed",) if collapsed else ()
    columns = ("practice", ">points", ">95 % interval", *without, ">over documents", ">runs", "done by")
    rows = [_row(result, bool(collapsed)) for result in found.results if result.gain is not None]
    show_table(title, columns, rows, least=30)
    if collapsed:
        places = ", ".join(f"fold {run.fold} seed {run.record.seed}" for run in collapsed)
        say(f"Collapsed, and in the means: {places}.")
    ids = [result.arm for result in found.results if any(result.arm.id in run.gains for run in found.runs)]
    heads = [f">{arm.head}" for arm in ids]
    cells = (
        (
            run.entry.fold,
            run.entry.record.seed,
            percent(run.strict),
            *(signed(run.gains[arm.id]) if arm.id in run.gains else "–" for arm in ids),
        )
        for run in found.runs
    )
    show_table("Each run", (">fold", ">seed", ">strict", *heads), cells)
    reasons: dict[str, list[str]] = {}
    for result in found.results:
        for reason in result.missing:
            reasons.setdefault(reason, []).append(result.arm.id)
        if result.gain is None and not result.missing:
            reasons.setdefault("no fold and seed in common", []).append(result.arm.id)
    say(*(f"Not for all runs: {', '.join(arms)}: {reason}" for reason, arms in reasons.items()))


def _row(result: ArmResult, without_collapsed: bool) -> Iterable[str]:
    gain, drawn, sound = result.gain, result.drawn, result.sound
    assert gain is not None
    yield from (result.arm.title, _points(gain.over.mean), _between(gain.over.low, gain.over.high))
    if without_collapsed:
        yield "–" if sound is None else _points(sound.over.mean)
    yield from ("" if drawn is None else _between(drawn.low, drawn.high), str(gain.runs), result.arm.done_by)


def _points(value: float) -> str:
    """A difference in points, two digits: practices are worth tenths.

    >>> _points(0.0123), _points(-0.0104), _points(0.0)
    ('+1.23', '−1.04', '0.00')
    """
    text = f"{100 * abs(value):.2f}"
    return text if float(text) == 0 else ("+" if value > 0 else "−") + text


def _between(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"[{_points(low)}, {_points(high)}]"


def as_dict(found: GroupArms, label: str) -> dict[str, Any]:
    """The numbers of a group as plain values, in fractions; nan becomes null."""

    def plain(value: float) -> float | None:
        return value if math.isfinite(value) else None

    arms = []
    for result in found.results:
        arm, gain, drawn = result.arm, result.gain, result.drawn
        values: dict[str, Any] = {"id": arm.id, "title": arm.title, "done_by": arm.done_by, "item": arm.item}
        if gain is not None:
            over = {name: plain(getattr(gain.over, name)) for name in ("mean", "sd", "low", "high")}
            values |= over | {"n": gain.over.n, "unit": gain.unit, "runs": gain.runs}
        if result.sound is not None:
            over = {name: plain(getattr(result.sound.over, name)) for name in ("mean", "sd", "low", "high")}
            values["without_collapsed"] = over
        if drawn is not None:
            names = ("difference", "low", "high")
            values["documents"] = {name: plain(getattr(drawn, name)) for name in names}
        arms.append(values | {"missing": list(result.missing)})
    spread = found.strict.over
    return {
        "label": label,
        "corpus": found.group.corpus,
        "strict": {name: plain(getattr(spread, name)) for name in ("mean", "sd", "low", "high")},
        "arms": arms,
        "runs": [
            {
                "record": run.entry.id,
                "fold": run.entry.fold,
                "seed": run.entry.record.seed,
                "strict": run.strict,
                "gains": dict(run.gains),
            }
            for run in found.runs
        ],
    }

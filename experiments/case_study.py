"""A document as MGCL reads it (the case study of its Table 5): which tokens are clues to emotions and causes.

    python -m experiments.case_study CKPT ... --output FILE.html [--corpus NAME] [--fold N] [--id DOCUMENT] [--root DIR]

One self-contained page: each token is shaded by the probability, as the teacher gives it, that it answers "emotion?" or
"cause?"; each clause also shows the student's probability and whether it is gold; the pairs follow below. Several
checkpoints, such as those of ablations, are shown one below the other. By default the first test document with two
pairs is shown.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import Environment

from ecpe_zoo.corpora.document import Document
from ecpe_zoo.data.module import EmotionDataModule
from ecpe_zoo.errors import ZooError
from ecpe_zoo.files import replaced_when_complete
from ecpe_zoo.methods.loading import load_method
from ecpe_zoo.methods.mgcl import MGCL
from ecpe_zoo.metrics.pairs import predicted_pairs
from experiments import run

QUESTIONS = ("emotion", "cause")

PAGE = """<!DOCTYPE html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.6 system-ui, sans-serif; margin: 1.5rem auto; max-width: 60rem; padding: 0 1rem;
       color: #1b1f24; background: #fff }
table { border-collapse: collapse; width: 100% }
td, th { padding: .2rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd }
.number { text-align: right; font-variant-numeric: tabular-nums }
.gold th, .gold .text { font-weight: bold }
.token { border-radius: 3px; padding: 0 1px }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p>Shade: the teacher's probability that a token is a clue (0 white, 1 full); hover for the number. Bold: gold clauses.
Gold pairs (emotion, cause): {{ gold }}.</p>
{% for model in models %}
<h2>{{ model.name }}</h2>
{% for question in model.questions %}
<table>
<caption>Which clauses {{ question.asks }}?</caption>
<thead><tr><th scope="col">clause</th><th scope="col">tokens</th><th scope="col" class="number">teacher</th>
<th scope="col" class="number">student</th></tr></thead>
<tbody>{% for clause in question.clauses %}
<tr{% if clause.gold %} class="gold"{% endif %}><th scope="row">{{ loop.index }}{% if clause.gold %} *{% endif %}</th>
<td class="text">{% for token in clause.tokens %}<span class="token" title="{{ token.value }}" style="background:
rgba({{ question.colour }}, {{ token.value }})">{{ token.text }}</span>{{ space }}{% endfor %}</td>
<td class="number">{{ clause.teacher }}</td><td class="number">{{ clause.student }}</td></tr>{% endfor %}
</tbody>
</table>
{% endfor %}
<p>Pairs found above {{ model.threshold }}: {{ model.pairs }}.</p>
{% endfor %}
</body>
</html>
"""


def read(method: MGCL, document: Document, name: str) -> dict[str, Any]:
    """What the page shows of a checkpoint.

    Raises:
        ZooError: a checkpoint without a teacher.
    """
    if not method.multi_instance:
        raise ZooError(
            f"{name}: expected a checkpoint with a teacher, but it was trained with multi_instance false."
        )
    method.eval()
    with torch.inference_mode():
        (found,) = method.predict_step(method.collator(False)([document.without_gold()]), 0)
    gold = {"emotion": {e for e, _ in document.pairs or ()}, "cause": {c for _, c in document.pairs or ()}}
    questions = []
    for asks, colour in zip(QUESTIONS, ("0, 114, 178", "213, 94, 0"), strict=True):
        teacher, student = found.scores[f"token_teacher_{asks}"], found.scores[asks]
        clauses = []
        for index, segment in enumerate(document.segments):
            pieces = method.reader.encoder.tokenizer.pieces(segment.text)
            values = teacher[index]
            # a clause that was cut has fewer values than pieces
            tokens = [
                {"text": text, "value": f"{value:.2f}"}
                for text, value in zip(pieces, values.tolist(), strict=False)
                if not np.isnan(value)
            ]
            mean = f"{np.nanmean(values):.2f}" if tokens else "not read"
            clauses.append(
                {
                    "tokens": tokens,
                    "teacher": mean,
                    "student": f"{student[index]:.2f}",
                    "gold": index in gold[asks],
                }
            )
        verb = "hold an emotion" if asks == "emotion" else "are a cause"
        questions.append({"asks": verb, "colour": colour, "clauses": clauses})
    threshold = method.threshold if method.tuned is None else method.tuned
    pairs = in_words(predicted_pairs(found, threshold))
    return {"name": name, "questions": questions, "pairs": pairs, "threshold": f"{threshold:.2f}"}


def in_words(pairs: set[tuple[int, int]]) -> str:
    """`(3, 2), (5, 5)`, from 1."""
    return ", ".join(f"({emotion + 1}, {cause + 1})" for emotion, cause in sorted(pairs)) or "none"


def choose(documents: tuple[Document, ...], id: str | None) -> Document:
    """The document with an id; else the first with two pairs, or the first.

    Raises:
        ZooError: there is none with that id.
    """
    if id is None:
        return next((d for d in documents if len(set(d.pairs or ())) > 1), documents[0])
    for document in documents:
        if document.id == id:
            return document
    raise ZooError(f"Expected the id of a test document, as {documents[0].id!r}, but got {id!r}.")


def main(arguments: list[str] | None = None) -> int:
    """Write the page.

    Returns:
        0.

    Raises:
        ZooError: a checkpoint of another method, or an unknown document.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments.case_study", description=__doc__.split("\n")[0]
    )
    parser.add_argument("ckpt_paths", nargs="+", type=Path, metavar="CKPT")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.html")
    parser.add_argument("--corpus", default="xia-ding-2019")
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--root", type=Path, help="holds the corpora; else ECPE_ZOO_DATA")
    parser.add_argument("--id", help="id of a test document")
    options = parser.parse_args(arguments)
    data = EmotionDataModule(corpus=options.corpus, root=options.root, fold=options.fold)
    data.setup("test")
    document = choose(tuple(data.documents("test")), options.id)
    models = []
    for path in options.ckpt_paths:
        method = load_method(path)
        if not isinstance(method, MGCL):
            raise ZooError(f"{path}: expected a checkpoint of mgcl, but got one of {method.id}.")
        models.append(read(method, document, str(path)))
    page = Environment(autoescape=True).from_string(PAGE)
    text = page.render(
        title=f"{options.corpus}, document {document.id}",
        language=document.language,
        models=models,
        gold=in_words(set(document.pairs or ())),
        space="" if document.language == "zh" else " ",
    )
    with replaced_when_complete(options.output) as part:
        part.write_text(text, encoding="utf-8")
    print(options.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))

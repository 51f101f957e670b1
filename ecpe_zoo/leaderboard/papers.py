"""Methods as their papers name them, with links to paper and code, and an entry for BibTeX."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter


class Paper(BaseModel):
    """The paper of a method.

    Args:
        key: Key of its BibTeX entry.
        kind: Kind of that entry.
        title: Title as printed.
        authors: Their names, given names first.
        venue: Proceedings, journal or preprint.
        year: Year of publication.
        url: Page of the paper.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    kind: Literal["inproceedings", "article", "misc"]
    title: str
    authors: tuple[str, ...]
    venue: str
    year: int
    url: str

    @property
    def bibtex(self) -> str:
        """The entry.

        >>> print(about("eacl").paper.bibtex.splitlines()[0])
        @inproceedings{yu-etal-2024-emotion,
        """
        venue = {"inproceedings": "booktitle", "article": "journal", "misc": "howpublished"}[self.kind]
        fields = {
            "title": f"{{{self.title}}}",  # a second pair of braces keeps capitals
            "author": " and ".join(self.authors),
            venue: self.venue,
            "year": str(self.year),
            "url": self.url,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        return "\n".join([f"@{self.kind}{{{self.key},", *lines, "}"])


class About(BaseModel):
    """What is known of a method beyond its runs.

    Args:
        name: Name that the paper gives it.
        forms: Setting, as in labels -> name of the method with it.
        code: Repository of the authors; None if there is none.
        paper: Its paper; None for a baseline of this package.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    forms: dict[str, str] = {}
    code: str | None
    paper: Paper | None


@cache
def _methods() -> dict[str, About]:
    text = files("ecpe_zoo.leaderboard").joinpath("papers.json").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, About]).validate_json(text)


def about(method: str) -> About | None:
    """What is known of a method of this package; None for any other."""
    return _methods().get(method)


def parts_of(label: str) -> tuple[str, tuple[str, ...]]:
    """The name of a method, and what its label adds, without hashes of encoders and the sign for omitted settings.

    >>> parts_of("e2eecpe [encoder.name=all-MiniLM-L6-v2 ed14b5f0, pairs.window=3, ...]")
    ('E2EECPE', ('all-MiniLM-L6-v2', 'pairs.window=3'))
    >>> parts_of("two_stage [form=indep]"), parts_of("another")
    (('Indep', ()), ('another', ()))
    """
    method, _, rest = label.partition(" [")
    words = [word for word in rest.removesuffix("]").split(", ") if word not in ("", "...")]
    known = about(method)
    forms = {} if known is None else known.forms
    name = next((forms[word] for word in words if word in forms), known.name if known else method)
    plain = [
        re.sub(r"^encoder\.name=(.+?)( [0-9a-f]{8})?$", r"\1", word) for word in words if word not in forms
    ]
    return name, tuple(plain)


def title_of(label: str) -> str:
    """A label for people.

    >>> title_of("mgcl [ablation=distillation]"), title_of("mgcl")
    ('MGCL (ablation=distillation)', 'MGCL')
    """
    name, words = parts_of(label)
    return f"{name} ({', '.join(words)})" if words else name

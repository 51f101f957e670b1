"""A trained method applied to one's own text.

    >>> from ecpe_zoo.annotation import annotate_texts

Bottom up: `inputs` (files to entries), `answers` (predictions to plain rows), `annotator` (entries to rows),
`outputs` (rows to a file that a killed run goes on with), `run` (all of it, streaming).
"""

from ecpe_zoo.annotation.annotator import Annotator, Options, annotate_texts

__all__ = ["Annotator", "Options", "annotate_texts"]

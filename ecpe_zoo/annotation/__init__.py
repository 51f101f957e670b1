"""A trained method applied to text of one's own.

    >>> from ecpe_zoo.annotation import annotate_texts

From the bottom up: `inputs` (files to entries), `answers` (predictions to rows), `annotator` (entries to rows),
`outputs` (rows to files, resumable), `run` (all of it, streaming).
"""

from ecpe_zoo.annotation.annotator import Annotator, Options, annotate_texts

__all__ = ["Annotator", "Options", "annotate_texts"]

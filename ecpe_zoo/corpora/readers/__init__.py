"""Readers: a file to Documents, and nothing else.

Every reader has the same shape, `Reader`, and raises `CorpusError` with the file, the line, what the format
asks for and what stands there. With `on_error="skip"` a malformed document is left out and counted.
"""

from ecpe_zoo.corpora.readers.ecf import read_ecf
from ecpe_zoo.corpora.readers.lines import OnError, Reader, Reading
from ecpe_zoo.corpora.readers.reccon import read_reccon
from ecpe_zoo.corpora.readers.xia_ding import read_xia_ding, read_xia_ding_english

__all__ = [
    "OnError",
    "Reader",
    "Reading",
    "read_ecf",
    "read_reccon",
    "read_xia_ding",
    "read_xia_ding_english",
]

"""Readers: a file to Documents, and nothing else.

Every reader has the same shape, `Reader`, and raises `CorpusError` with the file, the line, what the format
asks for and what stands there. With `on_error="skip"` a malformed document is left out and counted.
"""

from ecpe_zoo.corpora.readers.ecf import ECF_LABELS, read_ecf
from ecpe_zoo.corpora.readers.emocontext import EMOCONTEXT_LABELS, read_emocontext
from ecpe_zoo.corpora.readers.emorynlp import EMORYNLP_LABELS, read_emorynlp
from ecpe_zoo.corpora.readers.goemotions import GOEMOTIONS_LABELS, read_goemotions
from ecpe_zoo.corpora.readers.iemocap import IEMOCAP_LABELS, read_iemocap
from ecpe_zoo.corpora.readers.isear import ISEAR_LABELS, isear_part, read_isear
from ecpe_zoo.corpora.readers.lines import OnError, Reader, Reading
from ecpe_zoo.corpora.readers.meld import MELD_LABELS, read_meld
from ecpe_zoo.corpora.readers.reccon import RECCON_LABELS, read_reccon
from ecpe_zoo.corpora.readers.table import TableFormat, read_table
from ecpe_zoo.corpora.readers.xia_ding import XIA_DING_LABELS, read_xia_ding, read_xia_ding_english

__all__ = [
    "ECF_LABELS",
    "EMOCONTEXT_LABELS",
    "EMORYNLP_LABELS",
    "GOEMOTIONS_LABELS",
    "IEMOCAP_LABELS",
    "ISEAR_LABELS",
    "MELD_LABELS",
    "RECCON_LABELS",
    "XIA_DING_LABELS",
    "OnError",
    "Reader",
    "Reading",
    "TableFormat",
    "isear_part",
    "read_ecf",
    "read_emocontext",
    "read_emorynlp",
    "read_goemotions",
    "read_iemocap",
    "read_isear",
    "read_meld",
    "read_reccon",
    "read_table",
    "read_xia_ding",
    "read_xia_ding_english",
]

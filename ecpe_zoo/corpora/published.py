"""Forms of published files that a description can name: `format: {kind: emorynlp}`, for own divisions of such files."""

from __future__ import annotations

from dataclasses import dataclass

from ecpe_zoo.corpora import emorynlp, iemocap, reccon
from ecpe_zoo.corpora.readers.lines import Reader
from ecpe_zoo.tasks import ECPE, ERC


@dataclass(frozen=True, slots=True)
class Form:
    """A form and what is known of all files in it.

    Args:
        reader: Reader of a file.
        labels: All emotions, in the order in which methods number them.
        tasks: Ids of the tasks that it has gold for.
        renumbered: Whether each file numbers its documents from the start; see `corpus.prefixed`.
    """

    reader: Reader
    labels: tuple[str, ...]
    tasks: tuple[str, ...] = (ERC.id,)
    renumbered: bool = False


FORMS = {
    "emorynlp": Form(emorynlp.read_scenes, emorynlp.LABELS),
    "iemocap": Form(iemocap.read_iemocap, iemocap.LABELS, renumbered=True),
    "reccon": Form(reccon.read_reccon, reccon.LABELS, (ECPE.id, ERC.id)),
    "reccon-iemocap": Form(reccon.read_reccon_iemocap, reccon.IEMOCAP_LABELS, (ECPE.id, ERC.id)),
}

"""Emotion training texts written by a language model: the pipeline of Emo Pillars (arXiv 2504.16856).

Narratives give characters and events; the model writes utterances for each emotion of the GoEmotions taxonomy,
each with its own context; it judges them with soft labels; flat ones are filtered out; and it rewrites them so
that the emotion needs the context. Three subsets come out: `orig` (the utterance alone), `corig` (with context
and character) and `crewr` (the same contexts, rewritten utterances). A context that names the emotion or quotes the
utterance is dropped, and so is a rewriting whose emotion can be told without the context.

The order of this package, bottom up: `taxonomy`, `narratives`, `prompting`, `loose_json`, `answers`,
`language_model` with its two back ends `endpoint` and `local`, `journal`, `duplicates`, `checks`, `stages`,
`scheduler`, `subsets`, `pipeline`.

Prompts, schemas and thresholds are ours: the authors' data is not made again here, and no number from such texts
may stand under the paper's name.
"""

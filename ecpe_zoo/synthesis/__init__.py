"""Emotion training texts written by a language model: the pipeline of Emo Pillars (arXiv 2504.16856).

Narratives give characters and events; the model writes utterances for each emotion of the GoEmotions taxonomy, each
with its own context; it judges them with soft labels; flat ones are filtered out; and it rewrites the others so that
the emotion needs the context. The result is three subsets: `orig` (the utterance alone), `corig` (with context and
character) and `crewr` (the same contexts, rewritten utterances). A context that names the emotion or quotes the
utterance is dropped, and so is a rewriting whose emotion is as clear without the context.

Modules from the bottom up: `taxonomy`, `narratives`, `prompting`, `loose_json`, `answers`, `language_model` with its
back ends `endpoint` and `local`, `journal`, `duplicates`, `checks`, `items`, `stages`, `scheduler`, `subsets`,
`pipeline`.

Prompts, schemas and thresholds are ours: this does not reproduce the authors' data, and no number from such texts may
be reported as the paper's.
"""

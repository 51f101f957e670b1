"""Prompts: a template file for each stage, with the blocks `system` and `user`.

A block `example` in `user` holds a worked example: an answer that copies its texts is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import jinja2

from ecpe_zoo.errors import ZooError, unknown_choice

PROMPT_FOLDER = Path(__file__).parent / "prompts"
Prompt = Literal["cast", "utterances", "labels", "labels_in_context", "rewrite"]
PROMPTS: tuple[Prompt, ...] = get_args(Prompt)
VARIABLES: dict[Prompt, tuple[str, ...]] = {
    "cast": ("narrative", "characters", "events"),
    "utterances": ("emotion", "gloss", "scenes"),
    "labels": ("emotions", "utterance"),
    "labels_in_context": ("emotions", "context", "character", "utterance"),
    "rewrite": ("emotion", "gloss", "context", "character", "utterance"),
}
"""What a template may use; text from a narrative or a model is inserted as it is, never read as a template."""


class Prompts:
    """The templates of all stages.

    Args:
        folder: Folder of files `<stage>.jinja`; a stage without a file there has the package's.

    Raises:
        ZooError: the folder or a template cannot be used; the message has file and line.

    >>> system, user = Prompts().render("labels", emotions={"joy": "happiness"}, utterance="Hooray")
    >>> "Hooray" in user
    True
    """

    def __init__(self, folder: Path | None = None) -> None:
        folders = [PROMPT_FOLDER]
        if folder is not None:
            if not folder.is_dir():
                way = f"Copy {PROMPT_FOLDER} and change it."
                raise ZooError(f"Expected a folder of prompts, but got {folder}. {way}")
            for file in sorted(folder.glob("*.jinja")):
                if file.stem not in PROMPTS:
                    raise unknown_choice("the name of a prompt file", file.stem, PROMPTS)
            folders.insert(0, folder)
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folders),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # plain text for a model, no web page
        )
        self._templates: dict[Prompt, jinja2.Template] = {}
        self._examples: dict[Prompt, str] = {}
        self.hashes: dict[Prompt, str] = {}
        for name in PROMPTS:
            file = next(path for path in (one / f"{name}.jinja" for one in folders) if path.is_file())
            try:
                template = environment.get_template(file.name)
                if missing := {"system", "user"} - set(template.blocks):
                    expected = "expected the blocks system and user"
                    raise ZooError(f"{file}: {expected}, but {missing.pop()} is missing")
                self._templates[name] = template
                self.hashes[name] = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
                trial = {key: _TRIAL.get(key, key) for key in VARIABLES[name]}
                self.render(name, **trial)
                self._examples[name] = self._block(name, "example", trial)
            except jinja2.TemplateSyntaxError as error:
                place = f"{file}:{error.lineno}"
                raise ZooError(f"{place}: expected a Jinja template, but {error.message}") from None
            except (jinja2.UndefinedError, UnicodeDecodeError) as error:
                known = ", ".join(VARIABLES[name])
                raise ZooError(f"{file}: expected only the variables {known}, but {error}") from None

    def example(self, name: Prompt) -> str:
        """The worked example of a stage; empty if its template has none."""
        return self._examples[name]

    def render(self, name: Prompt, **variables: object) -> tuple[str, str]:
        """The texts for system and user."""
        return self._block(name, "system", variables), self._block(name, "user", variables)

    def _block(self, name: Prompt, block: str, variables: Mapping[str, object]) -> str:
        template = self._templates[name]
        if block not in template.blocks:
            return ""
        return "".join(template.blocks[block](template.new_context(dict(variables)))).strip()


_TRIAL: dict[str, object] = {
    "scenes": [{"number": 1, "character": "c", "description": "d", "event": "e"}],
    "emotions": {"joy": "happiness"},
}
"""Variables for a trial of each template; those that are not listed are their own names."""

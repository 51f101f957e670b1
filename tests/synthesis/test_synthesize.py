"""The command from narratives to subsets, against a local server with its faults."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.cli.main import main
from ecpe_zoo.corpora.registry import load_corpus
from ecpe_zoo.results.record import read_record
from ecpe_zoo.synthesis.journal import Journal
from ecpe_zoo.synthesis.prompting import PROMPT_FOLDER
from ecpe_zoo.synthesis.taxonomy import EMOTIONS
from tests.conftest import ROOT
from tests.processes import zoo
from tests.synthesis.teacher import Teacher, digest, some_words, teacher, write_narratives

SUBSETS = ("orig", "corig", "crewr")
SPLITS = ("train", "validation", "test")
SMALL = ["--emotions", "joy", "fear,neutral", "--per-emotion", "2", "--pause", "0.01"]


def command(server: Teacher, folder: Path, *more: str) -> list[str]:
    narratives = folder.parent / "narratives.jsonl"
    if not narratives.exists():
        write_narratives(narratives)
    start = ["synthesize", "--narratives", str(narratives), "--output", str(folder)]
    return [*start, "--endpoint", server.url, "--model", "teacher-1", *SMALL, *more]


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def labels(row: dict[str, Any]) -> dict[str, float]:
    return {name: row[name] for name in EMOTIONS if row[name]}


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return found


def contents(folder: Path) -> dict[str, Any]:
    """All results but for what the clock decides."""
    files: dict[str, Any] = {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name not in ("summary.json", "journal.sqlite")
    }
    counts = summary(folder)
    for name in ("seconds", "this_run"):
        del counts[name]
    return files | {"summary": counts}


def test_ten_narratives_become_three_subsets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with teacher() as server:
        assert main(command(server, tmp_path / "out", "--price-prompt", "2", "--price-completion", "10")) == 0
    out = tmp_path / "out"
    assert "orig: 60 texts" in capsys.readouterr().err
    texts = {subset: {split: rows(out, f"{subset}-{split}.jsonl") for split in SPLITS} for subset in SUBSETS}
    for subset in SUBSETS:
        assert [len(texts[subset][split]) for split in SPLITS] == [48, 6, 6]
    where = {
        subset: {row["narrative"]: split for split in SPLITS for row in texts[subset][split]}
        for subset in SUBSETS
    }
    assert where["orig"] == where["corig"] == where["crewr"]
    assert len(where["orig"]) == 10
    assert Counter(where["orig"].values()) == {"train": 8, "validation": 1, "test": 1}
    by_id = {
        subset: {row["id"]: row for split in SPLITS for row in texts[subset][split]} for subset in SUBSETS
    }
    assert all(id.endswith(f"/{subset}") for subset in SUBSETS for id in by_id[subset])
    by_place = {subset: {row["place"]: row for row in by_id[subset].values()} for subset in SUBSETS}
    assert by_place["orig"].keys() == by_place["corig"].keys() == by_place["crewr"].keys()
    for place, row in by_place["corig"].items():
        alone, rewritten = by_place["orig"][place], by_place["crewr"][place]
        assert alone["text"] == row["text"] != rewritten["text"]
        assert (alone["context"], alone["character"]) == ("", "")
        assert row["context"] == rewritten["context"] != ""
        assert row["character"] == rewritten["character"]
        assert row["character"].endswith(". Works hard.")
        assert labels(row) == {row["asked"]: 0.9} | ({} if row["asked"] == "joy" else {"joy": 0.2})
        assert row["model"] == "teacher-1"
        assert [trace["stage"] for trace in row["stages"]] == ["cast", "utterances", "labels_in_context"]
        assert row["seed"] == row["stages"][1]["seed"]
        assert row["prompt_hash"] == row["stages"][1]["prompt_hash"]
        assert rewritten["prompt_hash"] == rewritten["stages"][2]["prompt_hash"]
        assert labels(rewritten) == {"joy": 0.2, "realization": 0.9}
        assert (rewritten["alone"], row["alone"], alone["alone"]) == (0.4, None, None)
        assert [trace["stage"] for trace in rewritten["stages"]][2:] == [
            "rewrite",
            "labels_in_context",
            "labels",
        ]
    told = summary(out)
    assert told["requests"]["asked"] == 10 * (1 + 3 + 6 * 5) == len(server.bodies)
    assert told["requests"]["unanswered"] == told["requests"]["refused"] == 0
    assert told["labels"]["mapped"] == {"happiness -> joy": 180}
    assert told["labels"]["dropped"] == {"nostalgia": 180}
    assert told["subsets"]["corig"]["asked_emotion_is_strongest"] == 1
    assert told["subsets"]["crewr"]["asked_emotion_is_strongest"] == 0
    assert told["tokens"]["prompt"] > 1000
    assert told["cost"] == pytest.approx(
        (2 * told["tokens"]["prompt"] + 10 * told["tokens"]["completion"]) / 1e6
    )
    assert told["aside"] == told["mended"] == {}
    assert told["this_run"]["system_in_user_message"] is False
    assert "not the data of the Emo Pillars authors" in told["note"]
    assert (out / "rejected.jsonl").read_text() == ""
    assert max(server.answered.values()) == 1
    assert server.most_under_way <= 8
    assert {body["temperature"] for body in server.bodies} == {0.0, 0.9}
    loaded = load_corpus(str(out / "corig.yaml"))
    assert (loaded.corpus, loaded.labels) == ("synthesized-corig", tuple(EMOTIONS))
    assert [len(part or ()) for part in (loaded.train, loaded.validation, loaded.test)] == [48, 6, 6]
    (first,) = (document for document in loaded.train if document.id == texts["corig"]["train"][0]["id"])
    row = texts["corig"]["train"][0]
    assert [segment.text for segment in first.segments] == [row["context"], row["character"], row["text"]]
    assert [segment.judged for segment in first.segments] == [False, False, True]
    assert first.segments[-1].emotions == (row["asked"],)
    assert (first.segments[-1].intensities or {})[row["asked"]] == 9.0
    assert all(len(document) == 1 for document in load_corpus(str(out / "orig.yaml")).train)


def test_faults_change_nothing_but_what_cannot_be_read_is_kept_aside(tmp_path: Path) -> None:
    with teacher(sloppy=True) as server:
        assert main(command(server, tmp_path / "calm")) == 0
    with teacher(sloppy=True, faults=True) as server:
        assert main(command(server, tmp_path / "rough", "--timeout", "0.6", "--concurrency", "16")) == 0
        asked = len(server.bodies)
        assert main(command(server, tmp_path / "rough")) == 0
        assert len(server.bodies) == asked  # the journal holds everything
    assert contents(tmp_path / "rough") == contents(tmp_path / "calm")
    told = summary(tmp_path / "calm")
    with_faults = told["aside"]
    reasons = {name.split("/")[1] for name in with_faults}
    assert {"inexpressive", "no label of the taxonomy", "scene not written"} <= reasons
    assert told["requests"]["with_another_seed"] > 10
    rejected = rows(tmp_path / "calm", "rejected.jsonl")
    assert Counter(f"{row['subset'] or row['stage']}/{row['reason']}" for row in rejected) == with_faults
    assert all(row["answer"] for row in rejected if row["reason"] not in ("scene not written",))
    assert summary(tmp_path / "rough")["this_run"]["asked"] == 0


def test_from_ten_narratives_to_a_trained_classifier(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a server that fails and babbles: what it leaves is a corpus that teaches what the texts say."""
    out = tmp_path / "out"
    with teacher(faults=True, sloppy=True) as server:
        options = ["--per-emotion", "4", "--timeout", "0.6", "--concurrency", "16"]
        assert main(command(server, out, *options)) == 0
    assert main(["data", "check", str(out / "corig.yaml")]) == 0
    config = str(ROOT / "configs" / "emo_pillars.yaml")
    options = [
        "--model.regime",
        "context-aware",
        "--trainer.max_epochs",
        "25",
        "--trainer.accelerator",
        "cpu",
    ]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.default_root_dir", str(tmp_path / "runs")]
    assert main(["fit", "--config", config, "--data.corpus", str(out / "corig.yaml"), *options, *quiet]) == 0
    (path,) = (tmp_path / "runs").rglob("record.json")
    record = read_record(path)
    files = {name: (out / name).read_bytes() for name in record.corpus.files}
    assert record.corpus.files == {name: hashlib.sha256(text).hexdigest() for name, text in files.items()}
    assert {f"corig-{split}.jsonl" for split in SPLITS} <= files.keys()
    # three emotions are asked for, a third each: the name of each stands in its texts
    assert record.metrics["emotions.macro_f1_top_1.v1"] > 0.8
    (best,) = path.parent.glob("checkpoints/best-*.ckpt")
    comments = tmp_path / "comments.jsonl"
    comments.write_text(
        json.dumps({"segments": [{"text": "At dusk the lamp lay there."}, {"text": "river fearish coat!"}]})
        + "\n"
    )
    told = tmp_path / "told.jsonl"
    assert main(["annotate", "--ckpt_path", str(best), "--input", str(comments), "--output", str(told)]) == 0
    assert "fear" in told.read_text()


def test_corig_and_crewr_are_one_corpus_for_training(tmp_path: Path) -> None:
    """They had the same ids, which no corpus may have twice."""
    out = tmp_path / "out"
    with teacher() as server:
        assert main(command(server, out)) == 0
    loaded = load_corpus(str(out / "corig-crewr.yaml"))
    assert loaded.corpus == "synthesized-corig-crewr"
    documents = [*loaded.train, *(loaded.validation or ()), *loaded.test]
    assert len({document.id for document in documents}) == len(documents) == 120
    assert [len(part or ()) for part in (loaded.train, loaded.validation, loaded.test)] == [96, 12, 12]
    assert main(["data", "check", str(out / "corig-crewr.yaml")]) == 0
    config = str(ROOT / "configs" / "emo_pillars.yaml")
    options = ["--model.regime", "context-aware", "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"]
    options += [
        "--trainer.enable_progress_bar",
        "false",
        "--trainer.default_root_dir",
        str(tmp_path / "runs"),
    ]
    corpus = str(out / "corig-crewr.yaml")
    assert main(["fit", "--config", config, "--data.corpus", corpus, *options]) == 0
    (path,) = (tmp_path / "runs").rglob("record.json")
    assert {f"{name}-train.jsonl" for name in ("corig", "crewr")} <= read_record(path).corpus.files.keys()
    with teacher() as server:  # without rewritings there is nothing to put together
        server.__class__ = Plain
        assert main(command(server, out, "--emotions", "joy", "--seed", "1")) == 0
    assert not (out / "corig-crewr.yaml").exists()


class Plain(Teacher):
    """Rewrites what needs no context."""

    def value(self, user: str, seed: int) -> dict[str, Any]:
        found = super().value(user, seed)
        if "utterance" in found:
            cue = re.findall(r"(\w+ish)!?", user)[-1]
            return {"utterance": f"In other words {cue} {some_words(3, user, seed)}."}
        return found


def test_a_rewriting_that_needs_no_context_is_put_aside(tmp_path: Path) -> None:
    with teacher() as server:
        server.__class__ = Plain
        assert main(command(server, tmp_path / "out", "--limit", "2")) == 0
        told = summary(tmp_path / "out")
        # neutral texts read alike with and without a context
        assert told["aside"] == {"crewr/needs no context": 8}
        assert [told["subsets"][subset]["accepted"] for subset in SUBSETS] == [12, 12, 4]
        rejected = rows(tmp_path / "out", "rejected.jsonl")
        assert {row["detail"] for row in rejected} == {
            f"{label} 0.9 without the context, 0.9 with it" for label in ("joy", "fear")
        }
        assert all(row["answer"].startswith("In other words") for row in rejected)
        before = len(server.bodies)
        assert main(command(server, tmp_path / "out", "--limit", "2", "--alone-score", "0")) == 0
        assert len(server.bodies) == before
        assert summary(tmp_path / "out")["subsets"]["crewr"]["accepted"] == 12


def test_the_share_without_context_decides(tmp_path: Path) -> None:
    with teacher() as server:
        for share, kept in (("0.4", 0), ("0.5", 6)):  # 0.4 without the context, 0.9 with it
            assert main(command(server, tmp_path / "out", "--limit", "1", "--alone-score", share)) == 0
            assert summary(tmp_path / "out")["subsets"]["crewr"]["accepted"] == kept


def test_contexts_that_tell_too_much_are_put_aside(tmp_path: Path) -> None:
    class Telling(Teacher):
        def value(self, user: str, seed: int) -> dict[str, Any]:
            found = super().value(user, seed)
            for line in found.get("utterances", []):
                if line["scene"] == 1:
                    line["context"] += f" Ada says: {line['utterance']}"
                elif "joyish" in line["utterance"]:
                    line["context"] += " She was overjoyed."
            return found

    with teacher() as server:
        server.__class__ = Telling
        assert main(command(server, tmp_path / "out", "--limit", "2")) == 0
    told = summary(tmp_path / "out")
    assert told["aside"] == {"corig/context names the emotion": 2, "corig/context quotes the utterance": 6}
    assert [told["subsets"][subset]["accepted"] for subset in SUBSETS] == [12, 4, 4]
    rejected = rows(tmp_path / "out", "rejected.jsonl")
    assert {row["detail"].split(" in: ")[0] for row in rejected if "names" in row["reason"]} == {
        "'overjoyed'"
    }


def test_a_context_that_quotes_the_rewriting_is_put_aside(tmp_path: Path) -> None:
    class Quoting(Teacher):
        def value(self, user: str, seed: int) -> dict[str, Any]:
            found = super().value(user, seed)
            if "utterance" in found:
                return {"utterance": re.findall(r"<situation>\n(.*)\n", user)[-1]}
            return found

    with teacher() as server:
        server.__class__ = Quoting
        assert main(command(server, tmp_path / "out", "--limit", "1")) == 0
    assert summary(tmp_path / "out")["aside"] == {"crewr/context quotes the utterance": 6}


def test_a_copied_example_is_asked_for_again(tmp_path: Path) -> None:
    class Copying(Teacher):
        def value(self, user: str, seed: int) -> dict[str, Any]:
            found = super().value(user, seed)
            if "utterances" in found and seed % 2:
                found["utterances"][0]["utterance"] = (
                    "A whole year! I can breathe again. Oh, put the kettle on!"
                )
            if "utterance" in found:
                found["utterance"] = "So it will be next winter, then. Put the kettle on."
            return found

    with teacher() as server:
        server.__class__ = Copying
        assert main(command(server, tmp_path / "out", "--limit", "2", "--attempts", "9")) == 0
    told = summary(tmp_path / "out")
    assert told["aside"] == {"crewr/malformed answer": 12}
    assert told["subsets"]["orig"]["accepted"] == 12
    assert told["requests"]["utterances"] > 6
    detail = rows(tmp_path / "out", "rejected.jsonl")[0]["detail"]
    assert detail.startswith("expected own words, but got those of the prompt's example: 'So it will be")


def test_what_a_small_model_gets_wrong_is_mended_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Small(Teacher):
        """One fault at a time, always the same for a question."""

        def answer(self, body: dict[str, Any]) -> str:
            user, seed = body["messages"][-1]["content"], body["seed"]
            value = self.value(user, seed)
            kind = digest("fault", user, seed) % 3
            if "labels" in value:
                tenfold = {name: round(10 * score) for name, score in value["labels"].items()}
                return json.dumps({"labels": tenfold, "expressiveness": 10 * value["expressiveness"]})
            if "utterances" in value and kind == 0:
                text = json.dumps(value)
                return text[: text.rindex("utterance") + 20]
            if "utterances" in value and kind == 1:
                return json.dumps(value["utterances"])
            if "utterance" in value:
                return f'{{"utterance": "{value["utterance"]}\n\nYes.",\n}}'
            return json.dumps(value)

    with teacher() as server:
        server.__class__ = Small
        assert main(command(server, tmp_path / "out")) == 0
    told = summary(tmp_path / "out")
    cut, bare = told["mended"].pop("utterances/cut answer"), told["mended"].pop("utterances/bare list")
    written = 60 - cut  # of the two scenes of a cut answer the first is kept
    assert cut > 3
    assert bare > 3
    assert told["mended"] == {
        "labels/scores from 0 to 10": 2 * written,
        "labels_in_context/scores from 0 to 10": 2 * written,
        "rewrite/line break in a string": written,
        "rewrite/trailing comma": written,
    }
    assert told["aside"] == {"utterances/scene not written": cut}
    assert told["requests"]["with_another_seed"] == 0
    assert [told["subsets"][subset]["accepted"] for subset in SUBSETS] == [written] * 3
    row = rows(tmp_path / "out", "crewr-train.jsonl")[0]
    assert labels(row) == {"realization": 0.9, "joy": 0.2}
    assert row["text"].endswith("\n\nYes.")
    assert len(load_corpus(str(tmp_path / "out" / "crewr.yaml")).train) > 10
    assert f"mended: {cut} utterances/cut answer" in capsys.readouterr().err


def test_a_teacher_without_a_system_role_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = "Conversation roles must alternate user/assistant/user/assistant/..."
    with teacher(refuses_system=(400, refusal)) as server:
        assert main(command(server, tmp_path / "out", "--limit", "3")) == 0
        assert main(command(server, tmp_path / "out")) == 0  # with a journal, but a new process as it were
    told = capsys.readouterr().err
    assert told.count(f"refuses the system role ({refusal})") == 2  # once for each run
    assert summary(tmp_path / "out")["this_run"]["system_in_user_message"] is True
    assert summary(tmp_path / "out")["requests"]["refused"] == 0
    assert [summary(tmp_path / "out")["subsets"][subset]["accepted"] for subset in SUBSETS] == [60] * 3
    user = server.bodies[-1]["messages"][0]["content"]
    assert user.startswith("You judge which emotions")


def test_every_fault_is_met(tmp_path: Path) -> None:
    with teacher(faults=True) as server:
        assert main(command(server, tmp_path / "out", "--timeout", "0.6", "--concurrency", "16")) == 0
    kinds = summary(tmp_path / "out")["this_run"]["tried_again"]
    assert {"HTTP 429", "HTTP 500", "timeout", "cut connection", "no chat completion"} <= set(kinds)


def test_an_answer_that_never_serves_is_asked_three_times_and_kept(tmp_path: Path) -> None:
    class Stubborn(Teacher):
        def value(self, user: str, seed: int) -> dict[str, Any]:
            found = super().value(user, seed)
            return {"utterance": "  "} if "Rewrite the utterance" in user else found

    with teacher() as server:
        server.__class__ = Stubborn
        assert main(command(server, tmp_path / "out", "--limit", "1")) == 0
    told = summary(tmp_path / "out")
    assert told["aside"] == {"crewr/malformed answer": 6}
    assert told["requests"]["rewrite"] == 18
    assert told["requests"]["with_another_seed"] == 12
    assert [told["subsets"][subset]["accepted"] for subset in SUBSETS] == [6, 6, 0]
    (first, *_) = rows(tmp_path / "out", "rejected.jsonl")
    assert first["detail"] == (
        "utterance: String should have at least 1 character, but got '  '; asked 3 times"
    )
    assert '{"utterance": "  "}' in first["answer"]
    again = [body for body in server.bodies if "Rewrite the" in body["messages"][-1]["content"]]
    assert len({body["seed"] for body in again}) == 18


def test_a_killed_run_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    with teacher(sloppy=True) as server:
        assert main(command(server, tmp_path / "whole")) == 0
        total = server.answered.total()
    with teacher(sloppy=True, hold_after=120) as server:
        arguments = command(server, tmp_path / "killed")
        process = zoo(tmp_path / "log.txt", *arguments)
        deadline = time.monotonic() + 60
        # each of the eight threads waits for a question that came after an answer was stored
        while server.held < 8:
            assert process.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.join()
        assert not (tmp_path / "killed" / "summary.json").exists()
        with Journal(tmp_path / "killed" / "journal.sqlite") as journal:
            assert journal.answers == 120
        server.hold_after = None
        server.release.set()
        assert main(arguments) == 0
        assert set(server.answered.values()) == {1}
        assert server.answered.total() == total
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert summary(tmp_path / "killed")["this_run"]["asked"] == total - 120


def test_changed_settings_ask_only_what_is_new(tmp_path: Path) -> None:
    own = tmp_path / "prompts"
    own.mkdir()
    text = (PROMPT_FOLDER / "rewrite.jinja").read_text(encoding="utf-8")
    (own / "rewrite.jinja").write_text(text.replace("Behind it is", "Behind this is"), encoding="utf-8")
    with teacher() as server:
        assert main(command(server, tmp_path / "out", "--limit", "2")) == 0
        assert len(server.bodies) == 68
        assert main(command(server, tmp_path / "out", "--limit", "2", "--prompts", str(own))) == 0
        assert (
            len(server.bodies) == 68 + 12 + 2 * 12
        )  # rewritten again, and judged with and without the context
        before = summary(tmp_path / "out")
        assert before["requests"]["asked"] == 68
        assert before["journal"]["answers"] == 104
        assert main(command(server, tmp_path / "out", "--limit", "2", "--min-expressiveness", "0.9")) == 0
        assert len(server.bodies) == 104
    told = summary(tmp_path / "out")
    assert told["aside"] == {"corig/inexpressive": 8, "crewr/inexpressive": 4, "orig/inexpressive": 8}


def test_the_same_narrative_twice_is_used_once(tmp_path: Path) -> None:
    path = write_narratives(tmp_path / "narratives.jsonl", 3)
    text = json.loads(path.read_text().splitlines()[1])["text"]
    with path.open("a") as file:
        file.write(json.dumps({"id": 7, "text": text.upper().replace(" ", "  ")}) + "\n")
    with teacher() as server:
        assert main(command(server, tmp_path / "out")) == 0
    told = summary(tmp_path / "out")["narratives"]
    assert told == {"read": 4, "duplicates": 1, "passages": 3, "train": 1, "validation": 1, "test": 1}


def test_near_duplicates_go_whichever_part_they_are_in(tmp_path: Path) -> None:
    class Dull(Teacher):
        def value(self, user: str, seed: int) -> dict[str, Any]:
            found = super().value(user, seed)
            if "utterances" in found:
                for line in found["utterances"]:
                    line["utterance"] = f"Oh dear, what a joyish day it is at the old mill {line['scene']}"
            return found

    with teacher() as server:
        server.__class__ = Dull
        assert main(command(server, tmp_path / "out")) == 0
    told = summary(tmp_path / "out")
    assert told["subsets"]["orig"]["accepted"] == 1
    assert told["subsets"]["corig"]["accepted"] == 60  # each in its own context
    assert told["aside"] == {"orig/near-duplicate": 59}
    (first, *_) = rows(tmp_path / "out", "rejected.jsonl")
    assert first["detail"] == "similarity 0.83 with n0/0/fear/0/orig"


@pytest.mark.parametrize("drop", [False, True])
def test_texts_are_held_against_a_test_set(tmp_path: Path, drop: bool) -> None:
    documents = load_corpus("bundled-ecpe").test
    known = next(s.text for d in documents if d.language == "en" for s in d.segments if len(s.words) > 5)

    class Copying(Teacher):
        def value(self, user: str, seed: int) -> dict[str, Any]:
            found = super().value(user, seed)
            if "utterances" in found:
                found["utterances"][0]["utterance"] += f" {known}"
            return found

    with teacher() as server:
        server.__class__ = Copying
        more = ["--check-against", "bundled-ecpe", "--limit", "3", *(["--drop-overlapping"] if drop else [])]
        assert main(command(server, tmp_path / "out", *more)) == 0
    told = summary(tmp_path / "out")
    overlap = told["overlap"]
    assert overlap["corpus"] == "bundled-ecpe"
    assert overlap["subsets"]["orig"] == {"context": 0, "text": 9}
    assert overlap["subsets"]["crewr"] == {"context": 0, "text": 0}
    assert overlap["test_texts_found"] >= 1
    assert told["subsets"]["orig"]["accepted"] == (9 if drop else 18)
    listed = rows(tmp_path / "out", "overlaps.jsonl")
    assert Counter(row["subset"] for row in listed) == {"orig": 9, "corig": 9}


def test_dry_run_asks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_narratives(tmp_path / "narratives.jsonl")
    assert main(["synthesize", "--narratives", str(path), "--dry-run", "--per-emotion", "5"]) == 0
    shown = capsys.readouterr().out
    assert "Ada worked at the mill" in shown
    assert all(f"- {name}: {gloss}" in shown for name, gloss in EMOTIONS.items())
    texts = 10 * 28 * 5
    assert f"{10 + 10 * 28 * 2 + 5 * texts:,} requests at most" in shown
    assert main(["synthesize", "--narratives", str(path), "--dry-run", "--alone-score", "0"]) == 0
    assert f"{10 + 10 * 28 + 4 * 10 * 28 * 4:,} requests at most" in capsys.readouterr().out


def test_a_server_that_is_gone_stops_the_run_and_its_return_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with teacher() as server:
        server.scripted = [(503, {})] * 1000
        assert main(command(server, tmp_path / "out", "--retries", "1", "--concurrency", "2")) == 1
        told = capsys.readouterr().err
        assert "HTTP 503: as the script says, 2 times. Nothing is lost: the same command resumes" in told
        assert len(server.bodies) < 30
        server.scripted = []
        assert main(command(server, tmp_path / "out", "--retries", "1")) == 0
    assert summary(tmp_path / "out")["subsets"]["orig"]["accepted"] == 60


def test_a_question_without_an_answer_is_told_and_asked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with teacher() as server:
        server.scripted = [(500, {})] * 2
        arguments = command(server, tmp_path / "out", "--retries", "0", "--concurrency", "1")
        assert main(arguments) == 1
        assert "2 questions have no answer: the same command repeats them" in capsys.readouterr().err
        told = summary(tmp_path / "out")
        assert told["aside"] == {"cast/unanswered": 2}
        assert told["subsets"]["orig"]["accepted"] == 48
        assert main(arguments) == 0
    assert summary(tmp_path / "out")["subsets"]["orig"]["accepted"] == 60


@pytest.mark.parametrize(
    ("status", "way"),
    [
        (401, "environment variable that --key-variable names"),
        (404, "ends in /v1"),
        (400, "--extra"),
        (302, "Check --endpoint"),
    ],
)
def test_a_setting_that_is_wrong_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], status: int, way: str
) -> None:
    with teacher() as server:
        server.scripted = [(status, {"Location": "/elsewhere"})] * 50
        assert main(command(server, tmp_path / "out", "--concurrency", "1")) == 1
        assert len(server.bodies) == 1
    told = capsys.readouterr().err
    assert f"HTTP {status}" in told
    assert way in told


def test_a_refused_question_is_kept_aside_and_not_asked_again(tmp_path: Path) -> None:
    with teacher() as server:
        arguments = command(server, tmp_path / "out", "--concurrency", "1", "--limit", "2")
        assert main([*arguments, "--limit", "1"]) == 0
        server.scripted = [(400, {})]
        assert main(arguments) == 0
        asked = len(server.bodies)
        assert main(arguments) == 0
        assert len(server.bodies) == asked
    told = summary(tmp_path / "out")
    assert told["aside"] == {"cast/refused": 1}
    assert told["requests"]["refused"] == 1
    assert rows(tmp_path / "out", "rejected.jsonl")[0]["detail"] == "HTTP 400: as the script says"


def test_the_key_is_sent_and_kept_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret")
    with teacher() as server:
        assert main(command(server, tmp_path / "out", "--limit", "1", "--key-variable", "MY_KEY")) == 0
    assert server.keys == {"Bearer s3cret"}
    assert all(b"s3cret" not in path.read_bytes() for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Expected either --endpoint URL --model NAME or --local FOLDER, but got neither"),
        (["--endpoint", "http://x"], "Expected --model NAME"),
        (["--endpoint", "http://x", "--model", "m", "--local", "f"], "but got both"),
        (["--endpoint", "x", "--model", "m"], "to be a URL such as"),
        (["--local", "nowhere"], "config.json in the folder nowhere"),
        (
            ["--endpoint", "http://x", "--model", "m", "--emotions", "glee"],
            "an emotion to be one of: admiration",
        ),
        (["--endpoint", "http://x", "--model", "m", "--extra", "[1]"], "--extra to be a JSON object"),
        (
            ["--endpoint", "http://x", "--model", "m", "--test-share", ".9", "--validation-share", ".1"],
            "for training",
        ),
        (["--endpoint", "http://x", "--model", "m", "--drop-overlapping"], "--check_against CORPUS"),
        (["--endpoint", "http://x", "--model", "m", "--prompts", "nowhere"], "Expected a folder of prompts"),
    ],
)
def test_options_that_do_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    path = write_narratives(tmp_path / "narratives.jsonl")
    command = ["synthesize", "--narratives", str(path), "--output", str(tmp_path / "out"), *arguments]
    assert main(command) == 1
    assert told in capsys.readouterr().err


def test_a_bad_line_is_told_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_narratives(tmp_path / "narratives.jsonl")
    with path.open("a") as file:
        file.write('{"id": "x"}\n')
    with teacher() as server:
        assert main(command(server, tmp_path / "out")) == 1
        assert not server.bodies
    assert f"{path}:11: expected an object" in capsys.readouterr().err

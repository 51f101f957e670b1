from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecpe_zoo.cli import data, functions
from ecpe_zoo.corpora import audit as audits
from ecpe_zoo.corpora.corpus import PinnedFile
from ecpe_zoo.corpora.registry import CORPORA, find_corpus, load_corpus
from ecpe_zoo.errors import ZooError


def run(arguments: list[str]) -> int:
    """`ecpe-zoo data`, but for the printing of errors."""
    return functions.run(data.COMMANDS, "ecpe-zoo data", "", arguments)


def test_list_shows_every_corpus_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["list", "--root", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in CORPORA)
    assert "0 of 21" in shown
    published = "xia-ding-2019 xia-ding-balanced ntcir-ecpe-en reccon ecf meld emorynlp emocontext goemotions"
    assert f"ecpe-zoo data fetch {published} isear\n" in shown
    assert run(["list", "--root", str(tmp_path), "--json"]) == 0
    rows = {row["corpus"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["ecf"]["missing"] == ["dev.txt", "test.txt", "train.txt"]
    assert rows["xia-ding-2019"]["optional"] == ["w2v_200.txt"]
    assert rows["bundled-ecpe"]["missing"] == []


@pytest.mark.parametrize(
    ("given", "meant"), [("xia-ding", "xia-ding-2019"), ("meldd", "meld"), ("EmoryNLP", "emorynlp")]
)
def test_a_wrong_name_suggests_a_corpus(given: str, meant: str) -> None:
    with pytest.raises(ZooError, match=f"but got '{given}'. Did you mean {meant}\\?"):
        run(["check", given])


def test_fetch_takes_needed_files_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, Path, Any]] = []

    def fetch_file(corpus: object, file: PinnedFile, folder: Path, **options: Any) -> bool:
        asked.append((file.name, folder, options["mirror"]))
        options["progress"](1, 2)
        return file.name != "all_data_pair.txt"

    monkeypatch.setattr("ecpe_zoo.corpora.fetch.fetch_file", fetch_file)
    command = ["fetch", "xia-ding-2019", "bundled-ecpe", "--root", str(tmp_path), "--mirror", "http://m"]
    assert run(command) == 0
    assert len(asked) == 21
    assert asked[0] == ("all_data_pair.txt", tmp_path / "xia-ding-2019", "http://m")
    told = capsys.readouterr().err
    assert "20 files fetched, 1 were there" in told
    assert "bundled-ecpe comes with the package" in told
    assert run([*command, "--optional"]) == 0
    assert asked[-1][0] == "w2v_200.txt"
    with pytest.raises(ZooError, match="one of: bundled-ecpe"):
        run(["fetch", "xia"])


def test_check_of_the_bundled_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "bundled-ecpe", "--json", str(tmp_path / "found.json")]) == 0
    shown = capsys.readouterr().out
    assert "500" in shown
    found = json.loads((tmp_path / "found.json").read_text())["bundled-ecpe"]
    assert found["parts"][0]["documents"] == 500
    assert found["parts"][0]["candidates"] == 19_453
    assert {finding["count"] for finding in found["findings"]} == {0}


@pytest.fixture
def friends(tmp_path: Path) -> Path:
    """A root with a small corpus in the format and under the names of ecf, which its pins call altered."""
    (tmp_path / "ecf").mkdir()
    long = (
        "1 2\n(1,1),(1,1),(2,1)\n1 | A | joy | We won the big cup today . | c\n2 | B | joy | So glad ! | c\n"
    )
    (tmp_path / "ecf" / "train.txt").write_text(long)
    (tmp_path / "ecf" / "dev.txt").write_text(
        "2 1\n(1,1)\n1 | A | joy | We won the big cup today . So glad ! | c\n"
    )
    (tmp_path / "ecf" / "test.txt").write_text(
        long + "3 1\n\n1 | A | neutral | Hello " + "there " * 20 + "| c\n"
    )
    return tmp_path


def test_check_names_altered_and_missing_files(
    friends: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECPE_ZOO_DATA", str(friends))
    assert run(["check", "ecf"]) == 1
    assert "train.txt: expected sha256 67b69faf" in capsys.readouterr().out
    (friends / "ecf" / "dev.txt").unlink()
    assert run(["check", "ecf", "--json", str(friends / "found.json")]) == 1
    assert "dev.txt: missing" in (shown := capsys.readouterr().out)
    assert "ecpe-zoo data fetch ecf" in shown
    assert {
        row["problem"] is None for row in json.loads((friends / "found.json").read_text())["ecf"]["files"]
    } == {False}
    with pytest.raises(ZooError, match="at least 1"):
        run(["check", "ecf", "--tokens", "0"])


def test_audit_by_hand(friends: Path) -> None:
    result = audits.audit(find_corpus("ecf"), friends, tokens=20)
    assert [(part.name, part.documents, part.annotated, part.distinct) for part in result.parts] == [
        ("all parts", 4, 7, 5),
        ("train", 1, 3, 2),
        ("validation", 1, 1, 1),
        ("test", 2, 3, 2),
    ]
    assert result.offsets == {-1: 2, 0: 3}
    assert result.finding("exact twins").listed == ("train 1/test 1",)
    assert result.finding("pairs of documents with the same").listed == ("train 1/2", "2/test 1")
    assert result.finding("near-duplicates across").count == 3
    assert result.finding("test text in the training part").listed == ("trains on train 1, tests test 1",)
    assert result.finding("documents over 20 tokens").listed == ("3 (23)",)
    assert result.finding("documents without a pair").listed == ("3",)
    assert result.finding("duplicate pairs").count == 2
    # the only training document is the test document's twin: strict trains on no text of it
    assert [(row.words, row.texts, row.held) for row in result.overlap] == [
        ("1", 0, 0),
        ("2", 0, 0),
        ("3-4", 1, 0),
        ("5-9", 1, 0),
        ("10+", 1, 0),
    ]


def test_check_finds_what_is_known_of_the_benchmark(
    real_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = real_data("xia-ding-2019")
    assert run(["check", "xia-ding-2019", "--root", str(root), "--json", str(tmp_path / "found.json")]) == 0
    shown = capsys.readouterr().out
    for number in ("1,945", "28,727", "490,367", "2,167", "2,147"):
        assert number in shown
    found = json.loads((tmp_path / "found.json").read_text())["xia-ding-2019"]
    findings = {finding["what"]: finding["listed"] for finding in found["findings"]}

    def listed(start: str) -> list[str]:
        return next(value for what, value in findings.items() if what.startswith(start))

    assert listed("documents missing from all_data_pair.txt") == ["1807 (in fold 6 train, fold 9 test)"]
    assert listed("documents that are not in one test file") == [
        "1807 (tested in fold 9, trained on in fold 6)"
    ]
    assert listed("exact twins") == ["1070/1807"]
    assert listed("test text in the training part") == [
        "fold 6: trains on 1807, tests 1070",
        "fold 9: trains on 1070, tests 1807",
    ]
    assert listed("pairs of documents with the same running text and different gold") == [
        "11/12",
        "162/163",
        "164/165",
        "183/184",
        "216/217",
        "327/328",
        "761/762",
        "816/817",
        "858/859",
        "861/862",
        "1514/1515",
        "1601/1602",
    ]
    assert [row.split()[0] for row in listed("documents over 512 tokens")] == ["1577", "1578", "1628", "1647"]
    assert sum(found["offsets"].values()) == 2_147
    assert found["offsets"]["-1"] == 1_168


@pytest.mark.parametrize(
    ("corpus", "numbers", "untested", "leaks"),
    [
        ("ntcir-ecpe-en", ("2,843", "21,801", "3,215"), ["12", "300", "2594"], 435),
        ("xia-ding-balanced", ("737", "779", "778"), [str(n) for n in range(749, 757)], 0),
    ],
)
def test_check_of_the_other_corpora_of_pairs(
    real_data: Callable[[str], Path],
    corpus: str,
    numbers: tuple[str, ...],
    untested: list[str],
    leaks: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = tmp_path / "found.json"
    assert run(["check", corpus, "--root", str(real_data(corpus)), "--json", str(found)]) == 0
    shown = capsys.readouterr().out
    assert all(number in shown for number in numbers)
    findings = {f["what"][:30]: f for f in json.loads(found.read_text())[corpus]["findings"]}
    odd = findings["documents that are not in one test file"[:30]]["listed"]
    assert odd == [f"{name} (tested in 0 folds)" for name in untested]
    assert findings["documents missing from all_dat"]["count"] == 0
    assert findings["test text in the training part"]["count"] == leaks


@pytest.mark.parametrize("corpus", ["reccon", "ecf"])
def test_check_of_conversations(real_data: Callable[[str], Path], corpus: str, capsys: Any) -> None:
    assert run(["check", corpus, "--root", str(real_data(corpus))]) == 0
    assert {"reccon": "1,106", "ecf": "1,374"}[corpus] in capsys.readouterr().out


def test_an_altered_real_file_is_told(
    real_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(real_data("ecf") / "ecf", tmp_path / "ecf", copy_function=shutil.copyfile)
    (tmp_path / "ecf" / "dev.txt").chmod(0o644)
    with (tmp_path / "ecf" / "dev.txt").open("a") as stream:
        stream.write("\n")
    assert run(["check", "ecf", "--root", str(tmp_path)]) == 1
    assert "dev.txt: expected sha256" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [["--help"], ["fetch", "--help"], ["check", "--help"], ["list", "--help"]]
)
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(command)
    assert caught.value.code == 0
    assert "usage: ecpe-zoo data" in capsys.readouterr().out


def test_own_corpora_are_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"iemocap needs a licence .* put train_data.json, dev_data.json"):
        run(["fetch", "iemocap", "--root", str(tmp_path)])
    path = described(tmp_path)
    with pytest.raises(ZooError, match=r"described by a file of yours: nothing to fetch"):
        run(["fetch", str(path)])


def described(folder: Path) -> Path:
    """A described corpus of three conversations in three files."""
    rows = {
        "train": ["1,Ann,Hello there you,joy", "1,Bob,Oh no,anger;joy", "1,Ann,Hm,"],
        "validation": ["1,Cem,Nothing at all,joy"],
        "test": ["1,Ann,Hello there you,joy", "1,Bob,Oh no,anger;joy", "1,Bob,Hm,", "1,Bob,It\x92s,joy"],
    }
    for part, lines in rows.items():
        (folder / f"{part}.csv").write_text("\n".join(["talk,who,text,label", *lines]), encoding="utf-8")
    (folder / "talks.yaml").write_text(
        "labels: [joy, anger]\ntasks: [emotions]\n"
        "format: {label: label, separator: ';', conversation: talk, speaker: who}\n"
        "files: {train: train.csv, validation: validation.csv, test: test.csv}\n"
    )
    return folder / "talks.yaml"


def test_check_of_an_emotion_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = described(tmp_path)
    assert run(["check", str(path), "--json", str(tmp_path / "found.json")]) == 0
    shown = capsys.readouterr().out
    for words in ("joy + anger", "3 / 4 / 4", "Bob 4, Ann 3, Cem 1", "context only", "100.0 %"):
        assert words in shown
    assert "Cause minus emotion" not in shown
    found = json.loads((tmp_path / "found.json").read_text())["talks"]
    whole, train = found["emotions"][:2]
    assert (whole["judged"], whole["context"]) == (6, 2)
    assert (train["labels"], train["together"]) == ({"joy": 2, "anger": 1}, {"joy + anger": 1})
    assert whole["speakers"] == {"Bob": 4, "Ann": 3, "Cem": 1}
    assert train["words"] == {"median": 2, "most": 3, "greatest": 3}
    counted = {finding["what"]: finding["count"] for finding in found["findings"]}
    assert counted["mended texts, summed over files"] == 1
    assert counted["empty texts, summed over files"] == 0
    assert "documents without a pair" not in counted
    assert [(row["words"], row["texts"], row["held"]) for row in found["overlap"]][:3] == [
        ("1", 1, 0),
        ("2", 1, 1),
        ("3-4", 1, 1),
    ]
    assert re.search(r"all +3 +2 +66.7 % +2", shown)
    (tmp_path / "test.csv").unlink()
    assert run(["check", str(path)]) == 1
    assert "Put test.csv beside it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("corpus", "texts", "held"),
    [
        ("meld", "13,708", "333 +12.8"),
        ("emorynlp", "9,489", "168 +17.1"),
        ("emocontext", "115,272", "1,682 +30.5"),
        ("goemotions", "54,263", "14 +0.3"),
        ("isear", "7,519", "0 +0.0"),
    ],
)
def test_check_of_real_emotion_corpora(
    real_data: Callable[[str], Path], corpus: str, texts: str, held: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", corpus, "--root", str(real_data(corpus))]) == 0
    shown = capsys.readouterr().out
    assert texts in shown
    assert re.search(rf"^ *all +[\d,]+ +{held} %", shown, re.MULTILINE)
    assert shown.count("\n") < 400


def test_check_names_what_fit_would_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("train", "test"):
        (tmp_path / f"{part}.csv").write_text(f"key,text,label\n1,Hello {part},joy\n2,More {part},anger\n")
    (tmp_path / "c.yaml").write_text(
        "labels: [joy, anger]\nformat: {id: key, label: label}\nfiles: {train: train.csv, test: test.csv}\n"
    )
    with pytest.raises(ZooError, match="expected every document id once in a corpus, but got 1 again"):
        load_corpus(str(tmp_path / "c.yaml"))
    assert run(["check", str(tmp_path / "c.yaml")]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "test.csv: expected every document id once in a corpus, but got 1 again" in shown


def test_check_finds_texts_that_pandas_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("train", "test"):
        rows = [f'"She said ""yes"" {part} {n}"\tjoy' for n in range(3)]
        (tmp_path / f"{part}.tsv").write_text("\n".join(["text\tlabel", *rows]))
    description = tmp_path / "c.yaml"
    description.write_text(
        "labels: [joy]\nformat: {label: label}\nfiles: {train: train.tsv, test: test.tsv}\n"
    )
    assert run(["check", str(description), "--json", str(tmp_path / "found.json")]) == 0
    found = {
        f["what"]: f["count"] for f in json.loads((tmp_path / "found.json").read_text())["c"]["findings"]
    }
    assert found["texts in double quotes: set `quoted: true` in the format"] == 6


@pytest.mark.parametrize(
    ("corpus", "finding", "expected"),
    [
        (
            "ntcir-ecpe-en",
            "documents that strict leaves out",
            "fold 1: 107 twins and 0 near-duplicates (37 of 284",
        ),
        ("xia-ding-2019", "documents that strict leaves out", "fold 5: 0 twins and 5 near-duplicates"),
        ("xia-ding-balanced", "malformed documents that are known", "69 (a pair beyond its 18 clauses)"),
    ],
)
def test_check_says_what_is_left_out(
    real_data: Callable[[str], Path], corpus: str, finding: str, expected: str
) -> None:
    found = audits.audit(find_corpus(corpus), real_data(corpus)).finding(finding)
    assert found.listed[0].startswith(expected)

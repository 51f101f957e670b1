"""The web page: complete without a server; in headless Chromium it sorts, filters and links."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecpe_zoo.errors import ZooError
from ecpe_zoo.leaderboard.board import build_boards
from ecpe_zoo.leaderboard.figures import write_board_picture
from ecpe_zoo.leaderboard.page import build_page
from ecpe_zoo.results.store import find_records
from tests.conftest import ROOT
from tests.results.making import history, raw, write, write_scored

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta", "link", "input", "br", "hr", "img"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two ranked methods, one with an ablation, a failed one, two protocols, three tasks and printed figures."""
    tmp_path = tmp_path_factory.mktemp("page")
    records = tmp_path / "records"
    rows = [
        {
            "epoch": e,
            "step": 10 * e,
            "validation": {"pair_f1": 0.1 * e},
            "watched_test": {"pair_f1": 0.09 * e},
        }
        for e in range(1, 5)
    ]
    for seed in range(1, 6):
        write_scored(records / f"good{seed}.json", skill=0.9, seed=seed, history=rows)
        write_scored(
            records / f"bad{seed}.json", skill=0.4, seed=seed, method="other", model={"encoder": "recurrent"}
        )
    write_scored(records / "less.json", skill=0.8, model={"ablation": "distillation"})
    write_scored(records / "paper.json", skill=0.95, protocol="paper")
    write_scored(records / "erc.json", "erc", method="eacl")
    write_scored(records / "emotions.json", "emotions", method="eqn")
    write(records / "failed.json", raw(None, method="rule", corpus="bundled-ecpe", status="failed"))
    for fold, f1 in enumerate((0.5, 0.6, 0.0), start=1):
        write(records / f"x{fold}.json", raw(f1, fold=fold))
    entries = find_records([records])
    build_page(
        build_boards(entries, resamples=200), len(entries), tmp_path / "site", failures=["rule/x-fold1"]
    )
    return tmp_path / "site"


class Reader(HTMLParser):
    """Checks that tags close in order, and collects ids, links and whatever is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.labelled: list[str] = []
        self.tables = self.captions = 0
        self.heads_without_scope = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        self.loaded += [found[name] for name in ("src", "srcset", "data") if name in found]
        if tag == "link":
            self.loaded.append(found["href"])
        self.labelled += found.get("aria-labelledby", "").split()
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.heads_without_scope += tag == "th" and "scope" not in found
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag, line {self.getpos()[0]}"


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert not reader.open
    return reader


def test_pages_are_well_formed_labelled_and_load_nothing(site: Path) -> None:
    pages = [site / "index.html", *sorted((site / "methods").glob("*.html"))]
    assert len(pages) == 1 + 7
    for page in pages:
        reader = read(page)
        assert len(reader.ids) == len(set(reader.ids)), page
        assert set(reader.labelled) <= set(reader.ids), page
        assert reader.tables == reader.captions > 0
        assert reader.heads_without_scope == 0
        assert reader.loaded == ["data:,"]
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)
        assert 'lang="en"' in text
        assert "prefers-color-scheme: dark" in text
        for link in reader.links:
            if link.startswith("https://"):
                continue  # papers and repositories
            target, _, mark = link.partition("#")
            there = (page.parent / target).resolve() if target else page
            assert there.is_file(), link
            if mark:
                assert mark in read(there).ids, link


def test_a_methods_page_says_how_its_numbers_were_made(site: Path) -> None:
    text = (site / "methods" / "ecpe-bundled-ecpe-mgcl.html").read_text(encoding="utf-8")
    for words in (
        "Strict protocol",
        "Paper protocol",
        "Learning curves",
        "Threshold sweep",
        "Minutes of training",
        "fold 1, seed 2",
        "What choosing the epoch on the test fold would add",
        "The full config",
        "ecpe-zoo fit --config configs/ecpe-bundled-ecpe-mgcl-strict.yaml --data.fold 1 --seed_everything 2",
    ):
        assert words in text, words
    config = yaml.safe_load((site / "configs" / "ecpe-bundled-ecpe-mgcl-strict.yaml").read_text())
    assert config["model"]["class_path"] == "ecpe_zoo.methods.mgcl.MGCL"
    failed = (site / "methods" / "ecpe-bundled-ecpe-rule.html").read_text(encoding="utf-8")
    assert "1 of 1 runs failed" in failed
    collapsed = (site / "methods" / "ecpe-xia-ding-2019-mgcl.html").read_text(encoding="utf-8")
    assert "1 collapsed, in the mean (fold 3 seed 1; without: 55.0)" in collapsed


def test_names_from_records_cannot_inject_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    for place, value in enumerate((evil, "plain")):
        write(tmp_path / "r" / f"{place}.json", raw(0.5, model={"note": value}))
    entries = find_records([tmp_path / "r"])
    build_page(build_boards(entries), len(entries), tmp_path / "site")
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) == 3
    assert not any(evil in page.read_text(encoding="utf-8") for page in pages)


def test_the_same_records_make_the_same_files(tmp_path: Path) -> None:
    write_scored(tmp_path / "r" / "a.json")
    write_scored(tmp_path / "r" / "b.json", skill=0.7, method="e2eecpe")
    contents = []
    for name in ("one", "two"):
        entries = find_records([tmp_path / "r"])
        build_page(build_boards(entries, resamples=200), len(entries), tmp_path / name)
        contents.append(
            {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*")}
        )
    assert contents[0] == contents[1]
    assert not list(tmp_path.rglob("*.part"))


def test_a_board_is_drawn_into_a_file_of_its_own(tmp_path: Path) -> None:
    scores = {(1, 1): 0.5, (1, 2): 0.7, (2, 1): 0.4, (3, 1): 0.65}
    for (fold, seed), f1 in scores.items():
        write(tmp_path / "r" / f"{fold}-{seed}.json", raw(f1, fold=fold, seed=seed))
    for task, method in (("ecpe", "mgcl"), ("erc", "eacl")):
        write_scored(tmp_path / "r" / f"{task}.json", task, method=method)
    boards = build_boards(find_records([tmp_path / "r"]), resamples=200)
    path = tmp_path / "new" / "board.svg"
    write_board_picture(boards, "xia-ding-2019", path)
    text = path.read_text(encoding="utf-8")
    picture = ElementTree.fromstring(text)
    svg = "{http://www.w3.org/2000/svg}"
    assert picture.get("viewBox") == f"0 0 {picture.get('width')} {picture.get('height')}"
    circles = [str(circle.get("class")).split() for circle in picture.iter(f"{svg}circle")]
    assert [kind for kind, colour in circles if colour == "c0"] == ["fold"] * 3 + ["hollow"]
    assert [kind for kind, colour in circles if colour == "c5"] == ["hollow"]
    places = [
        float(str(c.get("cx")).rstrip("%"))
        for c in picture.iter(f"{svg}circle")
        if "c0" in str(c.get("class"))
    ]
    assert places[-1] == pytest.approx(sum(places[:3]) / 3, abs=0.1)  # the mean of the folds, not of the runs
    assert len([line for line in picture.iter(f"{svg}line") if line.get("class") == "line c0"]) == 1
    style = str(picture.findtext(f"{svg}style"))
    assert "prefers-color-scheme: dark" in style
    assert set(re.findall(r"var\((--[\w-]+)\)", style)) <= set(re.findall(r"(--[\w-]+):", style))
    assert not re.search(r"url\(|@import|href|<script", text)
    before = path.read_bytes()
    write_board_picture(boards, "ecpe-xia-ding-2019", path)
    assert path.read_bytes() == before


def test_a_picture_says_which_rows_were_still_rising(tmp_path: Path) -> None:
    for seed, last in ((1, 0.6), (2, 0.7)):
        rises = history([(0.5, 0.5), (last, 0.5)])
        write(tmp_path / "r" / f"{seed}.json", raw(0.5, seed=seed, history=rises))
        write(tmp_path / "r" / f"b{seed}.json", raw(0.4, seed=seed, method="e2eecpe", history=rises[:1]))
    boards = build_boards(find_records([tmp_path / "r"]), resamples=200)
    write_board_picture(boards, "xia-ding-2019", tmp_path / "board.svg")
    text = (tmp_path / "board.svg").read_text(encoding="utf-8")
    assert "MGCL: 50.0, 1 fold × 2 seeds, still rising; " in text
    assert "E2EECPE: 40.0, 1 fold × 2 seeds, still" not in text
    assert "E2EECPE: 40.0, 1 fold × 2 seeds; " in text


def test_a_picture_is_of_one_board_with_a_run(tmp_path: Path) -> None:
    write_scored(tmp_path / "r" / "a.json")
    boards = build_boards(find_records([tmp_path / "r"]), resamples=200)
    with pytest.raises(ZooError, match=r"one board to draw \(ecpe-bundled-ecpe\), but got 'xia-ding-2019'"):
        write_board_picture(boards, "xia-ding-2019", tmp_path / "a.svg")
    twice = [*boards, replace(boards[0], task="erc")]
    with pytest.raises(ZooError, match=r"\(ecpe-bundled-ecpe, erc-bundled-ecpe\)"):
        write_board_picture(twice, "bundled-ecpe", tmp_path / "a.svg")
    assert not (tmp_path / "a.svg").exists()


# --- in a browser

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")

DRIVER = """<!DOCTYPE html><meta charset="utf-8">
<iframe id="frame" src="%(page)s" width="%(width)d" height="900"></iframe>
<pre id="result"></pre><script>
const frame = document.getElementById("frame"), found = {errors: []};
frame.addEventListener("load", () => {
  const page = frame.contentDocument, view = frame.contentWindow;
  view.addEventListener("error", event => found.errors.push(String(event.message)));
  const select = (section, name, value) => {
    const box = section.querySelector(`select[data-filter="${name}"], select[data-${name}]`);
    box.value = value; box.dispatchEvent(new view.Event("change"));
  };
  const shown = section => [...section.querySelectorAll("tr[data-kind]:not([hidden])")]
    .map(row => row.querySelector("th").dataset.value);
  try { %(script)s } catch (error) { found.errors.push(String(error)); }
  document.getElementById("result").textContent = JSON.stringify(found);
});
</script>"""


def drive(folder: Path, page: str, script: str, width: int = 1200) -> dict[str, Any]:
    """Open a page in a frame of a driving page, run a script on it, and return what the script put into `found`.

    Console errors of the browser fail the test.
    """
    assert CHROMIUM is not None
    driver = folder / "driver.html"
    driver.write_text(DRIVER % {"page": page, "script": script, "width": width}, encoding="utf-8")
    profile = folder.parent / "profile"
    run = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--allow-file-access-from-files",
            "--enable-logging=stderr",
            "--log-level=0",
            "--virtual-time-budget=5000",
            f"--user-data-dir={profile}",
            "--window-size=1300,1000",
            "--dump-dom",
            driver.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    console = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    assert not console, console
    text = re.search(r'<pre id="result">(.*?)</pre>', run.stdout, re.DOTALL)
    assert text is not None
    assert text.group(1), "the page did not load"
    found: dict[str, Any] = json.loads(
        text.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    )
    assert found["errors"] == []
    return found


@needs_chromium
def test_it_sorts_and_filters(site: Path) -> None:
    found = drive(
        site,
        "index.html",
        """
        const board = page.getElementById("ecpe-bundled-ecpe");
        const heads = [...board.querySelectorAll("table.board > thead")[0].rows[0].cells];
        const press = name => heads.find(head => head.textContent.trim() === name).querySelector("button").click();
        found.start = shown(board);
        found.count = board.querySelector("output").textContent;
        press("Strict"); found.strict = shown(board);
        found.aria = heads.map(head => head.getAttribute("aria-sort"));
        found.heads = heads.map(head => head.textContent.trim());
        press("Strict"); found.reversed = shown(board);
        const folded = board.querySelector("tr.folded");
        found.folded = [folded.previousElementSibling, folded.querySelector(":scope table tbody tr")]
          .map(row => row.querySelector("th").dataset.value);
        press("Method"); found.method = shown(board);
        select(board, "protocol", "paper"); found.paper = shown(board);
        select(board, "protocol", ""); select(board, "encoder", "recurrent"); found.recurrent = shown(board);
        found.foldedHidden = folded.hidden;
        found.filtered = board.querySelector("output").textContent;
        board.querySelector("[data-reset]").click(); found.reset = shown(board).length;
        """,
    )
    good, bad = "MGCL", "other"
    assert found["start"] == [good, bad, "Rule"]
    assert found["count"] == "3 of 3 rows"
    assert found["strict"] == [good, bad, "Rule"]  # best first, failed last
    assert found["reversed"] == [bad, good, "Rule"]  # not ranked rows stay below
    assert found["folded"] == [good, "MGCL (ablation=distillation)"]
    assert found["foldedHidden"] is True
    assert found["aria"].count("descending") == 1
    assert found["aria"].index("descending") == found["heads"].index("Strict")
    assert found["method"] == [good, bad, "Rule"]
    assert found["paper"] == [good]
    assert found["recurrent"] == [bad]
    assert found["filtered"] == "1 of 3 rows"
    assert found["reset"] == 3


def test_printed_figures_are_folded_and_never_ranked(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    board = text[text.index('id="ecpe-xia-ding-2019"') :].split("</section>")[0]
    printed = board[board.index('<details class="printed">') :]
    assert "43 figures printed in papers" in printed
    assert board.index("<figure") > board.index("</table>")  # the table is first
    scores = [float(score) for score in re.findall(r'data-label="Printed"><span><strong>([\d.]+)', printed)]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 43
    assert printed.count("holds gold labels") == 4
    assert "data-kind" not in printed
    alone = text[text.index('id="erc-iemocap"') :].split("</section>")[0]
    assert '<details class="printed" open>' in alone


def test_every_row_has_its_links(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    rows = text[text.index('id="ecpe-bundled-ecpe"') :].split("</section>")[0].split('<th scope="row"')[1:]
    found = {}
    for row in rows:
        links = re.findall(r'<a href="([^"]*)">([^<]*)', row.split("</th>")[0])
        found[re.findall('data-value="([^"]*)"', row)[0]] = [word for _, word in links[1:]]
        for target, _ in links:
            if not target.startswith("https://"):
                assert (site / target.partition("#")[0]).is_file()
    assert found == {
        "MGCL": ["paper", "BibTeX", "our config", "rerun"],
        "MGCL (ablation=distillation)": ["paper", "BibTeX", "our config", "rerun"],
        "other": ["our config", "rerun"],
        "Rule": ["our config", "rerun"],
    }
    page = (site / "methods" / "ecpe-bundled-ecpe-mgcl.html").read_text(encoding="utf-8")
    assert "@inproceedings{yu-etal-2024-mgcl," in page
    assert 'id="strict-rerun"' in page


def test_no_page_names_a_folder_of_a_machine(tmp_path: Path) -> None:
    places = {"encoder": "/home/me/models/words", "note": "C:\\me\\secret\\a.txt", "list": ["/data/me/b.txt"]}
    record = raw(0.5, model=places, corpus="own", inputs={"words": "0" * 64})
    record["config"]["data"] |= {"corpus": "/home/me/own.yaml", "root": "/home/me"}
    write(tmp_path / "r" / "a.json", record)
    entries = find_records([tmp_path / "r"])
    build_page(build_boards(entries, tmp_path / "data"), 1, tmp_path / "site", tmp_path / "data")
    made = [path.read_text(encoding="utf-8") for path in (tmp_path / "site").rglob("*.*")]
    assert len(made) > 5
    for text in made:
        assert not re.search(rf"/home/me|me\\secret|/data/me|{tmp_path}", text)
    assert any("PATH/TO/a.txt" in text for text in made)


@needs_chromium
def test_keyboard_and_phone(site: Path) -> None:
    sideways = "found.sideways = page.documentElement.scrollWidth - page.documentElement.clientWidth;"
    script = (
        sideways
        + """
        const board = page.getElementById("ecpe-bundled-ecpe");
        const seen = item => item.offsetParent !== null;
        page.querySelectorAll("details").forEach(details => { details.open = true; });
        found.unreachable = [...page.querySelectorAll("thead button, select, summary, a[href], .scroll")]
          .filter(item => { item.focus(); return seen(item) && page.activeElement !== item; }).length;
        const sort = board.querySelector("select[data-sort]");
        found.sortShown = seen(sort);
        if (found.sortShown) { select(board, "sort", "1"); found.sorted = shown(board); }
        """
    )
    wide = drive(site, "index.html", script)
    assert wide["sideways"] <= 0
    assert wide["unreachable"] == 0
    assert wide["sortShown"] is False
    tablet = drive(site, "index.html", script, width=768)
    assert (tablet["sideways"] <= 0, tablet["unreachable"]) == (True, 0)
    phone = drive(site, "index.html", script, width=390)
    assert phone["sideways"] <= 0
    assert phone["sortShown"] is True
    assert phone["sorted"] == ["MGCL", "other", "Rule"]
    for page in sorted((site / "methods").glob("*.html"))[:1]:
        found = drive(site, f"methods/{page.name}", sideways, width=390)
        assert found["sideways"] <= 0, page


@needs_chromium
def test_links_lead_to_the_methods_pages(site: Path) -> None:
    found = drive(
        site,
        "index.html",
        """
        found.links = [...page.querySelectorAll("tr[data-kind] th > a")].map(link => link.getAttribute("href"));
        found.colours = view.getComputedStyle(page.body).backgroundColor;
        """,
    )
    assert len(found["links"]) == 6
    for link in found["links"][:2]:
        title = drive(site, link, 'found.title = page.querySelector("h1").textContent;')["title"]
        assert title
    assert found["colours"] == "rgb(252, 252, 250)"


def test_the_committed_records_make_a_page(tmp_path: Path, real_data: Callable[[str], Path]) -> None:
    root = real_data("xia-ding-2019")
    real_data("reccon")
    entries = find_records([ROOT / "experiments" / "records"])
    boards = build_boards(entries, root, resamples=1000)
    build_page(boards, len(entries), tmp_path / "site", root)
    assert all(not board.missing for board in boards)
    for page in [tmp_path / "site" / "index.html", *(tmp_path / "site" / "methods").glob("*.html")]:
        read(page)
    text = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert "Emotion-cause pairs on xia-ding-2019" in text
    assert not re.search(r"mgcl|e2eecpe|rankcp", re.sub(r"<[^>]*>", "", text.split("<main")[1]))

"""From a number back to its records: links, the page of the records, the manifest."""

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from myst_nb.ext.glue import extract_glue_data_cell

import make_records
import test_book
from dlmo import chapter, machine, paper, paths, records, sources
from dlmo.book import cache, manifest, provenance, records_page
from dlmo.book.execute import execute
from dlmo.report import (
    charts,
    cited,
    comparison,
    comparison_charts,
    comparison_tables,
    sentences,
    text,
)
from dlmo.trials import Trial

chromium = test_book.chromium
html = test_book.html


def trial(technique: str, seed: int = 0) -> Trial:
    return Trial(dataset="cifar10", network="vggnet", technique=technique, seed=seed)


def write(technique: str, seed: int, share: float) -> None:
    """Write the records of a trial, a latency with both kernels and a memory among them."""
    chain = make_records.weights(trial(technique, seed))
    made = make_records.deployable(trial(technique, seed), chain[-1])
    right = np.arange(100) < round(100 * share)
    predictions = {"test_classes": np.zeros(100, "u1"), "test_correct": right}
    digest = records.sha256(records.pack(predictions))
    judged = make_records.accuracy(made, share, predictions=digest)
    for record in (*chain, made):
        records.write(record)
    records.write(judged, predictions)
    for kernels in ("xnnpack", "builtin"):
        settings = {"kernels": kernels, "threads": 1, "baseline": "0" * 16}
        values = {"ratio": 0.5, "ratio_interval": [0.4, 0.6], "ratios": [[0.5, 0.49], [0.51, 0.52]]}
        records.write(make_records.measurement(made, "latency", values, settings=settings))
    records.write(make_records.measurement(made, "memory", {"bytes": 4_000_000}))


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    """Make records of three techniques with two seeds."""
    for name in ("results", "models"):
        monkeypatch.setenv(f"DLMO_{name.upper()}", str(tmp_path / name))
    for number, technique in enumerate(("NQ", "FIQ", "PRN")):
        for seed in (0, 1):
            write(technique, seed, 0.7 + 0.03 * number + 0.01 * seed)
    return tmp_path / "results"


def compared() -> comparison.Comparison:
    rows = records.select(dataset="cifar10", network="vggnet", profile="reference")
    return comparison.compare(rows, "cifar10", "vggnet", "reference", ("NQ", "FIQ", "PRN"))


def keys(results: Path, **wanted: Any) -> set[str]:
    """Return the keys of records whose JSON has these values, read without the library."""
    found = set()
    for file in results.glob("*/*/*.json"):
        record = json.loads(file.read_text())
        flat = {**record["trial"], **record["identity"], **record["identity"].get("settings", {})}
        if all(flat.get(name) in value for name, value in wanted.items()):
            found.add(record["key"])
    return found


# What a result rests on -------------------------------------------------------------------------


def test_what_is_read_is_noted_once_for_each_who_collects():
    with sources.collecting() as outer:
        sources.note("a")
        with sources.collecting() as inner:
            sources.note("b")
        values = sources.Noting({"x": 1, "y": 2}, {"x": ["c"], "y": ["d"]})
        assert "y" in values and len(values) == 2 and values["x"] == 1
    sources.note("e")
    assert (outer, inner) == ({"a", "b", "c"}, {"b"})


@pytest.mark.parametrize(
    ("say", "wanted", "table"),
    [
        (sentences.baseline, {"instrument": ["accuracy"], "technique": ["NQ"]}, True),
        (sentences.spread, {"instrument": ["accuracy"]}, False),
        (
            sentences.pruned_latency,
            {"instrument": ["latency"], "technique": ["PRN"]},
            True,
        ),
        (sentences.memory, {"instrument": ["memory"], "kind": ["measurement"]}, False),
        (
            lambda found: sentences.against(found, "NQ", ["FIQ"]),
            {"instrument": ["accuracy"], "technique": ["NQ", "FIQ"]},
            False,
        ),
        (
            comparison_charts.seed_spread,
            {"instrument": ["accuracy"]},
            True,
        ),
        (
            comparison_tables.differences,
            {"instrument": ["accuracy"]},
            False,
        ),
    ],
)
def test_a_result_names_the_very_records_that_it_rests_on(results, say, wanted, table):
    expected = keys(results, **wanted) | ({"table-05"} if table else set())
    if say is sentences.memory:  # it compares the sizes of the files as well
        expected |= keys(results, kind=["deployable"])
    assert set(cited.of(say(compared()))) == expected


SAY = (
    sentences.baseline,
    sentences.smallest,
    sentences.zeros,
    sentences.latency,
    sentences.memory,
    sentences.pruning,
    sentences.spread,
)


def test_a_record_that_changes_a_sentence_is_among_its_sources(results):
    found, changed = compared(), 0
    before = {say.__name__: say(found) for say in SAY}
    for file in sorted(results.glob("*/*/*.json")):
        original, record = file.read_bytes(), records.read(file)
        records.write(moved(record))
        found = compared()
        for say in SAY:
            if say(found) != before[say.__name__]:
                changed += 1
                assert record.key in cited.of(before[say.__name__]), (say.__name__, record)
        file.write_bytes(original)
    assert changed > 20


def moved(record: Any) -> Any:
    """Return the record with other numbers under the same key."""
    kept = ("trial", "provenance", "preprocessing")
    fields = {name: getattr(record, name) for name in kept if hasattr(record, name)}
    given = record.model_dump(exclude={"record_schema", "key", "digest", "identity", *fields})
    for name in ("bytes", "zipped_bytes"):
        given |= {name: given[name] // 3} if name in given else {}
    values = given.get("values", {})
    for name, value in values.items():
        if isinstance(value, float | int):
            values[name] = value * 0.5
    if "ratio_interval" in values:
        values |= {"ratio_interval": [0.2, 0.3], "ratios": [[0.25, 0.24], [0.26, 0.26]]}
    return records.make(type(record), record.identity, **fields, **given)


def test_rows_and_the_papers_tables_given_to_a_function_are_its_sources(results):
    @cited.cited
    def count(rows: pd.DataFrame, printed: pd.DataFrame) -> str:
        return f"{len(rows)} and {len(printed)}"

    rows = records.select(technique="PRN")
    printed = paper.results()
    said = count(rows, printed[printed["table"].isin([8, 10])])
    assert {"table-08", "table-10"} < set(cited.of(said))
    # The rows name the last step's weights; those lead on to the first's.
    expected = keys(results, technique=["PRN"]) - keys(results, step=["train"])
    assert set(cited.of(said)) - {"table-08", "table-10"} == expected
    assert cited.counted(cited.of(said)).endswith("records, Tables 8 and 10 of the paper")


def test_reading_the_papers_table_is_noted_and_gathering_results_is_not():
    with sources.collecting() as found:
        paper.results()
        paper.table(13)
    assert found == {"table-13"}


def test_a_sentence_stays_a_plain_string_where_it_rests_on_nothing():
    @cited.cited
    def say() -> str:
        return "nothing"

    assert type(say()) is str and cited.of(say()) == () and cited.markup(()) == ""


# On the page ------------------------------------------------------------------------------------


def test_glue_keeps_the_sources_beside_the_value(monkeypatch):
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda *_, **given: shown.append(given))
    nothing = cited.Cited("", ["k3"])
    chapter.glue(a=cited.Cited("71 %", ["k2", "k1"]), b="plain", c=3, d=nothing)
    names = {one["metadata"]["scrapbook"]["name"]: one["metadata"]["sources"] for one in shown}
    assert names == {"a": ["k1", "k2"], "b": [], "c": [], "d": []}


def test_glue_is_read_below_its_cell_in_an_editor_and_not_on_the_page(tmp_path):
    cell = 'from dlmo import chapter\nchapter.glue(best="It is *near* the end.")'
    executed = nbformat.read(
        execute(test_book.notebook(tmp_path / "a.ipynb", cell), tmp_path / "b.ipynb", {}),
        as_version=4,
    )
    (shown,) = executed.cells[-1].outputs
    assert shown["data"]["text/markdown"] == "`best`: It is *near* the end."
    ((name, data),) = extract_glue_data_cell(executed.cells[-1])
    assert name == "best" and data["data"]["text/plain"] == "'It is *near* the end.'"
    assert executed.cells[-1].outputs == []


def test_marks_stand_behind_what_is_glued_but_not_in_headings():
    sets: provenance.Sets = {}
    source = "# {glue:text}`a`\n\n{glue:text}`a:.1f` and {glue:text}`b` {glue:text}`x.ipynb::c`"
    other = {"c": ("k3",)}
    said = provenance.mark_text(source, {"a": ("k1", "k2"), "b": ()}, lambda page: other, sets)
    heading, _, text = said.split("\n")
    assert "<a" not in heading
    assert text.count("<a ") == 2 and "`b` {glue" in text
    assert sorted(sets.values()) == [("k1", "k2"), ("k3",)]
    assert "2 records" in text and 'aria-label="Where this comes from: 1 record"' in text


def test_links_lead_to_the_records_page_or_vanish():
    body = f"<p>x{provenance.mark(['k'])} {provenance.link(['k'])}</p>"
    name = provenance.name(["k"])
    found = provenance.resolve(body, "../chapters/records.html")
    assert found.count(f'href="../chapters/records.html#{name}"') == 2
    assert provenance.resolve(body, None) == "<p>x </p>"


def test_an_executed_notebook_gets_links_for_tables_charts_and_sentences(results):
    found = compared()
    table = comparison_tables.differences(found)
    chart = charts.bundle(comparison_charts.seed_spread(found).to_dict())
    outputs = [
        nbformat.v4.new_output("display_data", {"text/html": table._repr_html_()}),
        nbformat.v4.new_output("display_data", chart),
    ]
    cell = nbformat.v4.new_code_cell("x", outputs=outputs)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    sets = provenance.insert(notebook, lambda page: {})
    assert set(sets.values()) == {table.sources, cited.in_chart(chart[charts.MIME])}
    assert f'href="records:{provenance.name(table.sources)}"' in outputs[0]["data"]["text/html"]
    assert "<details" not in outputs[0]["data"]["text/html"]


EXEMPT = re.compile(
    r"The techniques of this page|Trained, converted and measured|Recipes of profile|"
    r"What the report asks for|Data sheet of|What a block costs|What the two formats can write|"
    r"parameters of this chapter|Files made a moment ago|Measured on boards and imported|"
    r"One fake-quantized network, converted in two ways"
)
"""Captions of tables that rest on no record: definitions, recipes, data sheets, what is computed
from formulas, and the live check's own numbers."""

FORMULAS = re.compile(r"^The cost of a separable convolution|^The schedule of pruning")
"""Words in the descriptions of charts that are drawn from formulas and recipes."""

CALCULATED = re.compile(
    r"^(checked|schedule|recipe|blocks|reach|removal|logits|duplicates|code|unseen)$"
)
"""Glued names of the same kind."""


def test_all_numbers_tables_and_charts_of_the_book_have_sources(html):
    missing = [line for path in test_book.BOOK for line in without_source(path)]
    assert missing == []


def without_source(path: Path) -> Iterator[str]:
    """Yield what a chapter shows of results without saying what they rest on."""
    executed = cache.place(path, paths.ROOT / "_build")
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            data, metadata = output.get("data", {}), output.get("metadata", {})
            name = metadata.get("scrapbook", {}).get("name", "")
            if not metadata.get("sources") and says_a_result(name, written(data)):
                yield f"{path.stem}: {name} says {written(data)}"
            shown = "".join(data.get("text/html", ""))
            caption = re.search(r"<caption[^>]*>(.*?)</caption>", shown)
            known = cited.CLASS in shown or text.MISSING in shown
            if caption and not known and not EXEMPT.search(caption[1]):
                yield f"{path.stem}: table: {caption[1]}"
            drawn = "".join(data.get("text/plain", ""))
            unmarked = charts.MIME in data and not cited.in_chart(data[charts.MIME])
            if unmarked and not FORMULAS.search(drawn):
                yield f"{path.stem}: chart: {drawn[:80]}"


def written(data: dict[str, object]) -> str:
    return "".join(value for value in data.values() if isinstance(value, str))


def says_a_result(name: str, said: str) -> bool:
    counted = bool(name) and not name.startswith("note_") and not CALCULATED.search(name)
    return counted and bool(re.search(r"\d\.\d|\d\s?%", said))


# The records' page ------------------------------------------------------------------------------

CELLS = """from dlmo import chapter, records
from dlmo.report import charts, comparison, comparison_charts, comparison_tables, sentences
charts.enable()
rows = records.select(dataset="cifar10", network="vggnet", profile="reference")
ours = comparison.compare(rows, "cifar10", "vggnet", "reference", ("NQ", "FIQ", "PRN"))
chapter.glue(base=sentences.baseline(ours), less=sentences.against(ours, "NQ", ["FIQ"]))"""


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Any:
    """Build a book of one chapter about made-up records, one of them with a kept file."""
    folder = tmp_path_factory.mktemp("book")
    patch = pytest.MonkeyPatch()
    for name in ("results", "models"):
        patch.setenv(f"DLMO_{name.upper()}", str(folder / name))
    for technique, seed in (("NQ", 0), ("NQ", 1), ("FIQ", 0), ("FIQ", 1), ("PRN", 0)):
        write(technique, seed, 0.7 + 0.01 * seed)
    kept = next((folder / "results").glob("*/*/*.deployable.json")).name.split(".")[0]
    place = folder / "models/cifar10/vggnet"
    place.mkdir(parents=True)
    (place / f"X-reference-0.{kept}.tflite").write_bytes(b"a file")
    source = folder / "source"
    (source / "chapters").mkdir(parents=True)
    shutil.copy(paths.ROOT / "_config.yml", source)
    (source / "data/paper").mkdir(parents=True, exist_ok=True)
    shutil.copy(paths.paper() / "references.bib", source / "data/paper")
    shutil.copy(paths.ROOT / "chapters/records.md", source / "chapters")
    (source / "index.md").write_text(
        "# A book\n\nFrom elsewhere: {glue:text}`chapters/a.ipynb::base:s`\n"
    )
    toc = "format: jb-book\nroot: index\nchapters:\n  - file: chapters/a\n"
    (source / "_toc.yml").write_text(f"{toc}  - file: chapters/records\n")
    path = test_book.notebook(
        source / "chapters/a.ipynb",
        CELLS,
        "comparison_tables.differences(ours)",
        "comparison_charts.seed_spread(ours)",
    )
    chapter_ = nbformat.read(path, as_version=4)
    text = nbformat.v4.new_markdown_cell("{glue:text}`base` {glue:text}`less`")
    text["id"] = "text"
    chapter_.cells.append(text)
    nbformat.write(chapter_, path)
    ended = test_book.run_book(source, test_book.OURS)
    patch.undo()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder, source / "_build/html", kept


@pytest.fixture
def tab(book, chromium):
    """Open pages of that book from disk."""
    _, built, _ = book
    visit = test_book.Visit(chromium, (1400, 1000), "light", built.as_uri())
    yield visit
    visit.context.close()
    assert visit.errors == [] and visit.foreign == []


def listed(page: Any) -> set[str]:
    links = page.locator("#dlmo-records tbody th a")
    return {link.get_attribute("href")[1:] for link in links.all()}


@pytest.mark.browser
def test_a_mark_leads_by_keyboard_to_the_very_records(book, tab):
    folder, _, _ = book
    page = tab.open("chapters/a.html")
    page.locator("a.dlmo-mark").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#dlmo-records tbody th")
    assert "/chapters/records.html#from-" in page.url
    expected = keys(folder / "results", instrument=["accuracy"], technique=["NQ"])
    assert listed(page) == expected and len(expected) == 2
    assert "Table 5 of the paper" in page.locator(".dlmo-from").inner_text()
    table = page.locator(".dlmo-from a[download]")
    assert table.get_attribute("href").endswith("_records/tables/table-05.csv")
    page.get_by_text("Show all records").click()
    page.wait_for_function("document.querySelectorAll('#dlmo-records tbody tr').length > 20")
    assert listed(page) == keys(folder / "results")


@pytest.mark.browser
def test_tables_charts_and_other_pages_lead_to_their_records(book, tab):
    folder, _, _ = book
    accuracy = keys(folder / "results", instrument=["accuracy"])
    for name, place, expected in (
        ("chapters/a.html", ".dlmo-sources-line a", accuracy),
        ("chapters/a.html", ".dlmo-chart-downloads a.dlmo-sources", accuracy),
        (
            "index.html",
            "a.dlmo-mark",
            keys(folder / "results", instrument=["accuracy"], technique=["NQ"]),
        ),
    ):
        page = tab.open(name)
        page.locator(place).first.click()
        page.wait_for_selector("#dlmo-records tbody th")
        assert listed(page) == expected, place


@pytest.mark.browser
def test_the_list_is_filtered_sorted_and_downloaded(book, tab):
    folder, built, _ = book
    page = tab.open("chapters/records.html")
    page.get_by_label("Technique").select_option("PRN")
    page.get_by_label("Kind").select_option("measurement")
    chosen = keys(folder / "results", technique=["PRN"], kind=["measurement"])
    assert listed(page) == chosen
    page.get_by_role("button", name="What").click()
    cells = page.locator("#dlmo-records tbody td:nth-child(8)").all_inner_texts()
    assert cells == sorted(cells) and len(set(cells)) == 4
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("What")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download these").click()
    rows = list(csv.DictReader(io.StringIO(Path(taken.value.path()).read_text())))
    assert {row["key"] for row in rows} == chosen
    every = list(csv.DictReader((built / "_records/records.csv").open()))
    assert {row["key"] for row in every} == keys(folder / "results")
    page.get_by_label("Words or key").fill(f"{sorted(chosen)[0][:9]}")
    assert listed(page) == {sorted(chosen)[0]}


@pytest.mark.browser
def test_a_record_has_all_that_it_says_and_leads_on(book, tab):
    folder, _, kept = book
    weights = sorted(keys(folder / "results", step=["train"]))[0]
    page = tab.open(f"chapters/records.html#{weights}")
    page.wait_for_selector("#dlmo-records h2")
    said = page.locator("#dlmo-records").inner_text()
    record = json.loads(next((folder / "results").glob(f"*/*/{weights}.*")).read_text())
    for expected in ("learning_rate", record["digest"], "a processor", "avx2", "numpy 2.4.6"):
        assert expected in said
    assert "not kept with the report: only a new training" in said
    assert "24 epochs" in page.locator("svg.dlmo-curve").get_attribute("aria-label")
    file = page.locator("#dlmo-records li a").first
    file.click()
    page.wait_for_function("document.querySelector('#dlmo-records h2').innerText[0] === 'd'")
    made = page.url.rpartition("#")[2]
    page.goto(f"{tab.base}/chapters/records.html#{kept}")
    link = page.locator("#dlmo-records a[download]")
    assert link.inner_text().endswith(f"{kept}.tflite")
    assert "dlmo verify -d cifar10 -n vggnet" in page.locator("#dlmo-records").inner_text()
    assert made in keys(folder / "results", kind=["deployable"])


@pytest.mark.browser
def test_a_confusion_is_shown_and_an_unknown_key_is_said(book, tab):
    folder, _, _ = book
    key = sorted(keys(folder / "results", instrument=["accuracy"]))[0]
    page = tab.open(f"chapters/records.html#{key}")
    page.wait_for_selector("table.dlmo-grid")
    assert page.locator("table.dlmo-grid tbody tr").count() == 10
    assert "automobile" in page.locator("table.dlmo-grid thead").inner_text()
    page.goto(f"{tab.base}/chapters/records.html#{'0' * 16}")
    page.wait_for_selector("[role=alert]")
    assert "There is no record 0000000000000000" in page.locator("[role=alert]").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_list_and_records_are_accessible(book, chromium, size, scheme):
    from axe_playwright_python.sync_playwright import Axe

    folder, built, _ = book
    visit = test_book.Visit(chromium, test_book.SIZES[size], scheme, built.as_uri())
    first = sorted(keys(folder / "results", instrument=["accuracy"]))[0]
    weights = sorted(keys(folder / "results", kind=["weights"]))[0]
    for hash_ in ("", f"#{first}", f"#{weights}"):
        page = visit.open("index.html")
        page = visit.open(f"chapters/records.html{hash_}")
        page.wait_for_selector("#dlmo-records h2, #dlmo-records tbody")
        page.wait_for_timeout(300)
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.evaluate(wide), hash_
        found = Axe().run(page, options=test_book.RULES).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    assert visit.errors == [] and visit.foreign == []
    visit.context.close()


def test_a_second_writing_changes_nothing_and_removes_what_is_gone(results, tmp_path):
    records_page.write(tmp_path / "html", [{"from-a": ("k", *sorted(keys(results))[:2])}])
    folder = tmp_path / "html/_records"
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*.*")}
    records_page.write(tmp_path / "html", [{"from-a": ("k", *sorted(keys(results))[:2])}])
    assert before == {f: (f.read_bytes(), f.stat().st_mtime_ns) for f in folder.rglob("*.*")}
    gone = sorted(results.glob("*/*/*.measurement.json"))[0]
    gone.unlink()
    records_page.write(tmp_path / "html", [])
    assert not (folder / f"{gone.name.split('.')[0]}.js").exists()


# The manifest -----------------------------------------------------------------------------------


def test_the_manifest_has_the_checksum_of_every_record_and_of_the_data(html):
    made = json.loads((html / manifest.NAME).read_text())
    for name, folder in (("records", paths.results()), ("models", paths.models())):
        files = [file for file in folder.rglob("*") if file.is_file()]
        assert made["files"][name] == {
            file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
        }
    lines = "".join(f"{d}  {n}\n" for n, d in sorted(made["files"]["records"].items()))
    assert made["checksums"]["records"] == hashlib.sha256(lines.encode()).hexdigest()
    assert made["versions"]["numpy"] == np.__version__
    assert (made["commit"], made["clean"]) == machine.commit(everything=True)


def test_every_page_names_the_build_and_leads_to_the_manifest(html):
    made = json.loads((html / manifest.NAME).read_text())
    for name in test_book.names(html):
        page = (html / name).read_text()
        assert f"<code>{made['commit'][:10]}</code>" in page, name
        link = re.search(r'<a href="([^"]*manifest\.json)"', page)
        assert link and ((html / name).parent / link[1]).resolve() == html / manifest.NAME


def test_two_builds_differ_in_what_the_manifest_names_only(html, tmp_path):
    (tmp_path / "_build").mkdir()
    for kept in (paths.ROOT / "_build").glob(".[ev]*"):
        copy = shutil.copytree if kept.is_dir() else shutil.copy
        copy(kept, tmp_path / "_build" / kept.name)
    command = [sys.executable, "-m", "dlmo.book", "--output", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=paths.ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    first, second = contents(html), contents(tmp_path / "_build/html")
    # Charts of earlier builds lie about in a folder that is built into again; pages do not.
    left = {name for name in first if name not in second}
    assert set(second) <= set(first) and not any(name.endswith(".html") for name in left)
    differ = {name for name in second if first[name] != second[name]}
    assert differ <= set(json.loads((html / manifest.NAME).read_text())["varies"])


def contents(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }

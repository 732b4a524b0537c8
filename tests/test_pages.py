"""The book's pages as a whole: prose, citations, overviews, links, status, the PDF edition."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from docutils import nodes

import make_records
import prose
from dlmo import datasets, paper, paths, records, tracing
from dlmo.book import links, numbering
from dlmo.book.execute import NOTES, execute
from dlmo.report import (
    appendix,
    audit,
    decisions,
    distillation,
    findings,
    headlines,
    overview,
    overview_charts,
    overview_tables,
    text,
)
from dlmo.trials import Trial
from test_book import CHART, PLAIN, notebook, pages, run_book, serving

BOOK = [paths.ROOT / "index.ipynb", *sorted((paths.ROOT / "chapters").glob("*.ipynb"))]
PAGES = [*BOOK, *sorted((paths.ROOT / "chapters").glob("*.md"))]


# Prose ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_result_is_typed_into_prose(page):
    assert [line for part in prose.markdown(page) for line in prose.digits(part)] == []


@pytest.mark.parametrize(
    "typed",
    [
        "FIQ reaches 73.6 % here.",
        "It is 2.5 times as fast.",
        "a file of 18 KB",
        "The loss is 3 points, see Table 5.",
        "MobileNet v2 has 81.6",
        "as in 2022, 45 of them",
    ],
)
def test_a_typed_result_is_found(typed):
    assert len(list(prose.digits(typed))) == 1


def test_names_places_code_and_formulas_are_no_results():
    said = (
        "Tables 5 to 7 and Section 4.1 of CIFAR-10, ResNet-8, MobileNet v3 and 8-bit INT8; 32×32×3,"
        " {glue:text}`x1`, $x^2$, [here](a2.html), `f(2)`, 2022\n\n```python\nx = 73.6\n```\n"
        "$$\ns = \\frac{127}{r}\n$$ (label-1)\n"
    )
    assert list(prose.digits(said)) == []


# Citations ------------------------------------------------------------------------------------


CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
WITHOUT = {
    "gural2019memory",
    "kim2017transferring",
    "sakr2021memory",
    "tensorflow2022lite",
    "phuong2019distillation",
}
"""Those of the paper's references that have neither a DOI nor an arXiv number, but an address."""


def cited() -> set[str]:
    prose_of = [part for page in PAGES for part in prose.markdown(page)]
    keys = {
        key.strip() for part in prose_of for found in CITE.findall(part) for key in found.split(",")
    }
    sorted_works = [row for table in (2, 3, 4) for row in paper.table(table)["references"]]
    of_field = {key for row in sorted_works for key in row.split()}
    return keys | set(paper.table(1)["reference"]) | of_field


def test_every_citation_is_in_the_bibliography_with_a_number_that_leads_to_it():
    known = paper.references()
    assert cited() <= set(known)
    lacking = {key for key in cited() if not (known[key].doi or known[key].eprint)}
    of_paper = {key for key in lacking if known[key].number}
    assert of_paper <= WITHOUT
    assert all(known[key].url for key in of_paper)


# Overviews ------------------------------------------------------------------------------------


SHARES = {"NQ": (0.71, 0.72, 0.70), "FIQ": (0.709, 0.721, 0.699), "PRN": (0.66, 0.67, 0.65)}
BYTES = {"NQ": 60_000, "FIQ": 20_000, "PRN": 60_000}


def trial(technique: str, seed: int, network: str = "vggnet") -> Trial:
    return Trial(
        dataset="cifar10", network=network, technique=technique, profile="reference", seed=seed
    )


def write(one: Trial, share: float, size: int) -> Path:
    """Write the records of a trial; return the file of its accuracy."""
    chain = make_records.weights(one)
    plain = make_records.deployable(one, chain[-1])
    fields = {key: value for key, value in plain if key not in ("key", "digest", "identity")}
    made = records.make(records.Deployable, plain.identity, **fields | {"bytes": size})
    judged = {"test_accuracy": share, "validation_accuracy": share, "test_images": 10_000}
    judged["confusion"] = [[1] * 10] * 10
    measured = make_records.measurement(made, "accuracy", judged)
    for record in (*chain, made, measured):
        records.write(record)
    return records.file(measured)


@pytest.fixture
def found(tmp_path, monkeypatch) -> overview.Overview:
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path / "results"))
    for name, shares in SHARES.items():
        for seed, share in enumerate(shares):
            write(trial(name, seed), share, BYTES[name])
    return overview.overview(records.select())


def cells(style) -> pd.DataFrame:
    return style.data


def test_a_table_of_the_paper_has_both_datasets_its_rows_and_what_is_missing(found):
    shown = cells(overview_tables.printed(5, found))
    shown.columns = ["/".join(filter(None, column)) for column in shown.columns]
    printed = paper.results().query("table == 5")
    assert len(shown) == 14
    for _, row in printed.iterrows():
        mine = shown[
            (shown["Dataset"] == ("CIFAR-10" if row["dataset"] == "cifar10" else "CIFAR-100"))
            & (shown["Technique"] == row["technique"])
        ].iloc[0]
        assert float(mine["Accuracy (%)/paper"]) == pytest.approx(100 * row["accuracy"])
        assert float(mine["Size (KB)/paper"].replace(",", "")) == row["size_kb"]
        known = row["dataset"] == "cifar10" and row["technique"] in SHARES
        assert (mine["Accuracy (%)/ours"] != text.MISSING) == known
    first = shown.iloc[0]
    assert first["Accuracy (%)/ours"].startswith("71.0\u00a0±\u00a0")
    assert first["Accuracy (%)/less paper"].startswith("−0.9")


def test_a_suspect_cell_is_marked_and_no_other(found):
    mark = (5, "cifar100", "NQ", "size")
    marked = cells(overview_tables.printed(5, found, [mark])).to_numpy().ravel()
    assert [cell for cell in marked if overview_tables.SUSPECT in cell] == [
        f"425{overview_tables.SUSPECT}"
    ]


def test_files_of_a_network_are_shown_without_training_until_it_is_trained(found):
    for name, size, ratio in (("NQ", 169_961_000, 1.0), ("FIQ", 44_429_900, 0.34)):
        one = Trial(
            dataset="cifar10", network="resnet101", technique=name, profile="untrained", seed=0
        )
        chain = make_records.weights(one, epochs=0)
        plain = make_records.deployable(one, chain[-1])
        fields = {key: value for key, value in plain if key not in ("key", "digest", "identity")}
        made = records.make(records.Deployable, plain.identity, **fields | {"bytes": size})
        memory = make_records.measurement(made, "memory", {"bytes": size, "loaded_bytes": size})
        for record in (*chain, made, memory, make_records.latency(made, ratio)):
            records.write(record)
    files = _untrained()
    shown = cells(overview_tables.untrained(files))
    shown.columns = ["/".join(filter(None, column)) for column in shown.columns]
    assert list(shown["Technique"]) == ["NQ", "FIQ"] and set(shown["Dataset"]) == {"CIFAR-10"}
    assert list(shown["Size (KB)/ours"]) == ["169,961", "44,430"]
    assert list(shown["Memory/MB"]) == ["170.0", "44.4"]
    assert list(shown["Latency (ratio)/XNNPACK"]) == ["1.00", "0.34"]
    assert list(shown["Latency (ratio)/built-in"]) == [text.MISSING] * 2
    assert findings.untrained(files) == (
        "ResNet101 on CIFAR-10 waits for training: the table has files with weights as they were "
        "drawn. Each of their files is within 1.0\u00a0% of the size that the paper prints. FIQ "
        "takes 0.34 of NQ's time with XNNPACK, and 14 times it in the paper."
    )
    write(trial("NQ", 0, "resnet101"), 0.8, 169_961_000)
    assert not list(_untrained()) and overview_tables.untrained(_untrained()) is None
    assert findings.untrained(_untrained()).startswith("The records have no such files")


def _untrained() -> overview.Overview:
    trained = overview.overview(records.select(profile="reference"), ["resnet101"])
    return overview.untrained(records.select(profile="untrained"), trained)


def test_what_cannot_be_right_in_the_paper_s_tables_is_found_and_nothing_else():
    marks = audit.suspects()
    assert (13, "cifar100", "NQ", "size") in marks
    assert {mark[0] for mark in marks} == {13, 14}
    changed = {(network, technique) for _, network, technique, kind in marks if kind == "size"}
    wanted = {("mobilenet_v1", "KD+F16"), ("mobilenet_v2", "KD+F16")}
    wanted |= {("mobilenet_v1", "KD+PRN"), ("mobilenet_v2", "KD+PRN"), ("cifar100", "NQ")}
    assert changed == wanted
    fell = {network for _, network, _, kind in marks if kind == "accuracy"}
    assert fell == {"mobilenet_v3_small", "mobilenet_v3_large"}


def test_what_was_timed_beside_another_file_than_nq_s_is_said(found):
    def said():
        rows = records.select(profile="reference")
        names = distillation.TECHNIQUES
        students = overview.overview(rows, ["mobilenet_v1"], names, datasets=["cifar10"])
        return distillation.timed_beside(students)

    files = {}
    for name in ("NQ", "KD", "KD+F16"):
        one = trial(name, 0, "mobilenet_v1")
        write(one, 0.8, 12_000_000)
        files[name] = make_records.deployable(one, make_records.weights(one)[-1])
    for name, base in (("KD", "NQ"), ("KD+F16", "KD")):
        assert said() == ""
        beside = {"settings": {"baseline": files[base].key}}
        records.write(make_records.latency(files[name], 1.0, **beside))
    assert said() == (
        "The distilled files of MobileNet v1 were timed beside KD, a float file with the same "
        "operators, since that of NQ is not kept."
    )


def test_every_table_of_the_paper_can_be_shown_without_any_record(tmp_path, monkeypatch):
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path))
    rows = records.select()
    every = overview.overview(rows)
    shown = [overview_tables.printed(n, every) for n in (5, 6, 7, 8, 9, 10, 11, 13)]
    students = overview.overview(rows, techniques=overview.DISTILLED, datasets=["cifar10"])
    shown += [overview_tables.imagenet(every), distillation.accuracies(students)]
    assert all(text.MISSING in style.to_html() for style in shown)
    assert len(cells(shown[-1])) == 8
    nothing = ("sizes", "apart", "shown", "accuracies", "pruning", "capacity")
    for name in nothing:
        assert re.search("not yet|nothing is measured", getattr(findings, name)(every)), name
    assert text.MISSING in distillation.gains(students)
    assert text.MISSING in distillation.afterwards(students)
    assert distillation.further(students) is None
    assert text.MISSING in decisions.sentence(decisions.by_limit(rows, "cifar10", [256]), 256)
    assert not hasattr(overview_charts.accuracy_against_size(every), "to_dict")


def test_of_a_network_that_was_trained_once_the_difference_is_told(found):
    for name, share in (("NQ", 0.81), ("PRN", 0.77)):
        write(trial(name, 0, "mobilenet_v2"), share, 9_000_000)
    said = findings.tally(overview.overview(records.select()), ["PRN"])
    assert said == (
        "Against NQ, PRN is lower for VGGNet on CIFAR-10. Trained once, which decides nothing, "
        "MobileNet v2 on CIFAR-10 differs by −4.0 points (PRN less NQ)."
    )


def test_a_size_that_the_audit_finds_impossible_is_called_so(found):
    usual = findings.apart(overview.overview(records.select()), audit.suspects())
    assert "VGGNet" in usual and "audit" not in usual
    # Table 13 gives WRN on CIFAR-100 192 KB, and 994 KB as F16.
    write(trial("NQ", 0, "wrn").model_copy(update={"dataset": "cifar100"}), 0.6, 1_921_000)
    wrong = findings.apart(overview.overview(records.select()), audit.suspects())
    assert wrong.endswith(
        "the farthest, NQ of WRN on CIFAR-100, by 901\u00a0%; the audit finds that the paper's "
        "size of it cannot be right."
    )
    assert wrong.startswith(findings.apart(overview.overview(records.select()))[:-1])


def test_networks_are_listed_by_the_datasets_that_they_share(found):
    every = overview.overview(records.select())
    one, data = every.comparisons[0], ("cifar10", "cifar100")
    cases = {
        (network, dataset): replace(one, network=network, dataset=dataset)
        for network in ("mobilenet_v1", "mobilenet_v2", "wrn")
        for dataset in data
    }
    whole = overview.Overview(tuple(cases.values()))
    listed = findings._places(list(cases.values())[:5], whole)
    assert listed == "MobileNet v1 and MobileNet v2 on both datasets, and WRN on CIFAR-10"
    two = [cases["mobilenet_v1", "cifar10"], cases["wrn", "cifar100"]]
    assert findings._places(two, whole) == "MobileNet v1 on CIFAR-10 and WRN on CIFAR-100"
    alone = whole.of(dataset="cifar100")
    assert findings._places(alone.comparisons, alone) == "MobileNet v1, MobileNet v2 and WRN"


def test_headlines_reach_over_what_is_measured_and_count_what_is_judged(found):
    every = overview.overview(records.select())
    assert re.fullmatch(
        r"FIQ less NQ: \S+ to \S+ points in the paper, \S+ points here. "
        r"The one case that can be judged is equivalent within 1 point.",
        headlines.span(every, ["FIQ"]),
    )
    assert text.MISSING in headlines.taught(every) and "in the paper" in headlines.taught(every)
    for name, share in (("NQ", 0.81), ("PRN", 0.77)):
        write(trial(name, 0, "mobilenet_v2"), share, 9_000_000)
    said = headlines.span(overview.overview(records.select()), ["PRN"])
    assert "−4.0 to " in said or "to −4.0" in said
    assert said.endswith(
        "The one case that can be judged is lower; one was trained once, which decides nothing."
    )


def test_an_overview_has_the_papers_networks_and_what_else_is_measured(found):
    write(trial("NQ", 0, "resnet8"), 0.84, 318_000)
    every = overview.overview(records.select())
    assert [(one.network, one.dataset) for one in every][-1] == ("resnet8", "cifar10")
    assert {one.network for one in every} == {*paper.networks(), "resnet8"}
    # Of a network that the paper lacks, only what is measured counts.
    assert "Four of 129 cells (nine networks" in findings.progress(every)


def test_two_forms_of_a_network_stand_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path))
    forms = "mobilenet_v3_small", "mobilenet_v3_small[squeeze=4]"

    def said() -> tuple[str, pd.DataFrame]:
        both = overview.overview(records.select(profile="reference"), forms, profile="reference")
        return findings.variant(both, *forms), overview_tables.variant(both, *forms, ["NQ"]).data

    write(trial("NQ", 0, forms[0]), 0.70, 12_000_000)
    sentence, _ = said()
    assert sentence.endswith("is not yet measured.")
    write(trial("NQ", 0, forms[1]), 0.75, 6_000_000)
    sentence, table = said()
    assert "50\xa0% of the bytes" in sentence and "+5.0 points; one training" in sentence
    assert [str(one).split("\xa0")[0] for one in table.iloc[0]][2::2] == ["12,000", "6,000"]
    for seed, share in ((1, 0.72), (2, 0.71)):
        write(trial("NQ", seed, forms[0]), share, 12_000_000)
    sentence, _ = said()
    reach = scipy.stats.t.ppf(0.975, 2) * 0.01 * (1 + 1 / 3) ** 0.5
    low, high = (f"{100 * (0.71 + side * reach):.1f}\xa0%" for side in (-1, 1))
    assert "+4.0 points: inside the interval in which one" in sentence
    assert sentence.endswith(f"is expected ({low} to {high}).")


def test_the_chart_of_an_overview_tells_the_control_apart_and_keeps_names_free(found):
    write(trial("NQ+FT", 0), 0.72, 60_000)
    write(trial("NQ", 0, "mobilenet_v1"), 0.83, 12_800_000)
    write(trial("NQ", 0, "mobilenet_v2"), 0.82, 8_900_000)
    drawn = overview_charts.accuracy_against_size(overview.overview(records.select())).to_dict()
    assert len(drawn["description"]) < 600 and "NQ of MobileNet v1" in drawn["description"]
    points, *names = drawn["layer"][1:]
    scale = points["encoding"]["shape"]["scale"]
    shapes = dict(zip(scale["domain"], scale["range"], strict=True))
    assert shapes == {"CIFAR-10": "circle", "NQ+FT, CIFAR-10": "triangle-up"}
    rows = {one["data"]["name"]: one["mark"]["baseline"] for one in names}
    placed = {
        line["network"]: side for name, side in rows.items() for line in drawn["datasets"][name]
    }
    assert placed == {"VGGNet": "bottom", "MobileNet v1": "bottom", "MobileNet v2": "top"}
    tips = {tip["title"] for tip in points["encoding"]["tooltip"]}
    assert {"Profile", "Accuracy (%)"} <= tips and "Facts" not in tips


def test_findings_count_what_is_measured(found):
    assert findings.progress(found).startswith("Three of 128 cells")
    assert "FIQ is equivalent within 1 point for VGGNet" in findings.tally(found, ["FIQ"])
    assert "PRN is lower for VGGNet" in findings.tally(found, ["PRN"])
    assert "FIQ takes 0.33 of NQ's bytes" in findings.sizes(found)
    assert findings.tally(found, ["QAT"]) == f"QAT is {text.MISSING}."
    assert "VGGNet with 71.0" in findings.accuracies(found)


def test_the_matrix_shows_seeds_and_what_is_missing(found):
    shown = cells(overview_tables.matrix(found)).set_index("Network")
    none = overview_tables.EMPTY
    assert shown.loc["VGGNet", "NQ"].replace("\u00a0", " ") == f"3 · {none}"
    assert shown.loc["VGGNet", "QAT"].replace("\u00a0", " ") == f"{none} · {none}"
    assert shown.map(lambda cell: cell.startswith("3")).to_numpy().sum() == 3


def test_the_matrix_has_the_papers_students_and_no_others(found):
    every = overview.overview(records.select(), techniques=overview.EVERY)
    shown = cells(overview_tables.matrix(every, overview.EVERY)).set_index("Network")
    # One number: not on CIFAR-100.
    assert set(shown.loc["MobileNet v1", ["KD", "KD+F16", "KD+PRN"]]) == {overview_tables.EMPTY}
    assert set(shown.loc["VGGNet", ["KD", "KD+F16", "KD+PRN"]]) == {""}
    printed = paper.results()
    students = printed[(printed["table"] == 14) & printed["technique"].str.startswith("KD")]
    wanted = 128 + len(students.drop_duplicates(["network", "technique"]))
    assert f"Three of {wanted} cells" in findings.progress(every, overview.EVERY)


def test_the_decision_keeps_its_limit_and_reports_the_test_images(found):
    made = decisions.by_limit(records.select(), "cifar10", [30, 100, 10])
    small, large = made.candidate(30), made.candidate(100)
    assert (small.technique, small.flash) == ("FIQ", 20_000)
    assert large.flash <= 100_000
    assert made.candidate(10) is None
    said = decisions.sentence(made, 30)
    mean = text.percent(float(np.mean(SHARES["FIQ"])))
    assert "use VGGNet with FIQ" in said and mean in said
    assert said.endswith(f"Whether TFLite Micro runs it is {text.MISSING}.")
    linux = cells(decisions.table(made, [30, 100, 10]))
    micro = cells(decisions.table(made, [30, 100, 10], "microcontroller"))
    assert list(linux["Limit (KB)"]) == list(micro["Limit (KB)"]) == ["10", "30 to 100"]
    assert list(linux["Use"] == text.MISSING) == [True, False]
    assert "Latency (ratio)" in linux and "Latency (ratio)" not in micro


def test_a_file_that_tflite_micro_refuses_is_not_what_a_microcontroller_is_advised(found):
    made = decisions.by_limit(records.select(), "cifar10", [30, 100])
    for runtime, limit in made.advice:
        one = made.candidate(limit, runtime)
        refused = one.model_copy(update={"refusal": "hybrid"})
        made._found.candidates[one.name] = refused
    again = decisions.Decisions("cifar10", made._found, [30])
    assert again.candidate(30) is not None and again.candidate(30, "microcontroller") is None
    assert "TFLite Micro does not run it; what to use on a micro" in decisions.sentence(again, 30)


def test_the_decision_says_where_its_latencies_were_measured(found, monkeypatch):
    made = decisions.by_limit(records.select(), "cifar10", [30, 100])
    first, second, *_ = made._found.candidates.values()
    timed = {
        30: first.model_copy(update={"processors": ("One with AVX2",)}),
        100: second.model_copy(update={"processors": ("Two",)}),
    }
    monkeypatch.setattr(made, "candidate", timed.get)
    one, both, none = (decisions.timed(made, limits) for limits in ([30], [100, 30], [7]))
    assert one.endswith("of the same network, measured on One with AVX2.")
    assert f"One with AVX2 ({first.technique} of VGGNet) and Two ({second.technique} of" in both
    assert none.endswith("of the same network.")


# The appendix -----------------------------------------------------------------------------------


def test_the_kept_data_sheet_of_the_digits_is_what_counting_gives():
    kept = pd.read_csv(paths.sheets() / "digits.csv", dtype={"class": str}).set_index("class")
    counted = datasets.sheet(datasets.load("digits"))
    assert (kept.to_numpy() == counted.to_numpy()).all()


@pytest.mark.cifar
@pytest.mark.parametrize("name", ["cifar10", "cifar100", "cifar100_coarse"])
def test_the_kept_data_sheets_are_what_counting_gives(name):
    if not datasets.available(name):
        pytest.skip(f"{name} is not here")
    kept = pd.read_csv(paths.sheets() / f"{name}.csv").set_index("class")
    pd.testing.assert_frame_equal(
        kept, datasets.sheet(datasets.load(name)), check_names=False, check_dtype=False
    )


def test_a_network_with_its_own_recipe_has_its_own_row():
    shown = cells(appendix.recipe("reference", ["vggnet", "mobilenet_v1"]))
    trained = shown[shown["Step"] == "train"].set_index("Network")
    assert list(trained.index) == ["all others", "VGGNet"]
    alike = cells(appendix.recipe("reference", ["wrn", "vggnet", "resnet56"]))
    assert list(alike["Network"])[:3] == ["all others", "WRN and ResNet56", "VGGNet"]
    from dlmo import recipes

    own = recipes.profile("reference").step("train", "vggnet")
    assert trained.loc["VGGNet", "Epochs"] == str(own.epochs)


# Status -----------------------------------------------------------------------------------------


READS = """from dlmo import paper, paths
rows = paper.table(5), paper.table(5)
made = paths.results() / "digits/vggnet/0123456789abcdef.weights.json"
made.parent.mkdir(parents=True, exist_ok=True)
(made.parent / ".partial").write_text("{}")
(made.parent / ".partial").replace(made)"""


def test_an_executed_chapter_says_what_it_read_and_trained_and_where(tmp_path, monkeypatch):
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path / "results"))
    done = execute(notebook(tmp_path / "a.ipynb", READS), tmp_path / "b.ipynb", {})
    metadata = nbformat.read(done, as_version=4).metadata
    assert metadata[NOTES]["read"] == {"table": 1}
    assert metadata[NOTES]["trained"] == {"digits/vggnet": 1}
    assert "cores" in metadata[NOTES]["machine"]
    assert metadata["papermill"]["duration"] > 0


def test_without_notes_the_summary_is_empty(tmp_path):
    assert tracing.summary(tmp_path / "none.txt") == {"read": {}, "trained": {}}


# Links ------------------------------------------------------------------------------------------


def test_links_that_lead_nowhere_are_found_and_others_are_not(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.html").write_text('<p id="here">x</p><a href="../a.html#top">x</a>')
    (tmp_path / "data.csv").write_text("x")
    good = (
        '"sub/b.html#here"',
        '"#top"',
        '"https://example.org/x"',
        '"data.csv"',
        '"mailto:a@b.c"',
    )
    bad = ('"gone.html"', '"sub/b.html#gone"', '"#gone"', '"image.svg"')
    links_of = "".join(f"<a class='x' href={address}>x</a>" for address in (*good, *bad))
    (tmp_path / "a.html").write_text(
        f'<h1 id="top">x</h1>{links_of}<script>"<a href=\\"n\\">"</script>'
    )
    found = {address for page, address in links.broken(tmp_path) if page == "a.html"}
    assert found == {address.strip('"') for address in bad}
    assert not [page for page, _ in links.broken(tmp_path) if page != "a.html"]


# Books of a few pages -----------------------------------------------------------------------------


TABLE = """import pandas as pd
from dlmo.report import tables
tables.styled(pd.DataFrame({"a": [1, 2], "b": ["not yet measured", "−3.5"]}),
              caption="Two < three rows.", name="small")"""


@pytest.fixture
def source(tmp_path) -> Path:
    folder = tmp_path / "source"
    (folder / "chapters").mkdir(parents=True)
    shutil.copy(paths.ROOT / "_config.yml", folder)
    shutil.copytree(paths.paper(), folder / "data/paper")
    return folder


def contents(source: Path, *names: str, root: str = "index") -> None:
    files = "".join(f"  - file: chapters/{name}\n" for name in names)
    (source / "_toc.yml").write_text(f"format: jb-book\nroot: {root}\nchapters:\n{files}")


OURS = "sys.exit(build(Path(sys.argv[1])))"


def test_tables_are_numbered_named_and_referred_to_and_what_is_missing_fails(source):
    (source / "index.md").write_text(
        "# A book\n\nSee {numref}`table-small` and {cite:t}`lee2022method`.\n"
    )
    notebook(source / "chapters/a.ipynb", TABLE)
    (source / "chapters/status.md").write_text("# Status\n\n```{chapter-status}\n```\n")
    (source / "chapters/works.md").write_text("# Works\n\n```{bibliography}\n```\n")
    contents(source, "a", "status", "works")
    ended = run_book(source, OURS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    made = {name: page.decode() for name, page in pages(source).items() if name.endswith(".html")}
    assert re.search(
        r'href="chapters/a.html#table-small"><span class="std std-numref">Table 1<',
        made["index.html"],
    )
    assert "Two &lt; three rows." in made["chapters/a.html"]
    assert "<caption>" not in made["chapters/a.html"]
    assert "Sensors" in made["chapters/works.html"]
    status = made["chapters/status.html"]
    assert re.search(r"\d\.\d\xa0s", status)
    assert "Executed on " in status and ">On<" not in status
    assert re.search(r"\d{4}\u2011\d\d\u2011\d\d \d\d:\d\d", status)
    (source / "index.md").write_text("# A book\n\n{cite:t}`nobody1900` [x](chapters/gone.md)\n")
    ended = run_book(source, OURS)
    assert ended.returncode == 1
    assert "nobody1900" in ended.stderr and "gone.md" in ended.stderr


def test_an_edit_writes_its_page_again_and_others_only_where_they_show_it(source):
    index = "# A book\n\nSee {numref}`table-small` and [](chapters/b.md).\n"
    (source / "index.md").write_text(index)
    chapter = notebook(source / "chapters/a.ipynb", TABLE)
    other = source / "chapters/b.md"
    other.write_text("# The second\n\nWords.\n")
    contents(source, "a", "b")
    assert (built := run_book(source, OURS)).returncode == 0, built.stdout + built.stderr
    apart = source / "_build/html/chapters/a.html"
    before = apart.stat().st_mtime_ns
    other.write_text("# The second\n\nOther words.\n")
    assert run_book(source, OURS).returncode == 0
    assert showing(source, "Other words") == {"chapters/b.html"}
    assert apart.stat().st_mtime_ns == before
    other.write_text("# The third\n\nOther words.\n")
    assert run_book(source, OURS).returncode == 0
    assert showing(source, "The third") >= {"index.html", "chapters/a.html", "chapters/b.html"}
    notebook(chapter, TABLE.replace('"small"', '"first"'), TABLE)
    assert run_book(source, OURS).returncode == 0
    assert showing(source, 'numref">Table 2<') == {"index.html"}
    edited = pages(source)
    shutil.rmtree(source / "_build")
    assert run_book(source, OURS).returncode == 0
    clean = pages(source)
    assert [name for name in clean if name.endswith(".html") and clean[name] != edited[name]] == []


def test_links_to_other_hosts_are_asked_for_by_a_command(source, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here/it.html").write_text("<p>It is here.</p>")
    asked = OURS.replace("build(", "build(builder='linkcheck', source=")
    (source / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    with serving(tmp_path / "here") as host:
        (source / "index.md").write_text(f"# A book\n\n[It]({host}/it.html).\n")
        ended = run_book(source, asked)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        (source / "index.md").write_text(f"# A book\n\n[Gone]({host}/gone.html).\n")
        ended = run_book(source, asked)
    assert ended.returncode == 1
    assert "gone.html" in ended.stderr and "404" in ended.stderr


FEW = ("results", "conclusions")
ALL = sorted(chapter.stem for chapter in (paths.ROOT / "chapters").glob("*.ipynb"))


def showing(source: Path, number: str) -> set[str]:
    built = {name: page for name, page in pages(source).items() if name.endswith(".html")}
    return {name for name, page in built.items() if number in page.decode()}


def without_live_check(source: Path, name: str) -> None:
    text = (paths.ROOT / f"chapters/{name}.ipynb").read_text()
    (source / f"chapters/{name}.ipynb").write_text(text.replace("live = True ", "live = False"))


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(FEW, id="few"),
        pytest.param(ALL, id="all", marks=[pytest.mark.slow, pytest.mark.timeout(3000)]),
    ],
)
def test_no_page_is_stale_after_a_record_has_changed(source, tmp_path, monkeypatch, names):
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path / "results"))
    shutil.copy(paths.ROOT / "index.ipynb", source)
    for name in names:
        without_live_check(source, name)
    contents(source, *names)
    write(trial("NQ", 0), 0.7319, 60_000)
    # The other pages are not here, so references to them are not resolved; only ours are looked at.
    built = run_book(source, PLAIN)
    assert built.returncode == 0, built.stdout + built.stderr
    before = showing(source, "73.2")
    assert before >= {"index.html", *(f"chapters/{name}.html" for name in FEW)}
    write(trial("NQ", 0), 0.6543, 60_000)
    # The PDF's build reads what has changed for both.
    single = PLAIN.replace("sys.argv[1]", "sys.argv[1], '--builder', 'singlehtml'")
    assert run_book(source, single).returncode == 0
    assert run_book(source, PLAIN).returncode == 0
    assert showing(source, "73.2") == set()
    assert showing(source, "65.4") >= before


@pytest.mark.browser
def test_the_pdf_edition_has_contents_page_numbers_and_pictures(source):
    from pypdf import PdfReader

    from dlmo.book import pdf

    if not any(shutil.which(name) for name in pdf.BROWSERS):
        assert not os.environ.get("DLMO_REQUIRE_BROWSER"), "there is no Chromium"
        pytest.skip("there is no Chromium on the path")
    (source / "index.md").write_text("# A book\n\nIt begins.\n")
    notebook(source / "chapters/a.ipynb", TABLE, CHART)
    (source / "chapters/b.md").write_text("# The second\n\n## A part\n\nWords.\n")
    contents(source, "a", "b")
    built = run_book(source, OURS.replace("build(", "build(builder='singlehtml', source="))
    assert built.returncode == 0, built.stdout + built.stderr
    made = pdf.edition(source / "_build/singlehtml/index.html", source / "book.pdf")
    reader = PdfReader(made)
    said = [page.extract_text() for page in reader.pages]
    assert "Contents" in said[0] and "The second" in said[0]
    place = next(n for n, page in enumerate(said, 1) if n > 1 and "A part" in page)
    assert re.search(rf"A part\s*{place}\b", said[0])
    assert [page.split()[0] for page in said] == [str(n) for n in range(1, len(said) + 1)]
    single = (source / "_build/singlehtml/index.html").read_text()
    assert re.search(r'<img[^>]+src="_images/[^"]+\.svg"', single)
    assert "dlmo-chart-view" not in single
    assert len(reader.outline) > 0


# Publication --------------------------------------------------------------------------------------


def test_the_workflow_fits_its_schema_and_calls_what_the_makefile_has():
    file = paths.ROOT / ".github/workflows/book.yml"
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.github-workflows", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    targets = set(re.findall(r"run: make (\w+)", file.read_text()))
    made = (paths.ROOT / "Makefile").read_text()
    assert targets and all(re.search(rf"^{name}:", made, re.MULTILINE) for name in targets)


def test_every_page_can_be_downloaded_as_the_notebook_that_made_it(source):
    chapter = notebook(source / "chapters/a.ipynb", "1 + 1")
    (source / "index.md").write_text("# A book\n")
    contents(source, "a")
    assert run_book(source, OURS).returncode == 0
    found = pages(source)
    assert b'href="../_sources/chapters/a.ipynb"' in found["chapters/a.html"]
    kept = json.loads(found["_sources/chapters/a.ipynb"])
    assert kept == json.loads(chapter.read_bytes())


def test_the_papers_equations_have_its_numbers_and_ours_letters():
    counted = {"a": {"displaymath": {"equation-equation-3": (1,), "equation-loss": (2,)}}, "b": {}}
    counted["c"] = {"displaymath": {"equation-share": (3,), "equation-equation-1": (4,)}}
    env = SimpleNamespace(toc_fignumbers=counted)
    assert numbering.number_equations(None, env) == []
    found = {**counted["a"]["displaymath"], **counted["c"]["displaymath"]}
    assert found == {
        "equation-equation-3": ("3",),
        "equation-loss": ("A",),
        "equation-share": ("B",),
        "equation-equation-1": ("1",),
    }


def test_a_table_without_caption_stays_as_it_is():
    from dlmo.book.numbering import _table

    holder = nodes.container(nb_element="mime_bundle")
    holder += nodes.raw("", "<dl></dl><table></table>", format="html")
    assert _table(holder) is None

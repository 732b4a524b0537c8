"""The chapters of the paper's Section 3: what they compute, and what moves on their pages."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from scipy import stats

import make_records
from dlmo import chapter, deployable, paper, paths, records
from dlmo.arithmetic import floats
from dlmo.book.assets import HERE
from dlmo.chapter.head import command
from dlmo.errors import UserError
from dlmo.report import bits, charts, diagrams, text
from dlmo.report.comparison_tables import title
from dlmo.report.methods import aware, histories, layers, light, quantization, soft, zeros
from dlmo.report.methods.files import Files
from dlmo.trials import Trial
from test_book import chromium, html, visit  # noqa: F401

NAMES = (
    *("quantization", "quantization_aware_training", "pruning"),
    *("pruning_and_quantization", "knowledge_distillation", "light_convolution"),
)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return records.select(dataset="cifar10", network="vggnet", profile="reference")


@pytest.fixture(scope="module")
def files(rows) -> Files:
    return Files(rows, 0)


@pytest.fixture(scope="module")
def nothing() -> Files:
    return Files(records.select(dataset="none"), 0)


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def on_disk(technique: str, kind: str) -> Iterator[dict]:
    """Yield the committed records of VGGNet's reference, read without the library."""
    for path in sorted((paths.ROOT / "data/results/cifar10/vggnet").glob(f"*.{kind}.json")):
        found = json.loads(path.read_text())
        trial = found["trial"]
        if (trial["technique"], trial["profile"]) == (technique, "reference"):
            yield found


# Parameters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_each_chapter_has_the_parameters_of_all(name):
    asked = chapter.ask(name, {"seed": 2})
    assert asked.seed == 2
    assert all(trial.seed == 2 for trial in asked.trials)
    assert "live" in asked.own
    assert command(name, chapter.ask(name, {})).startswith(f"dlmo run {name} -p dataset=cifar10")


def test_a_varied_recipe_means_further_trials_but_for_the_recipes_own_value():
    asked = chapter.ask("pruning", {"sparsities": [0.5, 0.8]})
    written = [str(trial) for trial in asked.trials]
    assert "cifar10/vggnet/PRN/reference/0{prune.sparsity=0.5}" in written
    assert written.count("cifar10/vggnet/PRN/reference/0") == 1
    assert len(written) == 4
    assert "-p sparsities=0.5,0.8" in command("pruning", asked)


def test_a_sweep_finds_what_is_recorded_and_names_what_is_not(results):
    share = {0.5: 0.73, 0.8: 0.70}
    for value, accuracy in share.items():
        overrides = () if value == 0.8 else (("prune.sparsity", value),)
        for seed in range(2):
            trial = Trial(
                dataset="cifar10",
                network="vggnet",
                technique="PRN",
                seed=seed,
                overrides=overrides,
            )
            chain = make_records.weights(trial)
            made = make_records.deployable(trial, chain[-1])
            for record in (*chain, made, make_records.accuracy(made, accuracy + seed / 100)):
                records.write(record)
    asked = chapter.ask("pruning", {"sparsities": [0.5, 0.8, 0.95]})
    found = chapter.sweep(asked, "sparsities")
    means = found.groupby("value")["accuracy"].mean()
    assert means[0.5] == pytest.approx(0.735)
    assert means[0.8] == pytest.approx(0.705)
    said = zeros.sweep_sentence(found)
    assert "50\u00a0%: 73.5" in said
    assert "Sparsity 95\u00a0%: not yet measured." in said
    drawn = zeros.sweep_chart(found)
    assert len(next(charts.datasets(drawn.to_dict()))) == 4


def test_draws_of_calibration_images_are_repeats_however_they_are_written(results):
    written = [
        ((), 0.70),
        ((("calibration_samples", 10), ("calibration_seed", 0)), 0.60),
        ((("calibration_samples", 10), ("calibration_seed", 3)), 0.62),
        ((("conversion.calibration_samples", 100),), 0.68),
    ]
    for overrides, accuracy in written:
        trial = Trial(
            dataset="cifar10", network="vggnet", technique="FIQ", seed=0, overrides=overrides
        )
        chain = make_records.weights(trial.sibling("NQ"))
        made = make_records.deployable(trial, chain[-1])
        for record in (*chain, made, make_records.accuracy(made, accuracy)):
            records.write(record)
    asked = chapter.ask("quantization", {"calibrations": [10, 100, 500, 7], "measure": "missing"})
    found = chapter.sweep(asked, "calibrations")
    pairs = found[["value", "repeat", "accuracy"]].fillna(-1).to_numpy().tolist()
    assert sorted(pairs) == [
        [7, -1, -1],
        [10, 0, 0.60],
        [10, 3, 0.62],
        [100, 0, 0.68],
        [500, 0, 0.70],
    ]
    assert "10: 61.0" in quantization.calibration_sentence(found)
    others = {"wrn": found, "resnet8": found[found["value"] == 500]}
    said = quantization.calibrations_elsewhere(others)
    assert "calibration images of WRN: 10: 61.0" in said and "ResNet" not in said
    assert text.MISSING not in said
    missing = {str(trial) for trial in chapter.pending("quantization", asked)}
    assert {one for one in missing if "{" in one} == {
        "cifar10/vggnet/FIQ/reference/0{conversion.calibration_samples=7}"
    }


def test_with_other_values_only_what_lacks_is_pending():
    asked = chapter.ask("pruning", {"sparsities": [0.123, 0.8], "measure": "missing"})
    assert [str(trial) for trial in chapter.pending("pruning", asked)] == [
        "cifar10/vggnet/PRN/reference/0{prune.sparsity=0.123}"
    ]
    assert chapter.pending("pruning", chapter.ask("pruning", {})) == []


# Quantization -------------------------------------------------------------------------------------


def test_the_slider_moves_over_ranges_that_are_really_computed(files):
    name, values = quantization.weights(files, 3)
    assert name == "layer 3 (convolution)"
    specification = quantization.range_chart((name, values)).to_dict()
    (slider,) = specification["params"]
    steps = slider["bind"]
    tables = list(charts.datasets(specification))
    reaches = next(t for t in tables if "said" in t[0])
    assert [row["r"] for row in reaches] == pytest.approx(
        np.arange(steps["min"], steps["max"] + steps["step"] / 2, steps["step"])
    )
    counts = next(t for t in tables if "weights" in t[0])
    assert sum(row["weights"] for row in counts) == values.size
    with pytest.raises(UserError, match="from 1 to 4"):
        quantization.weights(files, 9)


def test_the_page_says_what_the_files_hold(files):
    found = quantization.checked(files)
    assert set(found) == {"BLQ", "FIQ"}
    total = sum(layer.weights for layer in files.read("FIQ").layers)
    assert f"In FIQ's file all {total:,} integers of four layers" in quantization.matches_sentence(
        found
    )
    assert "BLQ leaves one layer float, with 216 weights" in quantization.fallback_sentence(files)
    assert "inputs rounded, asymmetric" in quantization.gaps_sentence(quantization.gaps(files))


def test_the_papers_rule_for_fp16_fails_and_ours_does_not(files):
    shown = quantization.removal_table(files).to_html()
    cells = [cell.text for cell in ElementTree.fromstring(f"<x>{shown}</x>").iter("td")]
    assert cells[1::3] == ["17", "16", "16"]
    assert (cells[2], cells[8]) == ("0.0", "100.0")
    assert "17 bits remain" in quantization.removal_sentence()
    assert "100.0\u00a0% are NQ's rounded" in quantization.rounding_sentence(files)


# Diagrams -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("technique", ["NQ", "BLQ", "FIQ", "F16"])
def test_a_diagram_shows_every_operator_and_its_types(files, technique):
    found = files.read(technique)
    flow = diagrams.read(found)
    drawn = ElementTree.fromstring(diagrams.svg(flow, technique))
    words = " ".join(text.text for text in drawn.iter("text"))
    unpacking = sum(node.name == "DEQUANTIZE" for node in found.nodes) if technique == "F16" else 0
    assert len(flow.nodes) == len(found.nodes) - unpacking
    stored = {"NQ": "FP32", "BLQ": "INT8", "FIQ": "INT8", "F16": "FP16→FP32"}[technique]
    assert f"weights {stored}" in words
    assert ("hybrid" in words) == (technique == "BLQ")
    assert ("integer arithmetic" in words) == (technique == "FIQ")
    shown = diagrams.Diagrams({f"{technique} (Figure 3)": flow})._repr_html_()
    image = unquote(re.search(r'href="data:image/svg\+xml;charset=utf-8,([^"]+)"', shown)[1])
    assert ElementTree.fromstring(image).tag == "{http://www.w3.org/2000/svg}svg"
    assert f'download="{technique.lower()}.csv"' in shown
    assert len(diagrams.table(flow)) == len(flow.nodes)
    assert drawn.attrib["role"] == "img"
    assert next(drawn.iter("desc")).text.startswith("The input is FP32 32×32×3")


def test_powers_of_ten_are_written_as_such():
    assert text.powers("from -3.4e-38 to 3.4e38") == "from −3.4·10⁻³⁸ to 3.4·10³⁸"
    assert text.powers("65504 and 6.1e-05, or 2e+03") == "65504 and 6.1·10⁻⁵, or 2·10³"
    said = quantization.range_sentence()
    assert "from −3.4·10³⁸ to 3.4·10³⁸; 1.2·10⁻³⁸ is the smallest normal number" in said


def test_a_long_file_is_shortened_and_a_name_cannot_break_out(files):
    flow = diagrams.read(files.read("FIQ"))
    node = diagrams.Node("<b>&", "", "FP32 1")
    long = diagrams.Flow(flow.enters, (node,) * diagrams.MOST, omitted=90)
    drawn = diagrams.svg(long, "</title><script>")
    ElementTree.fromstring(drawn)
    assert "… 90 operators …" in drawn
    assert "<script>" not in drawn


# QAT ----------------------------------------------------------------------------------------------


def test_simulation_and_file_are_compared_on_the_validation_images(rows):
    last = {
        found["trial"]["seed"]: found["history"][-1]["validation_accuracy"]
        for found in on_disk("QAT", "weights")
    }
    files = {
        found["trial"]["seed"]: found["values"]["validation_accuracy"]
        for found in on_disk("QAT", "measurement")
        if found["identity"]["instrument"] == "accuracy"
    }
    judged = aware.judged(rows).set_index("seed")
    assert dict(judged["simulation"]) == last
    assert dict(judged["file"]) == pytest.approx(files)


def test_qat_is_compared_with_a_control_of_its_own_length(rows):
    longer = rows[rows["technique"] == "NQ+FT+FIQ"]
    shorter = longer.assign(value=6.0, accuracy=longer["accuracy"] - 0.02)
    shown = aware.differences_table(rows, shorter).data.set_index("Compared with")
    own = rows[rows["technique"] == "QAT"].set_index("seed")["accuracy"]
    less = own - shorter.set_index("seed")["accuracy"]
    line = shown.loc["NQ+FT+FIQ of six epochs"]
    assert int(line["Pairs"]) == len(less)
    assert line["Difference (points)"].startswith(f"{100 * less.mean():+.2f}"[:5].replace("-", "−"))
    assert "from NQ+FT+FIQ of six epochs by" in aware.gain_sentence(rows, shorter)


def test_the_dense_layer_of_qat_is_coarser_than_that_of_fiq(files):
    said = aware.simulated_sentence(aware.simulated(files), files)
    assert said.startswith("All 13,912 weights")
    assert "layer 4 (fully connected) has one range for the whole tensor" in said


def test_a_conversion_without_images_leaves_floats_in_the_middle_of_a_file():
    found = chapter.converted()
    within = {way: _floats_within(one) for way, one in found.items()}
    assert within["without images"] and not within["with images"]
    shown = aware.fallback_table(found).data.set_index("Converted")
    assert shown.loc["with images", "of these, with floats"] == 0
    assert "MUL" in shown.loc["without images", "Which"]
    count = int(shown.loc["without images", "of these, with floats"])
    assert text.count(count, "float operator") in aware.fallback_sentence(found)


def _floats_within(found: deployable.Deployable) -> set[int]:
    """Return the float tensors that LiteRT knows besides the network's input and output."""
    interpreter = Interpreter(
        model_content=found.data,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    ends = interpreter.get_input_details() + interpreter.get_output_details()
    floats = {
        one["index"] for one in interpreter.get_tensor_details() if one["dtype"] is np.float32
    }
    return floats - {one["index"] for one in ends}


def test_histories_begin_where_nq_ended(rows):
    found = histories.after_training(rows, ["QAT"])
    ends = {f["trial"]["seed"]: f["history"][-1] for f in on_disk("NQ", "weights")}
    first = found[found["epoch"] == 0].set_index("seed")["validation"]
    assert dict(first) == {s: round(100 * e["validation_accuracy"], 2) for s, e in ends.items()}


# Pruning ------------------------------------------------------------------------------------------


def test_the_losses_of_pruning_and_rounding_are_added_seed_by_seed(rows):
    share = {
        name: {
            found["trial"]["seed"]: found["values"]["test_accuracy"]
            for found in on_disk(name, "measurement")
            if found["identity"]["instrument"] == "accuracy"
        }
        for name in zeros.CORNERS
    }
    wanted = [
        share["PRQ"][s] - share["PRN"][s] - share["NQ+FT+BLQ"][s] + share["NQ+FT"][s]
        for s in sorted(share["PRQ"])
    ]
    assert zeros.interaction(rows) == pytest.approx(wanted)
    low, high = stats.t.interval(0.95, len(wanted) - 1, np.mean(wanted), stats.sem(wanted))
    assert f"{100 * high:+.2f}".replace("-", "−") in zeros.interaction_sentence(rows)
    assert f"{100 * low:.2f}".replace("-", "−") in zeros.interaction_sentence(rows)


def test_zeros_survive_and_empty_channels_are_counted(files):
    pruned, rounded = files.read("PRN"), files.read("PRQ")
    assert "every one is zero" in zeros.survival_sentence(files)
    for mine, theirs in zip(pruned.layers, rounded.layers, strict=True):
        before, after = pruned.tensor(mine.index).data(), rounded.tensor(theirs.index).data()
        assert not after[before == 0].any()
        flat = before.reshape(before.shape[0], -1)
        assert zeros._empty(pruned, mine) == (~flat.any(axis=1)).sum()


def test_sizes_over_zeros_are_those_of_real_archives(files):
    found = zeros.sizes(files).set_index("zeros")
    assert found.loc[0.0, "zipped"] == files.read("NQ").zipped_bytes
    assert found["bytes"].nunique() == 1
    assert found["zipped"].is_monotonic_decreasing


# Distillation -------------------------------------------------------------------------------------


def test_the_map_holds_every_work_of_the_three_tables():
    found = soft.works()
    for table in (2, 3, 4):
        printed = paper.table(table)
        wanted = {
            (row["category"], key)
            for _, row in printed.iterrows()
            for key in row["references"].split()
        }
        own = found[found["table"] == table]
        assert set(zip(own["category"], own["key"], strict=True)) == wanted
    assert "Hinton et al. 2015 [33]" in set(found["name"])
    linked = re.findall(r"\{cite:t\}`(\w+)`", soft.map_table(found).data)
    assert sorted(linked) == sorted(found["key"])
    assert len(next(charts.datasets(soft.map_chart(found).to_dict()))) == len(found)


def test_an_image_is_drawn_as_it_is():
    image = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    drawn = ElementTree.fromstring(soft._figure("1: <b>", image))
    squares = list(drawn.iter("rect"))
    assert len(squares) == 1024
    assert squares[33].attrib["fill"] == f"#{bytes(image[1, 1].tolist()).hex()}"
    small = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3).repeat(4, 0).repeat(4, 1)
    assert len(list(ElementTree.fromstring(soft._figure("2", small)).iter("rect"))) == 64


# Light convolutions -------------------------------------------------------------------------------


def test_networks_are_counted_from_records_and_the_others_are_named():
    found = light.networks("cifar10", "reference").set_index("network")
    assert (found.loc["vggnet", "parameters"], found.loc["vggnet", "macs"]) == (13_962, 1_116_160)
    assert found.loc["mobilenet_v1", "paper_bytes"] == 12_840_000
    said = light.networks_sentence(found.reset_index())
    missing = " ".join(part for part in said.split(". ") if "not yet measured" in part)
    named = {name for name in found.index if re.search(rf"{re.escape(title(name))}\b", missing)}
    assert named == {name for name in found.index if not found.loc[name, "accuracies"]}


def test_a_network_without_a_file_and_one_without_training_are_told_apart():
    found = light.networks("cifar10", "reference").set_index("network")
    found.loc["vggnet", "macs"] = None
    for name in ("vggnet", "wrn"):
        found.at[name, "accuracies"] = ()
    said = light.networks_sentence(found.reset_index())
    whole, accuracy = (part for part in said.split(". ") if "not yet measured" in part)
    assert whole.startswith("VGGNet") and "WRN" not in whole
    assert accuracy.startswith("The accuracy of") and "WRN" in accuracy and "VGGNet" not in accuracy


def test_the_anatomy_is_that_of_the_file(files):
    found = light.anatomy(files)
    assert found["weights"].sum() == files.read("NQ").weights
    assert found["macs"].sum() == files.read("NQ").macs
    assert "fully connected" in light.anatomy_sentence(found, "vggnet")


# Nothing there ------------------------------------------------------------------------------------


def test_without_files_and_records_everything_says_so(nothing):
    empty = nothing.rows
    said = [
        quantization.matches_sentence(quantization.checked(nothing)),
        quantization.fallback_sentence(nothing),
        quantization.equation_2_sentence(nothing),
        quantization.gaps_sentence(quantization.gaps(nothing)),
        quantization.rounding_sentence(nothing),
        quantization.best(quantization.weights(nothing, 1)),
        aware.gain_sentence(empty, empty.assign(value=0.0)),
        aware.simulated_sentence(aware.simulated(nothing), nothing),
        aware.judged_sentence(aware.judged(empty)),
        zeros.zeros_sentence(nothing),
        zeros.size_sentence(zeros.sizes(nothing), nothing),
        zeros.survival_sentence(nothing),
        zeros.interaction_sentence(empty),
        zeros.sizes_sentence(empty),
        soft.gains_sentence(empty, ["KD"]),
        light.anatomy_sentence(light.anatomy(nothing), "wrn"),
    ]
    assert [one for one in said if "not yet measured" not in one] == []
    drawn = [
        quantization.range_chart(None),
        quantization.loss_chart(None),
        histories.chart(histories.after_training(empty, ["QAT"]), "x"),
        zeros.size_chart(zeros.sizes(nothing), nothing),
        soft.temperature_chart(None),
        quantization.matches_table({}),
        zeros.zeros_table(nothing),
        zeros.survival_table(nothing),
        diagrams.Diagrams({}),
    ]
    assert all("Not yet measured" in one._repr_html_() for one in drawn)


# Chapters alone -----------------------------------------------------------------------------------


def test_a_chapter_runs_alone_by_plain_papermill(tmp_path):
    target = tmp_path / "out.ipynb"
    arguments = ["-p", "live", "False", "-p", "seed", "1", "--no-progress-bar"]
    source = paths.ROOT / "chapters/pruning_and_quantization.ipynb"
    run = [sys.executable, "-m", "papermill", str(source), str(target), *arguments]
    ended = subprocess.run(run, capture_output=True, text=True, cwd=paths.ROOT / "chapters")
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "every one is zero in PRQ" in target.read_text()


# Pages --------------------------------------------------------------------------------------------


@pytest.fixture
def widget(chromium, tmp_path):  # noqa: F811
    """Open a page of nothing but the bits of a number."""
    css, script = ((HERE / "assets" / name).read_text() for name in ("dlmo.css", "dlmo-bits.js"))
    body = bits.Bits(0.1)._repr_html_()
    page = tmp_path / "bits.html"
    page.write_text(
        f"<!doctype html><html lang='en'><title>Bits</title><style>{css}</style>"
        f"<main>{body}</main><script>{script}</script></html>",
        encoding="utf-8",
    )
    tab = chromium.new_page()
    tab.goto(page.as_uri())
    yield tab
    tab.close()


READ = """place => {
  const row = document.querySelectorAll(".dlmo-bits-row")[place];
  const bits = [...row.querySelectorAll(".dlmo-bits-line > * > *")].map(bit => bit.textContent);
  return [bits.join(""), row.querySelector(".dlmo-bits-said").textContent];
}"""


def shown(tab, place: int) -> tuple[str, str]:
    stored, said = tab.evaluate(READ, place)
    return stored, said


@pytest.mark.browser
def test_the_bits_of_any_number_are_numpys(widget):
    chance = np.random.default_rng(0)
    numbers = [0.0, -0.0, 1.0, 65504.0, 65520.0, 1e6, 2.0**-14, 2.0**-25, 1e-7, 3.0 * 2.0**-25]
    numbers += [0.1, -2049.0, 2051.0, 1e39, -1e-46, *chance.normal(0, 100, 40).tolist()]
    numbers += np.exp(chance.uniform(-30, 15, 60)).tolist()
    for number in numbers:
        widget.fill("input", repr(number))
        for place, form in enumerate((floats.FP32, floats.FP16)):
            stored = floats.bits(number, form)
            got, said = shown(widget, place)
            assert got == stored, number
            value = float(said.partition("= ")[2].replace("−", "-") or "nan")
            assert value == pytest.approx(floats.value(stored, form), rel=1e-5, nan_ok=True) or (
                "infinite" in said and np.isinf(floats.value(stored, form))
            )
        assert shown(widget, 2)[0] == floats.by_removal(number, floats.PAPERS_RULE)


@pytest.mark.browser
def test_bits_are_changed_by_keyboard_alone_and_said_aloud(widget):
    widget.focus("input")
    widget.keyboard.press("Tab")
    widget.keyboard.press("Space")
    assert shown(widget, 0)[0][0] == "1"
    assert widget.input_value("input").startswith("-0.1")
    widget.keyboard.press("Tab")
    for _ in range(5):
        widget.keyboard.press("ArrowRight")
    widget.keyboard.press("Enter")
    half = shown(widget, 1)[0]
    assert half[5] != floats.bits(-0.1, floats.FP16)[5]
    wanted = floats.value(half, floats.FP16)
    assert float(widget.input_value("input")) == pytest.approx(wanted, rel=1e-8)
    assert widget.get_attribute(".dlmo-bits-said[aria-live]", "aria-live") == "polite"
    widget.fill("input", "many")
    assert widget.get_attribute("input", "aria-invalid") == "true"


@pytest.mark.browser
def test_the_words_beside_bits_are_the_same_with_and_without_a_script(widget):
    for number in (0.1, -3.5, 6e-8, 1e9):
        widget.fill("input", repr(number))
        for place, form in enumerate((floats.FP32, floats.FP16)):
            stored, said = shown(widget, place)
            plain = bits.said(stored, form)
            assert said.partition("=")[0] == plain.partition("=")[0]


@pytest.mark.browser
def test_the_clipping_range_is_moved_by_keyboard(visit, html):  # noqa: F811
    page = visit("desktop", "light", html.as_uri()).open("chapters/quantization.html")
    slider = page.query_selector("input[name=reach]")
    said = "() => [...document.querySelectorAll('.dlmo-chart svg text')].map(t => t.textContent)"
    before = [text for text in page.evaluate(said) if text.startswith("r = ")]
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(300)
    after = [text for text in page.evaluate(said) if text.startswith("r = ")]
    assert before != after
    assert " 0.0 % clipped" not in after[0].replace("\u00a0", " ")


@pytest.mark.browser
def test_the_temperature_is_a_softmax(visit, html):  # noqa: F811
    page = visit("phone", "dark", html.as_uri()).open("chapters/knowledge_distillation.html")
    slider = page.query_selector("input[name=temperature]")
    slider.fill("20")
    page.wait_for_timeout(300)
    marks = page.query_selector_all(".dlmo-chart")[0].query_selector_all(".role-mark text")
    shares = [float(mark.text_content()) for mark in marks]
    assert sum(shares) == pytest.approx(100, abs=5)
    assert max(shares) < 60
    slider.fill("0.5")
    page.wait_for_timeout(300)
    marks = page.query_selector_all(".dlmo-chart")[0].query_selector_all(".role-mark text")
    assert max(float(mark.text_content()) for mark in marks) > max(shares)


def test_layers_have_channels_where_the_file_has_them(files):
    for layer in files.read("FIQ").layers:
        tensor = files.read("FIQ").tensor(layer.index)
        assert layers.channel_axis(layer.shape) == tensor.axis
    assert layers.channel_axis((1, 3, 3, 8)) == 3


def test_a_kept_file_is_read_once(files):
    assert files.read("NQ") is files.read("NQ")
    assert isinstance(files.read("NQ"), deployable.Deployable)

"""The audit: each check finds the paper's own or a planted error, and is silent where it is mended.

What the tables say is counted here once more, from the printed cells.
"""

from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

import make_records
from dlmo import paper, paths, records
from dlmo.book.execute import execute
from dlmo.report import audit, folded, spent
from dlmo.report.audit import page, scatter, sizes
from dlmo.report.audit.finding import CHECKS
from dlmo.report.printed import Printed
from dlmo.trials import Trial


def printed(change: Any = None, **fields: Any) -> Printed:
    """Return the paper's numbers, its results changed by a function of their rows."""
    rows = paper.results()
    if change is not None:
        rows = change(rows)
    return Printed(results=rows, **fields)


def put(column: str, value: float, **where: Any) -> Any:
    """Return a change that writes a value into the rows that fit."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows.copy()
        rows[column] = rows[column].astype(float)
        rows.loc[fits(rows, **where), column] = value
        return rows

    return change


def fits(rows: pd.DataFrame, **where: Any) -> "pd.Series[bool]":
    mask = pd.Series(True, rows.index)
    for column, value in where.items():
        mask &= rows[column].isin([value] if not isinstance(value, list | tuple) else value)
    return mask


def chained(*changes: Any) -> Any:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        for one in changes:
            rows = one(rows)
        return rows

    return change


def found(name: str, numbers: Printed) -> audit.Finding | None:
    return CHECKS[name](numbers)


def claims(**numbers: Any) -> dict[str, paper.Claim]:
    """Return the claims with some of their printed numbers or bounds mended."""
    all_ = {claim.id: claim for claim in paper.claims()}
    for name, changed in numbers.items():
        key = name.replace("_", "-")
        all_[key] = all_[key].model_copy(update=changed)
    return all_


def scaled(column: str, factor: float, **where: Any) -> Any:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows.copy()
        rows[column] = rows[column].astype(float)
        rows.loc[fits(rows, **where), column] *= factor
        return rows

    return change


def as_base(technique: str, column: str, base: str = "NQ", less: float = 0.0) -> Any:
    """Return a change that gives a technique the value of another on the same network."""

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows.copy()
        key = ["dataset", "network"]
        bases = rows[rows["technique"] == base].drop_duplicates(key).set_index(key)[column]
        rows[column] = rows[column].astype(float)
        for at in rows.index[rows["technique"] == technique]:
            rows.loc[at, column] = bases[rows.loc[at, "dataset"], rows.loc[at, "network"]] - less
        return rows

    return change


def gains_by_size(rows: pd.DataFrame) -> pd.DataFrame:
    """Let pruning gain a point for every 100 MB of the F16 file."""
    key = ["dataset", "network"]
    halves = rows[rows["technique"] == "F16"].drop_duplicates(key).set_index(key)["bytes"]
    rows = as_base("PRN", "accuracy")(rows)
    for at in rows.index[rows["technique"] == "PRN"]:
        gain = halves[rows.loc[at, "dataset"], rows.loc[at, "network"]] / 1e10
        rows.loc[at, "accuracy"] += gain
    return rows


IMAGENET = paper.table(12)
WRN_100 = {"network": "wrn", "dataset": "cifar100", "technique": "NQ"}
COPIED = {"table": 14, "technique": ["KD+F16", "KD+PRN"]}

# What is in error in the paper, and the same mended.
MENDED: dict[str, Printed] = {
    "lost_digit": printed(put("bytes", 1_922_000, **WRN_100)),
    "copied_sizes": printed(
        lambda rows: rows.assign(
            latency_ms=rows["latency_ms"].where(~fits(rows, **COPIED), np.arange(len(rows)) + 0.5)
        )
    ),
    "copied_accuracies": printed(
        put("accuracy", 0.801, technique="KD", network="mobilenet_v3_large")
    ),
    "carried_accuracies": printed(put("accuracy", 0.85, technique="KD+F16")),
    "fp32_range": printed(
        claims=claims(fp32_range={"numbers": {"lowest": -3.4e38, "highest": 3.4e38}})
    ),
    "fp16_bits": printed(
        claims=claims(
            fp16_by_truncation={
                "numbers": {"exponent_bits": 3, "mantissa_bits": 13, "share": 0.99, "values": 10}
            }
        )
    ),
    "zipped_pruned_files": printed(as_base("PRN", "bytes")),
    "last_layers_that_do_not_fit": printed(
        chained(
            put(
                "bytes",
                56_000 + 90 * 4 * 4097,
                network="vggnet",
                technique="NQ",
                dataset="cifar100",
            ),
            put(
                "bytes",
                12_161_000 + 90 * 4 * 1025,
                network="mobilenet_v3_small",
                technique="NQ",
                dataset="cifar100",
            ),
        )
    ),
    "wide_network_that_is_not_wide": printed(
        put("bytes", 982_000 + 90 * 2 * 641, network="wrn", technique="F16", dataset="cifar100")
    ),
    "vggnet_of_another_kind": printed(
        put("bytes", 4 * 9_300_000, network="vggnet", technique="NQ", dataset="cifar10")
    ),
    "more_weights_than_on_imagenet": printed(
        imagenet=IMAGENET.assign(parameters=["12.0M", "3.4M", "4.1M"])
    ),
    "quarter_to_half": printed(
        put("bytes", 28_000, network="vggnet", technique="F16", dataset="cifar10")
    ),
    "v2_beside_resnet50": printed(
        claims=claims(v2_5_to_10_percent_printed={"bounds": (0.09, 0.145)})
    ),
    "v3_beside_v2": printed(
        claims=claims(v3_141_to_391_percent_of_v2_printed={"bounds": (1.34, 3.92)})
    ),
    "accuracy_around_80": printed(claims=claims(int8_accuracy_80_printed={"bounds": (0.71, 0.82)})),
    "quantization_similar_or_better": printed(
        chained(*(as_base(name, "accuracy") for name in ("BLQ", "FIQ", "F16", "QAT")))
    ),
    "wrn_is_not_the_smallest": printed(
        put("bytes", 50_000, network="wrn", technique="NQ", dataset="cifar10")
    ),
    "v1_is_like_v2": printed(
        put("accuracy", 0.456, network="mobilenet_v1", technique="NQ", dataset="cifar100")
    ),
    "pruning_gain_and_capacity": printed(gains_by_size),
    "v3_on_imagenet": printed(imagenet=IMAGENET.assign(accuracy_percent=["75.2", "72.0", "74.0"])),
    "latency_for_all_images": printed(scaled("latency_ms", 1000)),
    "pruning_is_not_always_faster": printed(as_base("PRN", "latency_ms", less=0.5)),
    "resolution_of_the_test_images": printed(lambda rows: rows[rows["technique"] == "NQ"]),
    "f16_noise": printed(as_base("F16", "accuracy")),
    "latency_of_one_network": printed(put("latency_ms", 20.0)),
}


@pytest.mark.parametrize("name", MENDED)
def test_a_check_finds_the_papers_error_and_is_silent_on_a_mended_table(name):
    here = found(name, printed())
    assert here is not None
    assert here.kind in ("error", "limit")
    there = found(name, MENDED[name])
    assert there is None or there.kind == "right"


# What the paper says rightly, and the same with an error planted.
PLANTED: dict[str, Printed] = {
    "repeated_rows": printed(
        lambda rows: rows.assign(
            printed=rows["printed"].where(
                ~fits(rows, table=14, technique="F16"), "80.9 / 6435 / 23"
            )
        )
    ),
    "fp16_range": printed(
        claims=claims(fp16_range={"numbers": {"lowest": -65504, "highest": 65536}})
    ),
    "int8_numbers": printed(claims=claims(int8_255_numbers={"numbers": {"values": 256}})),
    "pruned_weights_quantized": printed(put("accuracy", 0.70, technique="PRQ", network="vggnet")),
    "last_layers_that_fit": printed(scaled("bytes", 1.5, dataset="cifar100")),
    "v3_beside_resnet50": printed(scaled("bytes", 2, network="mobilenet_v3_large")),
    "v2_is_better_than_resnet50": printed(put("accuracy", 0.9, network="resnet50", technique="NQ")),
    "v2_is_better_than_v3": printed(
        put("accuracy", 0.5, network="mobilenet_v3_small", dataset="cifar100", technique="NQ")
    ),
    "wrn_is_the_most_accurate": printed(put("accuracy", 0.9, network="vggnet", technique="NQ")),
    "f16_is_the_fastest_quantization": printed(
        put("latency_ms", 1.0, network="vggnet", technique="BLQ")
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_right_is_said_and_a_planted_error_is_not(name):
    here = found(name, printed())
    assert here is not None
    assert here.kind == "right"
    there = found(name, PLANTED[name])
    assert there is None or there.kind == "error"


def test_every_check_is_tried_here():
    constant = {"teacher_of_impossible_depth"}
    assert set(CHECKS) == set(MENDED) | set(PLANTED) | constant


# What the findings say ----------------------------------------------------------------------------


def evidence(name: str, **fields: Any) -> str:
    one = found(name, printed(**fields))
    assert one is not None
    return f"{one.title}. {one.evidence}"


def test_the_lost_digit_is_restored_from_the_other_column():
    said = evidence("lost_digit")
    assert "WRN NQ on CIFAR-100" in said
    expected = 1899 + 2 * (994 - 982)
    assert f"about {expected:,} KB" in said
    assert "1,923 is one digit away" in said
    assert f"{192 / 994:.2f} times" in said


def test_the_copies_name_their_source_and_all_rows():
    one = found("copied_sizes", printed())
    assert "Table 13, WRN NQ on CIFAR-100" in one.evidence
    copies = one.table[one.table["Table"] == "14"]
    assert set(copies["Technique"]) == {"KD+F16", "KD+PRN"}
    assert len(copies) == 4
    assert "60.5" in evidence("copied_accuracies")
    assert "WRN NQ on CIFAR-100" in evidence("copied_accuracies")


def test_zipped_ratios_are_those_of_the_tables():
    rows = paper.results().drop_duplicates(["dataset", "network", "technique"])
    pivot = rows.pivot(index=["dataset", "network"], columns="technique", values="bytes")
    said = evidence("zipped_pruned_files")
    assert f"{(pivot['PRN'] / pivot['NQ']).median():.2f} of NQ's" in said
    assert f"{(pivot['PRQ'] / pivot['BLQ']).median():.2f} of BLQ's" in said


def test_the_noise_is_the_spread_of_sixteen_pairs():
    rows = paper.results().drop_duplicates(["dataset", "network", "technique"])
    pivot = rows.pivot(index=["dataset", "network"], columns="technique", values="accuracy")
    less = 100 * (pivot["F16"] - pivot["NQ"]).to_numpy()
    said = evidence("f16_noise")
    assert len(less) == 16
    assert f"{less.min():.1f}".replace("-", "−") in said
    assert f"+{less.max():.1f}" in said
    noise = np.sqrt(np.mean(less**2) / 2)
    assert f"a standard deviation of {noise:.1f} points" in said
    assert noise == pytest.approx(1.3, abs=0.05)
    assert scatter.spread(pd.Series([0.02, -0.02])) == pytest.approx(0.02 / np.sqrt(2))


def test_the_widths_of_the_last_layers():
    width = dict(sizes.widths(printed()))
    assert width["resnet50"] == pytest.approx((94_790 - 94_052) * 1000 / 360 - 1)
    assert width["wrn"] == pytest.approx((994 - 982) * 1000 / 180 - 1)
    assert round(width["vggnet"]) == 1024


def test_differences_too_small_for_the_test_images_are_counted():
    less = scatter.differences(printed())
    row = less.query("network == 'resnet101' and dataset == 'cifar100' and technique == 'QAT'")
    one, two = 0.370, 0.413
    error = np.sqrt((one * (1 - one) + two * (1 - two)) / 10_000)
    assert row["p"].iloc[0] == pytest.approx(2 * (1 - _normal((two - one) / error)), abs=1e-9)
    assert f"{len(less)} printed differences" in evidence("resolution_of_the_test_images")
    assert f"{(less['p'] >= 0.05).sum()} are not" in evidence("resolution_of_the_test_images")


def _normal(z: float) -> float:
    from math import erf, sqrt

    return 0.5 * (1 + erf(z / sqrt(2)))


def test_our_records_are_named_beside_where_there_are_any():
    ours = records.select()
    assert "Our PRN files" in evidence("zipped_pruned_files", ours=ours)
    assert "VGGNet, counted exactly" in evidence("latency_for_all_images", ours=ours)
    assert "in our" in evidence("f16_noise", ours=ours)
    assert "Our" not in evidence("zipped_pruned_files")


def test_errors_come_first_and_every_finding_says_all():
    all_ = audit.findings(Printed(ours=records.select()))
    kinds = [one.kind for one in all_]
    assert kinds == sorted(kinds, key=["error", "limit", "right"].index)
    for one in all_:
        assert one.name in CHECKS
        assert one.title and one.where and one.evidence.endswith((".", "to."))
        assert "nan" not in one.evidence and "None" not in one.evidence


def test_an_empty_paper_raises_nothing():
    nothing = Printed(results=paper.results().iloc[:0], imagenet=IMAGENET.iloc[:0], claims={})
    for name, check in CHECKS.items():
        assert check(nothing) is None, name


# The page -----------------------------------------------------------------------------------------


def test_the_page_says_how_many_and_shows_each():
    all_ = audit.findings()
    html = page.listing(all_).data
    assert html.count("class='dlmo-entry'") == len(all_)
    errors = sum(one.kind == "error" for one in all_)
    assert f"{errors} errors" in page.overview(all_)
    assert page.scatter(printed()).to_dict()["description"]


def test_markup_in_a_finding_is_escaped():
    bad = audit.Finding("<b>x</b>", "<i>", "<script>", "certain")
    assert "<script>" not in page.listing([bad]).data
    assert "<b>" not in page.listing([bad]).data
    assert folded.table(["<"], [["<td>"]]).count("&lt;") == 2


@pytest.mark.parametrize("name", ["claims", "audit", "reproducibility"])
def test_the_chapters_glue_what_they_show(name, tmp_path):
    chapter = paths.ROOT / "chapters" / f"{name}.ipynb"
    executed = nbformat.read(execute(chapter, tmp_path / "out.ipynb", {}), as_version=4)
    glued = {
        output.metadata["scrapbook"]["name"]: str(output["data"])
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if "scrapbook" in output.get("metadata", {})
    }
    shown = "".join(cell.source for cell in executed.cells if cell.cell_type == "markdown")
    assert glued
    for key, value in glued.items():
        assert f"{{glue:text}}`{key}`" in shown
        assert "nan" not in value and "None" not in value


# Compute spent ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        (["train"], "NQ"),
        (["train", "finetune"], "NQ+FT"),
        (["train", "prune"], "PRN"),
        (["train", "qat"], "QAT"),
        (["train", "prune", "qat"], "PRN+QAT"),
        (["distil"], "KD"),
        (["distil", "prune"], "KD+PRN"),
    ],
)
def test_a_chain_of_steps_has_its_techniques_name(steps, name):
    assert spent.named(steps) == name


def test_a_training_that_techniques_share_counts_once():
    made: dict[str, records.Record] = {}
    for technique in ("NQ", "BLQ", "PRN", "PRQ", "NQ+FT"):
        trial = Trial(dataset="cifar10", network="vggnet", technique=technique, seed=0)
        chain = make_records.weights(trial)
        for one in (*chain, make_records.deployable(trial, chain[-1])):
            made[one.key] = one
    rows = spent.trainings(made.values())
    assert sorted(rows["technique"]) == ["NQ", "NQ+FT", "PRN"]
    # 12.5 s each, on two threads.
    assert rows["hours"].sum() == pytest.approx(3 * 12.5 / 3600)
    assert rows["core_hours"].sum() == pytest.approx(2 * 3 * 12.5 / 3600)
    files, converting, measurements, _ = spent.elsewhere(made.values())
    assert (files, measurements) == (5, 0)
    assert converting == pytest.approx(5 * 12.5 / 3600)
    said = spent.sentence(rows, spent.elsewhere(made.values()))
    assert "three trainings of one network" in said
    assert "five files" in said


def test_a_training_that_went_on_counts_the_epochs_before_the_interruption():
    trial = Trial(dataset="cifar10", network="vggnet", technique="NQ", seed=0)
    (one,) = make_records.weights(trial)
    epochs = [{"epoch": float(at), "seconds": 100.0} for at in range(1, 4)]
    went_on = one.model_copy(update={"history": epochs})
    assert (one.seconds, went_on.seconds) == (12.5, 300.0)
    assert spent.trainings([went_on])["hours"].sum() == pytest.approx(300 / 3600)


def test_nothing_spent_says_so():
    rows = spent.trainings([])
    assert spent.sentence(rows, (0, 0.0, 0, 0.0)) == "Not yet measured."
    assert spent.table(rows) is None
    assert "measured" in repr(spent.chart(rows))

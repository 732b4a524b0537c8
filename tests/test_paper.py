"""The paper's tables against sums taken from its text; claims and references against hostility."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from dlmo import datasets, paper, paths, spec
from dlmo.errors import UserError

# Sums of the printed columns, taken from the paper's text apart from the files:
# accuracy (%), size (KB), latency (ms) on CIFAR-10, then on CIFAR-100.
SUMS = {
    5: (7, 498.2, 164, 137, 296.4, 1127, 191),
    6: (7, 564.9, 249361, 9378, 272.8, 251378, 9458),
    7: (7, 559.8, 451114, 19275, 275.9, 452751, 19744),
    8: (6, 488.9, 31522, 1086, 264.6, 32412, 1143.7),
    9: (6, 487.0, 22784, 639.6, 272.9, 23871, 645.9),
    10: (6, 418.6, 29771, 204, 212.5, 30840, 260),
    11: (6, 462.3, 84336, 621, 227.8, 85466, 673),
    13: (7, 616.8, 5238, 7671, 418.6, 3595, 7869),
}
NETWORK = {
    5: "vggnet",
    6: "resnet50",
    7: "resnet101",
    8: "mobilenet_v1",
    9: "mobilenet_v2",
    10: "mobilenet_v3_small",
    11: "mobilenet_v3_large",
    13: "wrn",
}
CLAIM = """\
judging: {alpha: 0.05, coverage: 0.5, most: 0.75}
claims:
  - id: one
    statement: Something holds.
    place: Remark 1
    subject: something
    datasets: [cifar10]
    networks: [vggnet]
    techniques: [BLQ]
    against: [NQ]
    unit: file
    test: equivalence
    metric: accuracy
    margin: {value: 0.01, unit: accuracy}
    confirms: The difference is below 1 point.
    refutes: The difference is above 1 point.
    family: claims
"""


@pytest.mark.parametrize("number", SUMS)
def test_a_table_has_the_sums_of_its_printed_columns(number: int) -> None:
    rows, *sums = SUMS[number]
    found = paper.results().query(f"table == {number}")
    assert set(found["network"]) == {NETWORK[number]}
    for dataset, expected in (("cifar10", sums[:3]), ("cifar100", sums[3:])):
        part = found[found["dataset"] == dataset]
        assert len(part) == rows
        assert part["accuracy"].sum() * 100 == pytest.approx(expected[0])
        assert part["bytes"].sum() == expected[1] * 1000
        assert part["latency_ms"].sum() == pytest.approx(expected[2])


def test_table_14_has_the_sums_of_its_printed_columns() -> None:
    found = paper.results().query("table == 14")
    with_kd = found["technique"].str.startswith("KD")
    for part, expected in ((found[~with_kd], (634.5, 86618, 123.6)), (found[with_kd], None)):
        accuracy, size, latency = expected or (636.1, 69632, 265)
        assert len(part) == 8
        assert part["accuracy"].sum() * 100 == pytest.approx(accuracy)
        assert part["bytes"].sum() == size * 1000
        assert part["latency_ms"].sum() == pytest.approx(latency)


@pytest.mark.parametrize(
    ("number", "network", "dataset", "technique", "printed"),
    [
        (5, "vggnet", "cifar10", "NQ", "71.9 / 56 / 4"),
        (6, "resnet50", "cifar100", "PRQ", "43.1 / 8059 / 2379"),
        (7, "resnet101", "cifar10", "QAT", "80.1 / 43799 / 4529"),
        (7, "resnet101", "cifar100", "PRN", "38.7 / 49,697 / 337"),
        (8, "mobilenet_v1", "cifar10", "NQ", "81.8 / 12,840 / 18"),
        (9, "mobilenet_v2", "cifar10", "F16", "82.0 / 4509 / 10.6"),
        (13, "wrn", "cifar100", "NQ", "60.5 / 192 / 50"),
        (14, "mobilenet_v3_large", "cifar10", "KD", "60.5 / 34,939 / 26"),
        (14, "mobilenet_v2", "cifar10", "KD+PRN", "85.4 / 192 / 50"),
    ],
)
def test_cells_stand_as_printed_misprints_included(
    number: int, network: str, dataset: str, technique: str, printed: str
) -> None:
    found = paper.results()
    wanted = (number, network, dataset, technique)
    keys = found[["table", "network", "dataset", "technique"]].apply(tuple, axis=1)
    assert found.loc[keys == wanted, "printed"].tolist() == [printed]


def test_table_14_repeats_the_earlier_tables_where_it_has_no_distillation() -> None:
    found = paper.results().set_index(["dataset", "network", "technique"])
    values = ["accuracy", "bytes", "latency_ms"]
    original = found[(found["table"] == 14) & ~found.index.isin(["KD", "KD+F16", "KD+PRN"], 2)]
    earlier = found[found["table"] != 14]
    pd.testing.assert_frame_equal(original[values], earlier.loc[original.index, values])


def test_table_12_is_as_printed() -> None:
    found = paper.table(12).set_index("network")
    assert found.loc["mobilenet_v3_large", "accuracy_percent"] == "75.2"
    assert found["madds_millions"].tolist() == ["219", "300", "56"]
    assert found["parameters"].tolist() == ["5.4M", "3.4M", "2.5M"]


def test_the_text_tables_name_known_references() -> None:
    known = paper.references()
    for column, numbers in (("reference", [1]), ("references", [2, 3, 4])):
        for number in numbers:
            for cell in paper.table(number)[column]:
                assert set(cell.split()) <= set(known)


@pytest.mark.parametrize("number", [0, 15, -1])
def test_a_table_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(UserError, match="from 1 to 14"):
        paper.table(number)


def test_two_rows_for_one_trial_are_refused() -> None:
    printed = paper.table(5)
    with pytest.raises(UserError, match="two rows for cifar10 vggnet NQ"):
        paper.numbers(pd.concat([printed, printed.head(1)]), 5)


def test_a_cell_that_is_no_number_is_refused() -> None:
    printed = paper.table(5)
    printed.loc[3, "size_kb"] = "1l2"
    with pytest.raises(UserError, match="'1l2' in column size_kb"):
        paper.numbers(printed, 5)


def test_results_belong_to_the_caller() -> None:
    mine = paper.results()
    mine["accuracy"] = 0.0
    assert paper.results()["accuracy"].min() > 0.3


def test_claims_are_many_and_cover_the_paper() -> None:
    found = paper.claims()
    assert len(found) >= 30
    assert len({claim.id for claim in found}) == len(found)
    places = " ".join(claim.place for claim in found)
    for place in ("Abstract", "Remark 1", "Remark 2", "Remark 3", "Remark 4", "4.3", "Section 5"):
        assert place in places


def test_claims_use_only_the_vocabulary() -> None:
    for claim in paper.claims():
        assert {spec.split(name)[0] for name in claim.datasets} <= set(datasets.names())
        assert set(claim.networks) <= set(NETWORK.values())
        words = {word for name in claim.techniques + claim.control for word in name.split("+")}
        assert words <= {"NQ", "BLQ", "FIQ", "F16", "QAT", "PRN", "PRQ", "KD", "FT"}


def test_the_networks_of_the_claims_can_be_built() -> None:
    networks = pytest.importorskip("dlmo.networks")
    assert set(paper.networks()) <= set(networks.names())


def test_accuracy_claims_about_further_training_have_their_control() -> None:
    for claim in paper.claims():
        longer = {"PRN", "PRQ", "QAT", "KD"} & {name.split("+")[0] for name in claim.techniques}
        gains = claim.metric in ("accuracy", "accuracy_gain") and claim.unit == "seed"
        if longer and gains and claim.against != ("KD",):
            assert claim.control, claim.id
            assert bool(claim.control_recipe) == (longer == {"KD"}), claim.id


def test_claims_of_similar_accuracy_have_a_margin_of_one_point() -> None:
    for claim in paper.claims():
        if claim.test in ("equivalence", "non-inferiority"):
            assert claim.margin == paper.Margin(value=0.01, unit="accuracy"), claim.id


def test_what_was_known_beforehand_is_post_hoc() -> None:
    by_id = {claim.id: claim for claim in paper.claims()}
    for known in ("remark-2", "prn-zeros-save-time", "fp32-range", "memory-reduced"):
        assert by_id[known].post_hoc
        assert by_id[known].reason


def test_a_claim_is_found_by_its_id() -> None:
    assert paper.claim("remark-1").place == "Remark 1"
    with pytest.raises(UserError, match="did you mean 'remark-4'"):
        paper.claim("remark4")


def claims_file(folder: Path, text: str) -> Path:
    file = folder / "claims.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_claims_file_of_ones_own_is_read(tmp_path: Path) -> None:
    file = claims_file(tmp_path, CLAIM)
    assert [claim.id for claim in paper.claims(file)] == ["one"]
    assert paper.judging(file) == paper.judging()


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("    subject: some", "    subjekt: some", "3: one: subject: Field required"),
        ("    family: claims\n", "    family: claims\n    extra: 1\n", "18: one: extra: "),
        ("    refutes: The difference is above 1 point.\n", "", "3: one: refutes: Field required"),
        ("test: equivalence", "test: feeling", "12: one: test: "),
        ("networks: [vggnet]", "networks: [vgnet]", "8: one: networks: unknown network 'vgnet'"),
        ("datasets: [cifar10]", "datasets: [cifar11]", "7: one: datasets: unknown dataset"),
        ("techniques: [BLQ]", "techniques: [BLQ+PRN]", "9: one: techniques: technique 'BLQ.PRN'"),
        ("against: [NQ]", "against: [NN]", "10: one: against: unknown technique 'NN'"),
        ("value: 0.01", "value: -1", "14: one: margin: "),
        ("    margin: {value: 0.01, unit: accuracy}\n", "", "3: one: .*needs a margin"),
        ("test: equivalence", "test: ratio", "3: one: .*needs a bounds"),
        ("    family: claims\n", "    family: claims\n    post_hoc: true\n", "3: .*needs a reason"),
        ("    family: claims\n", "    family: claims\n    post_hoc: 'yes'\n", "18: one: post_hoc"),
        ("    family: claims\n", "    family: claims\n    bounds: [2, 1]\n", "18: one: bounds"),
        ("    family: claims\n", "    family: claims\n    bounds: [null, null]\n", "18: one: boun"),
        ("    place:", f"    quote: {'so ' * 15}\n    place:", "5: one: quote: .*fewer than 15"),
        ("id: one", "id: One two", "3: One two: id: "),
        ("    unit: file", "    unit: file\n    unit: seed", "12: found duplicate key"),
        ("[BLQ]", "[BLQ", "[0-9]+: .*mend the YAML"),
        ("  - id: one", "  - id\n  - id: one", "3: a claim is a mapping"),
        ("judging:", "claim: 1\njudging:", "1: unknown section 'claim'"),
        ("claims:\n", "claim:\n", "1: has no section 'claims'"),
    ],
)
def test_a_claims_file_that_does_not_fit_names_its_line(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in CLAIM
    file = claims_file(tmp_path, CLAIM.replace(old, new, 1))
    with pytest.raises(UserError, match=f"^claims.yaml:{complaint}") as caught:
        paper.claims(file)
    assert "\n" not in str(caught.value)


def test_a_claim_that_stands_twice_is_refused(tmp_path: Path) -> None:
    claim = CLAIM.partition("claims:\n")[2]
    with pytest.raises(UserError, match=r"^claims.yaml:18: the claim 'one' stands here a second"):
        paper.claims(claims_file(tmp_path, CLAIM + claim))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"- 1\n", b"{}", b"judging: 3"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "claims.yaml"
    file.write_bytes(content)
    for read in (paper.claims, paper.judging):
        with pytest.raises(UserError, match=r"^claims.yaml"):
            read(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for read in (paper.claims, paper.judging, paper.references):
        with pytest.raises(UserError, match=r"none\.yaml"):
            read(tmp_path / "none.yaml")


def test_a_share_above_one_is_refused(tmp_path: Path) -> None:
    file = claims_file(tmp_path, CLAIM.replace("most: 0.75", "most: 75"))
    with pytest.raises(UserError, match=r"^claims.yaml:1: most"):
        paper.judging(file)


def test_the_bibliography_has_the_paper_and_its_73_references() -> None:
    found = paper.references()
    numbered = [entry.number for entry in found.values() if entry.number]
    assert numbered == list(range(1, 74))
    assert next(iter(found)) == "lee2022method"
    assert found["lee2022method"].doi == "10.3390/s22197344"
    assert found["vaswani2017attention"].number == 73
    assert found["muller2019when"].authors[0] == "Müller, Rafael"
    for key, entry in found.items():
        assert key == entry.key
        assert str(entry.year) in key
        assert "{" not in entry.title + "".join(entry.authors)


def test_identifiers_in_the_bibliography_are_well_formed_and_not_shared() -> None:
    found = paper.references().values()
    for field, pattern in (("doi", r"10\.\d{4,9}/\S+"), ("eprint", r"\d{4}\.\d{4,5}")):
        given = pd.Series([getattr(entry, field) for entry in found]).dropna()
        assert given.str.fullmatch(pattern).all()
        assert given.is_unique


@pytest.mark.parametrize(
    "text",
    [
        "@misc{a2020b, author = {A, B}, title = {C}, year = {2020}}" * 2,
        "@misc{a2020b, title = {C}, year = {2020}}",
        "@misc{a2020b, author = {A, B}, title = {C}, year = {soon}}",
        "@misc{a2020b, author = {A, B}, title = {C",
    ],
)
def test_a_broken_bibliography_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "own.bib"
    file.write_text(text)
    with pytest.raises(UserError, match=r"^own.bib: ") as caught:
        paper.references(file)
    assert "\n" not in str(caught.value)


def test_the_paper_is_read_without_tensorflow() -> None:
    code = "import sys; from dlmo import paper; paper.claims(); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_files_of_the_tables_are_utf8_without_blank_cells() -> None:
    for number in paper.TABLES:
        (paths.paper() / f"tables/table-{number:02d}.csv").read_text(encoding="utf-8")
        assert (paper.table(number).map(str.strip) != "").all(axis=None)


def test_the_numbers_of_a_criterion_are_those_of_its_words() -> None:
    for claim in paper.claims():
        words = f"{claim.statement} {claim.confirms} {claim.refutes}".lower()
        for name, value in claim.numbers.items():
            forms = (f"{value:g}", f"{value:,.0f}", f"{100 * value:g} %", f"{value:.0e}")
            spelt = {5: "five", 0: "not larger at all", 1e-9: "1e-9", 1: "1"}.get(value, "-")
            known = [*forms, spelt, f"{value:.1e}".replace("e+", "e")]
            assert any(form in words for form in known), (claim.id, name, value)


def test_a_criterion_names_what_else_must_hold() -> None:
    also = paper.claim("remark-1").also
    assert also == paper.Also(metric="bytes", bounds=(None, 1.0))
    assert "smaller than NQ's in all" in paper.claim("remark-1").confirms

"""The chapter on knowledge distillation (paper, Section 3.3): soft targets, the loss, the field."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from IPython.display import Markdown
from numpy.typing import NDArray

from dlmo import datasets, paper, recipes, records
from dlmo.arithmetic import distillation
from dlmo.instruments import trace
from dlmo.report import charts, comparison, literature, text
from dlmo.report.cited import Table, cited
from dlmo.report.comparison_charts import NothingToDraw
from dlmo.report.comparison_tables import title
from dlmo.report.methods import layers
from dlmo.trials import Trial

IMAGES = 4
"""How many images the temperature is applied to."""

HOTTEST = 20


# Equation 3 ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Example:
    """What a teacher says of some test images.

    Attributes:
        trial: the teacher.
        classes: their names.
        images: uint8 [n, h, w, 3].
        labels: [n].
        logits: [n, classes].
    """

    trial: Trial
    classes: tuple[str, ...]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]


@cited
def example(trial: Trial) -> Example | None:
    """Run a kept file on test images, and return some that it classifies correctly.

    They lie between a middling one and one about which it is nearly the least sure. Nothing where
    the file is not kept, or the dataset's images are not here.
    """
    found = records.select(
        dataset=trial.dataset,
        network=trial.network,
        technique=trial.technique,
        profile=trial.profile,
        seed=trial.seed,
    )
    keys = found["deployable_key"].dropna()
    path = records.kept(str(keys.iloc[0])) if len(keys) else None
    if path is None or not datasets.available(trial.dataset):
        return None
    data = datasets.load(trial.dataset)
    logits = trace.outputs(path, data.test.images[:500])
    right = np.flatnonzero(logits.argmax(axis=1) == data.test.labels[: len(logits)])
    spread = distillation.entropy(distillation.equation_3(logits[right]))
    places = np.linspace(0.5, 0.95, IMAGES) * (len(right) - 1)
    chosen = right[np.argsort(spread, kind="stable")][places.astype(int)]
    images, labels = data.test.images[chosen], data.test.labels[chosen]
    return Example(trial, data.classes, images, labels, logits[chosen])


@cited
def temperature_chart(found: Example | None) -> alt.LayerChart | NothingToDraw:
    """Draw a teacher's class probabilities for an image, at the temperature that a slider sets."""
    if found is None:
        return NothingToDraw()
    names = _names(found)
    rows = pd.DataFrame(
        [
            {"image": name, "class": label, "logit": round(float(logit), 4)}
            for name, logits in zip(names, found.logits, strict=True)
            for label, logit in zip(found.classes, logits, strict=True)
        ]
    )
    slider = alt.binding_range(min=0.5, max=HOTTEST, step=0.5, name="Temperature T ")
    heat = alt.param(name="temperature", value=1, bind=slider)
    menu = alt.binding_select(options=names, name="Image ")
    image = alt.param(name="image", value=names[0], bind=menu)
    base = (
        alt.Chart(rows)
        .transform_filter("datum.image == image")
        .transform_calculate(power="exp(datum.logit / temperature)")
        .transform_joinaggregate(whole="sum(power)")
        .transform_calculate(share="100 * datum.power / datum.whole")
        .encode(
            x=alt.X(
                "class:N", title="Class", sort=list(found.classes), axis=alt.Axis(labelAngle=0)
            ),
            y=alt.Y("share:Q", title="Probability (%)").scale(domain=[0, 100]),
            tooltip=[
                alt.Tooltip("class:N", title="Class"),
                alt.Tooltip("share:Q", title="Probability (%)", format=".2f"),
                alt.Tooltip("logit:Q", title="Logit", format=".2f"),
            ],
        )
    )
    bars = base.mark_bar(color=charts.colour("KD").light)
    written = base.mark_text(baseline="bottom", dy=-3, tooltip=False, aria=False).encode(
        text=alt.Text("share:Q", format=".0f")
    )
    return (
        alt.LayerChart(layer=[bars, written])
        .add_params(image, heat)
        .properties(height=280, description=f"{_about(found)} {entropy_sentence(found)}")
    )


def _names(found: Example) -> list[str]:
    return [
        f"{place}: {found.classes[label]}" for place, label in enumerate(found.labels.tolist(), 1)
    ]


def _about(found: Example) -> str:
    return (
        "A teacher's probabilities for the classes of one image; a menu chooses the image, a "
        f"slider the temperature from 0.5 to {HOTTEST}."
    )


@cited
def example_sentence(found: Example | None) -> str:
    """Say whose logits are shown, on which images."""
    if found is None:
        return f"The file of this teacher is {text.MISSING}, or its images are not here."
    network, dataset = title(found.trial.network), title(found.trial.dataset)
    return (
        f"The logits are those of {network} on {dataset} (profile {found.trial.profile}, seed "
        f"{found.trial.seed}), computed by LiteRT; of the test "
        f"images that it classifies correctly {text.count(len(found.labels), 'image')} are shown, "
        "from a middling one to one of which it is hardly sure."
    )


@cited
def entropy_sentence(found: Example | None, temperatures: Sequence[float] = (1, 4, 20)) -> str:
    """Say how spread out the probabilities are at some temperatures."""
    if found is None:
        return ""
    said = [f"{_bits(found, heat)} bits at T = {heat:g}" for heat in temperatures]
    most = text.figure(float(np.log2(len(found.classes))), 2)
    return (
        f"The mean entropy of these probabilities is {text.listing(said)}; equal probabilities "
        f"would have {most}."
    )


def _bits(found: Example, heat: float) -> str:
    spread = distillation.entropy(distillation.equation_3(found.logits, heat))
    return text.figure(float(spread.mean()), 2)


@dataclass(frozen=True, eq=False)
class Pictures:
    """The images of an example, as they are, in a row."""

    found: Example | None

    def _repr_html_(self) -> str:
        if self.found is None:
            return ""
        shown = zip(_names(self.found), self.found.images, strict=True)
        return '<div class="dlmo-pictures">' + "".join(_figure(*one) for one in shown) + "</div>"

    def __repr__(self) -> str:
        return text.listing(_names(self.found)) if self.found else ""


def _figure(name: str, image: NDArray[np.uint8]) -> str:
    """Return an image as SVG squares, the same in light and dark."""
    height, width = image.shape[:2]
    step = max(1, height // 8) if _blocky(image) else 1
    squares = "".join(
        f'<rect x="{x}" y="{y}" width="{step}" height="{step}" '
        f'fill="#{bytes(image[y, x].tolist()).hex()}"/>'
        for y in range(0, height, step)
        for x in range(0, width, step)
    )
    label = escape(f"Image {name}")
    return (
        f'<svg viewBox="0 0 {width} {height}" width="72" height="72" role="img" '
        f'aria-label="{label}" shape-rendering="crispEdges"><title>{label}</title>{squares}</svg>'
    )


def _blocky(image: NDArray[np.uint8]) -> bool:
    """Say whether an image is an enlarged one of eight by eight pixels."""
    step = image.shape[0] // 8
    small = image[::step, ::step]
    return bool((small.repeat(step, 0).repeat(step, 1) == image).all()) if step else False


# The loss -----------------------------------------------------------------------------------------


@cited
def loss_chart(found: Example | None) -> alt.LayerChart | NothingToDraw:
    """Draw the gradient that the soft part of the loss sends back, with and without T²."""
    if found is None:
        return NothingToDraw()
    student = np.zeros_like(found.logits)
    lines = []
    for heat in np.arange(0.5, HOTTEST + 0.5, 0.5):
        size = _gradient(student, found.logits, float(heat))
        for kind, factor in (("with T²", heat**2), ("without", 1.0)):
            lines.append({"T": heat, "loss": kind, "gradient": round(factor * size, 6)})
    kinds = ["with T²", "without"]
    line = (
        alt.Chart(pd.DataFrame(lines))
        .mark_line()
        .encode(
            x=alt.X("T:Q", title="Temperature T"),
            y=alt.Y("gradient:Q", title="Size of the soft gradient"),
            color=alt.Color("loss:N", title="Soft loss", sort=kinds).scale(
                domain=kinds, range=[charts.colour("KD").light, charts.INK.light]
            ),
            strokeDash=alt.StrokeDash("loss:N", title="Soft loss", sort=kinds).scale(
                domain=kinds, range=[[1, 0], [6, 3]]
            ),
        )
    )
    return alt.LayerChart(layer=[line]).properties(
        height=240,
        description="The size of the gradient of the soft loss over the temperature, for a student "
        "that knows nothing yet. " + gradient_sentence(found),
    )


def _gradient(student: NDArray[np.floating], teacher: NDArray[np.floating], heat: float) -> float:
    """Return the mean size of the gradient of the soft cross entropy in the student's logits."""
    apart = distillation.equation_3(student, heat) - distillation.equation_3(teacher, heat)
    return float(np.linalg.norm(apart / heat, axis=-1).mean())


@cited
def gradient_sentence(found: Example | None, low: float = 2, high: float = 16) -> str:
    """Say by how much the soft gradient shrinks between two temperatures, and what T² leaves."""
    if found is None:
        return ""
    student = np.zeros_like(found.logits)
    sizes = {heat: _gradient(student, found.logits, heat) for heat in (low, high)}
    bare = sizes[low] / sizes[high]
    kept = sizes[low] * low**2 / (sizes[high] * high**2)
    return (
        f"Between T = {low:g} and T = {high:g} the gradient shrinks by a factor of "
        f"{text.ratio(bare)}, with T² by one of {text.ratio(kept)}."
    )


@cited
def recipe_sentence(profile: str, network: str) -> str:
    """Say with which teacher, temperature and weight a profile distils."""
    found = recipes.profile(profile).step("distil", network)
    assert isinstance(found, recipes.Distil)
    return (
        f"Profile {profile} distils from {title(found.teacher)} for "
        f"{text.count(found.epochs, 'epoch')} with T = {found.temperature:g} and a weight of "
        f"{text.percent(found.soft_weight, 0)} for the soft part."
    )


# What it brings -----------------------------------------------------------------------------------


@cited
def gains_table(rows: pd.DataFrame, names: Sequence[str]) -> Table:
    """Return what the distilled networks gain over the same technique without distillation."""
    lines = []
    for name in names:
        plain = name.removeprefix("KD").removeprefix("+") or "NQ"
        found = comparison.difference(rows, name, plain)
        known = bool(found.values)
        lines.append(
            {
                "Technique": name,
                "Compared with": plain,
                "Pairs": str(len(found.values)) if known else text.NONE,
                "Difference (points)": text.difference_with_interval(found.interval)
                if known
                else text.MISSING,
                "Verdict": text.verdict(found.word) if known else text.NONE,
            }
        )
    return layers.table(pd.DataFrame(lines), "Distilled less trained on labels alone.")


@cited
def gains_sentence(rows: pd.DataFrame, names: Sequence[str]) -> str:
    """Say what is measured of distillation."""
    known = {name: _gain(rows, name) for name in names}
    said = [one for one in known.values() if one]
    absent = [name for name, one in known.items() if not one]
    parts = [f"{text.listing(said)}."] if said else []
    if absent:
        verb = "is" if len(absent) == 1 else "are"
        parts.append(f"{text.listing(absent)} {verb} {text.MISSING}.")
    return " ".join(parts)


def _gain(rows: pd.DataFrame, name: str) -> str:
    plain = name.removeprefix("KD").removeprefix("+") or "NQ"
    found = comparison.difference(rows, name, plain)
    if not found.values:
        return ""
    return f"{name} differs from {plain} by {text.difference_with_interval(found.interval)} points"


@cited
def temperatures_chart(found: pd.DataFrame) -> alt.LayerChart | NothingToDraw:
    """Draw the student's accuracy over the temperature."""
    return layers.sweep_chart(found, "Temperature T", "KD", logarithmic=True)


@cited
def temperatures_sentence(found: pd.DataFrame) -> str:
    """Say what is measured of the temperature."""
    return layers.sweep_sentence(found, "temperature")


# The field: Tables 2 to 4 -------------------------------------------------------------------------

QUESTIONS = {
    2: "What is taught",
    3: "When the teacher learns",
    4: "What the student is",
}
"""What each of the paper's Tables 2 to 4 sorts by."""


@cited
def works() -> pd.DataFrame:
    """Return the works of Tables 2 to 4: question, category, meaning, key, name, year, number."""
    return pd.DataFrame(list(_works()))


def _works() -> Iterator[dict[str, Any]]:
    known = paper.references()
    for table, question in QUESTIONS.items():
        for _, row in paper.table(table).iterrows():
            for key in row["references"].split():
                work = known[key]
                yield {
                    "question": question,
                    "table": table,
                    "category": row["category"],
                    "meaning": row["meaning"],
                    "key": key,
                    "name": _cited(work),
                    "title": work.title,
                    "year": work.year,
                }


def _cited(work: paper.Reference) -> str:
    """Return how a work is cited: `Hinton et al. 2015 [33]`."""
    family = work.authors[0].split(",")[0] if work.authors else work.title
    others = {1: "", 2: f" and {work.authors[-1].split(',')[0]}"}.get(len(work.authors), " et al.")
    number = f" [{work.number}]" if work.number else ""
    return f"{family}{others} {work.year}{number}"


@cited
def map_chart(found: pd.DataFrame) -> alt.LayerChart:
    """Draw every work of Tables 2 to 4 by category and year; one work may stand in several."""
    order = list(dict.fromkeys(found["category"]))
    colours = [charts.colour(name).light for name in ("FIQ", "PRN", "QAT")]
    questions = list(QUESTIONS.values())
    # Below each other: side by side they would not fit a phone.
    legend = alt.Legend(title=None, columns=1)
    rows = found.assign(place=found.groupby(["category", "year"]).cumcount())
    points = (
        alt.Chart(rows[["question", "category", "name", "title", "year", "place"]])
        .mark_point(size=80)
        .encode(
            x=alt.X("year:Q", title="Year", axis=alt.Axis(format="d", tickMinStep=1)).scale(
                zero=False, padding=14
            ),
            y=alt.Y("category:N", sort=order, title=None),
            yOffset=alt.YOffset("place:O"),
            color=alt.Color("question:N", sort=questions, legend=legend).scale(
                domain=questions, range=colours
            ),
            shape=alt.Shape("question:N", sort=questions, legend=legend).scale(
                domain=questions, range=["circle", "square", "triangle-up"]
            ),
            tooltip=[
                alt.Tooltip("name:N", title="Work"),
                alt.Tooltip("title:N", title="Title"),
                alt.Tooltip("category:N", title="Category"),
            ],
        )
    )
    return alt.LayerChart(layer=[points]).properties(
        height=520, description=f"The works that the paper sorts. {map_sentence(found)}"
    )


@cited
def map_sentence(found: pd.DataFrame) -> str:
    """Say how many works there are, and which stand in more than one of the three tables."""
    works = found.groupby("name")["table"].nunique()
    several = [str(name) for name in works[works > 1].index]
    return (
        f"The three tables sort {len(works)} works; {text.listing(several)} stand in more than "
        "one of them."
    )


@cited
def map_table(found: pd.DataFrame) -> Markdown:
    """Return the categories, what they mean, and the works with links to the bibliography."""
    groups = found.groupby(["question", "category", "meaning"], sort=False)
    rows = [
        (str(question), f"{category}: {meaning}", ", ".join(map(_linked, own["key"])))
        for (question, category, meaning), own in groups
    ]
    head = ("Question", "Answer", "Works")
    return literature.directive("Tables 2 to 4 of the paper as one map.", "literature", head, rows)


def _linked(key: str) -> str:
    return f"{{cite:t}}`{key}`"

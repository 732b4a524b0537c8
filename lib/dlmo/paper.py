"""What the paper says: its tables, its claims and its references, as printed.

Source: Lee, Lee and Lee, Sensors 2022, 22, 7344. The files lie in `data/paper/`; nothing is
corrected in them, misprints included.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd
from pybtex.database import Entry, InvalidNameString, parse_file
from pybtex.exceptions import PybtexError
from pybtex.richtext import Text
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from dlmo import datasets, paths, sources, spec, techniques
from dlmo.errors import UserError, unknown

TABLES = tuple(range(1, 15))
"""The numbers of the paper's tables."""

RESULTS = (5, 6, 7, 8, 9, 10, 11, 13, 14)
"""The tables of measured networks (Table 12 quotes ImageNet results of another paper)."""

Unit = Literal["seed", "file", "arithmetic", "runtime"]
Test = Literal[
    "equivalence",
    "non-inferiority",
    "superiority",
    "ratio",
    "ordering",
    "arithmetic",
    "prediction",
    "not-testable",
]
Metric = Literal[
    "accuracy",
    "accuracy_gain",
    "generalization_gap",
    "bytes",
    "zipped_bytes",
    "size_as_printed",
    "latency",
    "memory",
    "conversion_share",
    "weights",
    "operators",
    "logits",
    "format",
    "entropy",
    "pareto",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Model = TypeVar("Model", bound=_Strict)


class Judging(_Strict):
    """What holds for every claim."""

    alpha: float = Field(gt=0, lt=1, description="level of each test")
    coverage: float = Field(gt=0, le=1, description="share of cells measured before a verdict")
    most: float = Field(gt=0.5, lt=1, description="share of cells that `most` asks for")


class Margin(_Strict):
    """How far apart two values may be and still count as the same."""

    value: float = Field(gt=0)
    unit: Literal["accuracy", "logit"]


class Also(_Strict):
    """What must hold in every measured cell besides a claim's test: a ratio inside bounds."""

    metric: Metric
    bounds: tuple[float | None, float | None]


class Claim(_Strict):
    """One statement of the paper and the criterion by which it is judged.

    The head of `data/paper/claims.yaml` says what each field means.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    statement: str = Field(min_length=1)
    quote: str | None = None
    place: str = Field(min_length=1)
    subject: str = Field(min_length=1)
    datasets: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    control: tuple[str, ...] = ()
    control_recipe: dict[str, float] | None = None
    unit: Unit
    test: Test
    metric: Metric | None = None
    margin: Margin | None = None
    bounds: tuple[float | None, float | None] | None = None
    cells: Literal["all", "most", "some"] = "all"
    numbers: dict[str, float] = Field(default_factory=dict)
    also: Also | None = None
    confirms: str = Field(min_length=1)
    refutes: str = Field(min_length=1)
    family: Literal["claims", "exploration"]
    post_hoc: bool = False
    reason: str | None = None

    @field_validator("quote")
    @classmethod
    def _short(cls, quote: str | None) -> str | None:
        if quote is not None and len(quote.split()) >= 15:
            raise ValueError("a quotation has fewer than 15 words")
        return quote

    @field_validator("bounds")
    @classmethod
    def _bounded(
        cls, bounds: tuple[float | None, float | None] | None
    ) -> tuple[float | None, float | None] | None:
        if bounds == (None, None):
            raise ValueError("one of the two bounds must be a number")
        if bounds and None not in bounds and bounds[0] >= bounds[1]:  # type: ignore[operator]
            raise ValueError("the lower bound must be below the upper one")
        return bounds

    @model_validator(mode="after")
    def _complete(self) -> "Claim":
        needs = {
            "margin": self.test in ("equivalence", "non-inferiority"),
            "bounds": self.test in ("ratio", "prediction"),
            "metric": self.test != "not-testable",
            "reason": self.post_hoc,
        }
        for field, needed in needs.items():
            if needed and getattr(self, field) is None:
                what = "post_hoc: true" if field == "reason" else f"the test {self.test!r}"
                raise ValueError(f"{what} needs a {field}")
        if self.reason and not self.post_hoc:
            raise ValueError("only a post hoc claim has a reason")
        return self


class Reference(_Strict):
    """One entry of the bibliography, accents as Unicode.

    Attributes:
        number: the reference's number in the paper, where it is one of the paper's.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    year: int
    venue: str | None = None
    doi: str | None = None
    eprint: str | None = None
    url: str | None = None
    number: int | None = None


def table(number: int) -> pd.DataFrame:
    """Return one of the paper's Tables 1 to 14, every cell a string as it is printed.

    Tables 1 to 4 are in our own words, with keys of `references()`. Tables 5 to 14 have a line for
    each (network, technique, dataset), and `row` as the paper names it.

    Raises:
        UserError: the paper has no table of this number.
    """
    if number not in TABLES:
        raise UserError(f"the paper has no Table {number}; give a number from 1 to {TABLES[-1]}")
    sources.note(sources.table(number))
    return _table(number)


def _table(number: int) -> pd.DataFrame:
    file = paths.paper() / "tables" / f"{sources.table(number)}.csv"
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def results() -> pd.DataFrame:
    """Return the measurements of Tables 5 to 11, 13 and 14, one line each.

    Columns: table, dataset, network, technique, accuracy (0..1), bytes (KB are 1000 bytes),
    size_kb, latency_ms, printed (the three cells). Table 14 repeats rows of Tables 8 to 11.

    Raises:
        UserError: a table says two things about the same trial.
    """
    return _results().copy()


@lru_cache
def _results() -> pd.DataFrame:
    return pd.concat([numbers(_table(number), number) for number in RESULTS], ignore_index=True)


def numbers(printed: pd.DataFrame, table: int) -> pd.DataFrame:
    """Return a printed table as numbers; see `results` for the columns.

    Raises:
        UserError: two rows of the table are about the same trial, or a cell is no number.
    """
    trial = ["dataset", "network", "technique"]
    twice = printed[printed.duplicated(trial)]
    if len(twice):
        raise UserError(f"Table {table}: two rows for {' '.join(twice.iloc[0][trial])}; keep one")
    cells = printed[["accuracy_percent", "size_kb", "latency_ms"]]
    size = _floats(cells["size_kb"], table)
    return pd.DataFrame(
        {
            "table": table,
            **{name: printed[name] for name in trial},
            "accuracy": (_floats(cells["accuracy_percent"], table) / 100).round(6),
            "bytes": (size * 1000).round().astype("int64"),
            "size_kb": size,
            "latency_ms": _floats(cells["latency_ms"], table),
            "printed": cells.agg(" / ".join, axis=1),
        }
    )


def _floats(cells: "pd.Series[str]", table: int) -> "pd.Series[float]":
    found = pd.to_numeric(cells.str.replace(",", ""), errors="coerce").astype("float64")
    if found.isna().any():
        bad = cells[found.isna()].iloc[0]
        raise UserError(f"Table {table}: {bad!r} in column {cells.name} is not a number")
    return found


def networks() -> tuple[str, ...]:
    """Return the networks of the paper's tables, in the paper's order."""
    return tuple(dict.fromkeys(_results()["network"]))


def claims(file: Path | None = None) -> list[Claim]:
    """Return the paper's claims, in the paper's order.

    Args:
        file: the claims; `data/paper/claims.yaml` where it is not given.

    Raises:
        UserError: the file doesn't fit; names file and line.
    """
    file = file or paths.paper() / "claims.yaml"
    return list(_claims(file, file.stat().st_mtime_ns if file.is_file() else 0).values())


def claim(name: str) -> Claim:
    """Return the claim of this id.

    Raises:
        UserError: there is none.
    """
    found = {claim.id: claim for claim in claims()}
    if name not in found:
        raise unknown("claim", name, found)
    return found[name]


@lru_cache
def _claims(file: Path, changed: int) -> dict[str, Claim]:
    found: dict[str, Claim] = {}
    for line, claim in _read_claims(file):
        if claim.id in found:
            raise UserError(f"{file.name}:{line}: the claim {claim.id!r} stands here a second time")
        found[claim.id] = claim
    return found


def judging(file: Path | None = None) -> Judging:
    """Return what holds for every claim (level, coverage, the meaning of `most`).

    Raises:
        UserError: the file doesn't fit; names file and line.
    """
    file = file or paths.paper() / "claims.yaml"
    return _judging(file, file.stat().st_mtime_ns if file.is_file() else 0)


@lru_cache
def _judging(file: Path, changed: int) -> Judging:
    return _validated(Judging, _section(file, "judging", CommentedMap), file)


def references(file: Path | None = None) -> dict[str, Reference]:
    """Return the bibliography by key: the paper, its 73 references, then what the report cites.

    Raises:
        UserError: the file is not BibTeX, or a key stands twice.
    """
    file = file or paths.paper() / "references.bib"
    try:
        entries = parse_file(file, bib_format="bibtex").entries
        return {key: _reference(key, entry) for key, entry in entries.items()}
    except (PybtexError, InvalidNameString, KeyError, ValueError) as error:
        raise UserError(f"{file.name}: {error}; mend the entry".replace("\n", " ")) from None


def _reference(key: str, entry: Entry) -> Reference:
    fields = entry.fields
    number = re.search(r"paper reference \[(\d+)\]", fields.get("note", ""))
    venues = (fields.get(name) for name in ("journal", "booktitle", "institution"))
    return Reference(
        key=key,
        authors=tuple(_unicode(str(person)) for person in entry.persons["author"]),
        title=_unicode(fields["title"]),
        year=int(fields["year"]),
        venue=next(filter(None, venues), None),
        doi=fields.get("doi"),
        eprint=fields.get("eprint"),
        url=fields.get("url"),
        number=int(number[1]) if number else None,
    )


def _unicode(latex: str) -> str:
    return str(Text.from_latex(latex))


def _read_claims(file: Path) -> Iterator[tuple[int, Claim]]:
    items = _section(file, "claims", list)
    for position, item in enumerate(items):
        line = items.lc.item(position)[0] + 1
        if not isinstance(item, CommentedMap):
            raise UserError(f"{file.name}:{line}: a claim is a mapping of fields to values")
        claim = _validated(Claim, item, file)
        _check_names(claim, item, file)
        yield line, claim


def _section(file: Path, name: str, kind: type) -> Any:
    """Return one of the two sections of the claims' file, refusing any other."""
    try:
        data = _loaded(file.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{file.name}:{line}: {error.problem}; mend the YAML") from None
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"{file.name} cannot be read: {error}") from None
    if not isinstance(data, CommentedMap) or not isinstance(data.get(name), kind):
        raise UserError(f"{file.name}:1: has no section {name!r} of the right form")
    for key in data:
        if key not in ("judging", "claims"):
            line = _line(data, key)
            raise UserError(f"{file.name}:{line}: {unknown('section', key, ('judging', 'claims'))}")
    return data[name]


@lru_cache(maxsize=1)
def _loaded(written: str) -> Any:
    return YAML().load(written)


def _validated(model: type[Model], data: CommentedMap, file: Path) -> Model:
    try:
        return model.model_validate(_plain(data))
    except ValidationError as error:
        raise _complaint(error, data, file) from None


def _complaint(error: ValidationError, data: CommentedMap, file: Path) -> UserError:
    """Return the first complaint about a mapping, with the line of the field that it is about."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    who = f"{data['id']}: " if "id" in data else ""
    what = f"{field}: {first['msg']}" if field else str(first["msg"])
    return UserError(f"{file.name}:{_line(data, field)}: {who}{what}")


def _check_names(claim: Claim, data: CommentedMap, file: Path) -> None:
    """Refuse words that are not in the vocabulary."""
    for field in ("datasets", "networks", "techniques", "against", "control"):
        for name in getattr(claim, field):
            try:
                _check_name(field, name)
            except UserError as error:
                line = _line(data, field)
                raise UserError(f"{file.name}:{line}: {claim.id}: {field}: {error}") from None


def _check_name(field: str, name: str) -> None:
    if field == "datasets":
        if spec.split(name)[0] not in datasets.names():
            raise unknown("dataset", name, datasets.names())
    elif field == "networks":
        if name not in networks():
            raise unknown("network", name, networks())
    elif field != "against" or name not in networks():
        techniques.technique(name)


def _line(data: CommentedMap, key: str) -> int:
    """Return the line of a key, or that of the whole mapping where it lacks the key."""
    return int(data.lc.key(key)[0] if key in data else data.lc.line) + 1


def _plain(value: Any) -> Any:
    """Return ruamel's containers as plain ones; lists become tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_plain(item) for item in value)
    return value

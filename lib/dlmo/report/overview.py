"""Many networks and datasets at once: the paper's tables beside ours, and what is measured so far.

An overview is a row of comparisons, one for each network and dataset; `comparison` says what one
is. Tables, charts and sentences about all of them are made from it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import pandas as pd

from dlmo import paper
from dlmo.report.cited import cited
from dlmo.report.comparison import PARENT, ROWS, Comparison, Row, compare

DATASETS = ("cifar10", "cifar100")
"""The datasets of the paper's tables, in their order."""

PAIRS = (("NQ", "KD"), ("F16", "KD+F16"), ("PRN", "KD+PRN"))
"""What the paper's Table 14 compares: a technique, and the same after distillation."""

DISTILLED = tuple(name for pair in PAIRS for name in pair)
"""The rows of the paper's Table 14."""

EVERY = (*ROWS, *(name for name in DISTILLED if name not in ROWS))
"""All rows of the paper's tables, and the control."""


@dataclass(frozen=True)
class Overview:
    """Comparisons of several networks and datasets under one profile, in the paper's order."""

    comparisons: tuple[Comparison, ...]

    def __iter__(self) -> Iterator[Comparison]:
        return iter(self.comparisons)

    @cached_property
    def measured(self) -> tuple[Comparison, ...]:
        """Those of which something is measured."""
        return tuple(one for one in self.comparisons if not one.empty)

    def of(self, *networks: str, dataset: str | None = None) -> "Overview":
        """Return the part that is about some networks, or one dataset, in the order given."""
        wanted = networks or tuple(dict.fromkeys(one.network for one in self))
        return Overview(
            tuple(
                one
                for network in wanted
                for one in self
                if one.network == network and dataset in (None, one.dataset)
            )
        )


def overview(
    rows: pd.DataFrame,
    networks: Sequence[str] | None = None,
    techniques: Sequence[str] = ROWS,
    *,
    profile: str = "reference",
    datasets: Sequence[str] = DATASETS,
) -> Overview:
    """Compare networks on datasets, whether or not they are measured.

    Args:
        rows: of `records.select`.
        networks: which; where nothing is given, the paper's, and what else is measured.
        techniques: of each, in the order in which they are shown.
        profile: the set of recipes.
        datasets: on which.
    """
    pairs = list(product(networks or paper.networks(), datasets))
    if networks is None:
        pairs += _beyond(rows[(rows["profile"] == profile) & rows["dataset"].isin(datasets)])
    return Overview(
        tuple(compare(rows, dataset, name, profile, techniques) for name, dataset in pairs)
    )


UNTRAINED = "untrained"
"""The profile of networks whose files are measured without training."""


def untrained(rows: pd.DataFrame, trained: Overview) -> Overview:
    """Return what is known of the files of networks and datasets of which nothing is trained.

    Args:
        rows: of `records.select`, of the profile `UNTRAINED`.
        trained: the same networks and datasets under another profile.
    """
    networks = list(dict.fromkeys(one.network for one in trained))
    empty = {(one.network, one.dataset) for one in trained if one.empty}
    found = overview(rows, networks, profile=UNTRAINED)
    return Overview(
        tuple(one for one in found if (one.network, one.dataset) in empty and one.files)
    )


def _beyond(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Return networks that the paper lacks, each with a dataset on which it is measured."""
    more = rows[rows["accuracy"].notna() & ~rows["network"].isin(paper.networks())]
    return sorted(set(zip(more["network"], more["dataset"], strict=True)))


@cited
def network(table: int) -> str:
    """Return the network of one of the paper's Tables 5 to 13."""
    results = paper.results()
    return str(results["network"][results["table"] == table].iloc[0])


def order(table: int, comparisons: Sequence[Comparison]) -> list[str]:
    """Return the techniques of a table: the paper's in its order, then what only we measured."""
    results = paper.results()
    printed = list(dict.fromkeys(results["technique"][results["table"] == table]))
    more = [name for name in ROWS if any(one[name].measured for one in comparisons)]
    return list(dict.fromkeys([*printed, *more]))


def table_14() -> pd.DataFrame:
    """Return the rows of the paper's Table 14."""
    results = paper.results()
    return results[results["table"] == 14]


def in_table_14(network: str, technique: str) -> bool:
    """Say whether Table 14 has such a row."""
    rows = table_14()
    return bool(((rows["network"] == network) & (rows["technique"] == technique)).any())


def largest_first(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return those whose NQ is measured, the network with the most parameters first."""
    known = [one for one in comparisons if one[PARENT].measured]
    return sorted(known, key=lambda one: -one[PARENT].parameters)


def seeds(row: Row) -> int:
    """Return how many seeds of a row are measured."""
    return len(row.accuracies)

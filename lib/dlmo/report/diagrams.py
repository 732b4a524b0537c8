"""Data-flow diagrams of what a file really contains, drawn from its operators.

The form of the paper's Figures 3 to 5: data run down, constants stand beside the operators that use
them, and every line is labelled with the type of its numbers. Colours are CSS variables with plain
colours as fallback, so that light, dark and print need no second drawing; no meaning rests on them
alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from urllib.parse import quote

import pandas as pd

from dlmo.deployable import KERNELS, Deployable, Operator, Tensor
from dlmo.report import charts, text

WIDTH = 340
"""Of a diagram, in pixels: a phone's column."""

MOST = 12
"""Operators that are drawn; of a longer file the middle is left out."""

_TYPES = {
    "float32": ("FP32", "NQ"),
    "float16": ("FP16", "F16"),
    "int8": ("INT8", "FIQ"),
    "uint8": ("UINT8", "FIQ"),
    "int32": ("INT32", "QAT"),
}
"""How a type is written, and the technique whose colour it has."""

_NAMES = {
    "CONV_2D": "convolution",
    "DEPTHWISE_CONV_2D": "depthwise convolution",
    "FULLY_CONNECTED": "fully connected",
    "MAX_POOL_2D": "max pooling",
    "AVERAGE_POOL_2D": "average pooling",
}
_HEIGHT, _GAP, _LEFT, _RIGHT = 46, 34, 174, 150


@dataclass(frozen=True)
class Constant:
    """Numbers of the file that enter an operator; `through` is what they pass on the way."""

    what: str
    dtype: str
    shape: tuple[int, ...]
    through: str = ""


@dataclass(frozen=True)
class Node:
    """One box of the data's way: its two lines, what enters beside it, and what leaves it."""

    title: str
    note: str
    leaves: str
    constants: tuple[Constant, ...] = ()


@dataclass(frozen=True)
class Flow:
    """What is drawn of a file.

    Attributes:
        enters: the type and shape of the input.
        nodes: in the order in which they run.
        omitted: how many operators stand between `nodes[: MOST // 2]` and the others.
    """

    enters: str
    nodes: tuple[Node, ...]
    omitted: int = 0


@dataclass(frozen=True)
class Diagrams:
    """Some diagrams side by side, each with its heading; a phone shows them below each other."""

    flows: dict[str, Flow] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        if not self.flows:
            return f"<p><em>{text.begin(text.MISSING)}.</em></p>"
        drawn = "".join(
            f"<div><p><strong>{escape(title)}</strong></p>{svg(flow, title)}"
            f"{_downloads(flow, title)}</div>"
            for title, flow in self.flows.items()
        )
        return f'<div class="dlmo-flows">{drawn}</div>'

    def __repr__(self) -> str:
        return "; ".join(f"{title}: {spoken(flow)}" for title, flow in self.flows.items())


def _downloads(flow: Flow, title: str) -> str:
    """Return links to a diagram's rows and its image, which travel within the page."""
    name = title.split()[0].lower()
    image = svg(flow, title).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    files = {
        "Data (CSV)": (f"{name}.csv", "text/csv", table(flow).to_csv(index=False)),
        "Image (SVG)": (f"{name}.svg", "image/svg+xml", image),
    }
    links = [
        f'<a href="data:{kind};charset=utf-8,{quote(held)}" download="{escape(file)}">{label}</a>'
        for label, (file, kind, held) in files.items()
    ]
    return f'<p class="dlmo-chart-downloads">{" ".join(links)}</p>'


def table(flow: Flow) -> pd.DataFrame:
    """Return a diagram as rows: one an operator, with the constants that enter it."""
    rows = [
        {
            "operator": node.title,
            "note": node.note,
            "constants": "; ".join(
                " ".join([one.what, one.dtype, "×".join(map(str, one.shape)), one.through]).strip()
                for one in node.constants
            ),
            "output": node.leaves,
        }
        for node in flow.nodes
    ]
    return pd.DataFrame(rows)


def read(found: Deployable) -> Flow:
    """Return the data's way through a file's first graph.

    Operators that only unpack constants (DEQUANTIZE of F16's weights) stand with the constants.
    """
    unpacked = {
        index: node for node in found.nodes if _unpacks(found, node) for index in node.outputs
    }
    run = [node for node in found.nodes if node.subgraph == 0 and not _unpacks(found, node)]
    nodes = tuple(_node(found, node, unpacked) for node in run)
    omitted = max(0, len(nodes) - MOST)
    if omitted:
        nodes = nodes[: MOST // 2] + nodes[-(MOST - MOST // 2) :]
    return Flow(_kind(found.inputs[0]), nodes, omitted)


def _unpacks(found: Deployable, node: Operator) -> bool:
    return node.name in ("DEQUANTIZE", "DENSIFY") and all(
        found.tensor(index, node.subgraph).content is not None for index in node.inputs
    )


def _node(found: Deployable, node: Operator, unpacked: dict[int, Operator]) -> Node:
    beside = tuple(_constants(found, node, unpacked))
    source = next((i for i in node.inputs if not _constant(found, i, unpacked)), None)
    enters = found.tensor(source) if source is not None else None
    leaves = found.tensor(node.outputs[0])
    title = _NAMES.get(node.name, node.name.lower().replace("_", " "))
    if node.options.activation:
        title += f" + {node.options.activation.replace('RELU', 'ReLU')}"
    note = ""
    if beside and node.name in KERNELS and enters is not None:
        hybrid = enters.dtype == "float32" and beside[0].dtype == "int8"
        note = "hybrid: rounds its input" if hybrid else _arithmetic(enters, beside[0])
    return Node(text.begin(title), note, _kind(leaves), beside)


def _arithmetic(enters: Tensor, weights: Constant) -> str:
    whole = enters.dtype == "int8" and weights.dtype == "int8"
    return "integer arithmetic" if whole else "float arithmetic"


def _constant(found: Deployable, index: int, unpacked: dict[int, Operator]) -> bool:
    return index < 0 or index in unpacked or found.tensor(index).content is not None


def _constants(
    found: Deployable, node: Operator, unpacked: dict[int, Operator]
) -> Iterator[Constant]:
    if node.name not in KERNELS:
        return
    for place, what in ((KERNELS[node.name], "weights"), (KERNELS[node.name] + 1, "biases")):
        index = node.inputs[place] if place < len(node.inputs) else -1
        if index < 0 or not _constant(found, index, unpacked):
            continue
        via = unpacked.get(index)
        tensor = found.tensor(via.inputs[0] if via else index)
        yield Constant(what, tensor.dtype, tensor.shape, via.name.lower() if via else "")


def _kind(tensor: Tensor) -> str:
    sizes = tensor.shape[1:] if len(tensor.shape) > 1 else tensor.shape
    return f"{_written(tensor.dtype)} {'×'.join(map(str, sizes))}"


def _written(dtype: str) -> str:
    return _TYPES.get(dtype, (dtype.upper(), ""))[0]


def _colour(written: str) -> str:
    """Return the CSS colour of a label that begins with a type."""
    first = written.split(" ")[0]
    name = next((technique for said, technique in _TYPES.values() if said == first), "NQ")
    return f"var(--dlmo-{name.lower()}, {charts.TECHNIQUES[name].light})"


# What is said -------------------------------------------------------------------------------------


def spoken(flow: Flow) -> str:
    """Return a diagram as a sentence, for those who do not see it."""
    said = [f"The input is {flow.enters}"]
    for place, node in enumerate(flow.nodes):
        if flow.omitted and place == MOST // 2:
            said.append(f"{flow.omitted} further operators")
        beside = text.listing(_beside(constant) for constant in node.constants)
        note = f", {node.note}" if node.note else ""
        given = f" with {beside}" if beside else ""
        said.append(f"{node.title}{given}{note}, gives {node.leaves}")
    return "; ".join(said) + "."


def _beside(constant: Constant) -> str:
    through = f", {constant.through}d" if constant.through else ""
    return f"{constant.what} in {_written(constant.dtype)}{through}"


# What is drawn ------------------------------------------------------------------------------------


def svg(flow: Flow, title: str) -> str:
    """Return the diagram as SVG."""
    parts: list[str] = []
    y = 22
    parts.append(_text(_LEFT / 2, 14, f"input: {flow.enters}", _colour(flow.enters), "middle"))
    for place, node in enumerate(flow.nodes):
        if flow.omitted and place == MOST // 2:
            said = f"… {text.count(flow.omitted, 'operator')} …"
            parts += [_arrow(y, y + 14), _text(_LEFT / 2, y + 32, said, "currentColor", "middle")]
            y += 40
        parts += [_arrow(y, y + 18), *_box(node, y + 18)]
        y += 18 + _HEIGHT
        parts.append(_text(_LEFT / 2 + 10, y + 20, node.leaves, _colour(node.leaves), "start"))
        y += _GAP - 18
    parts.append(_arrow(y, y + 16))
    name = sha256(f"{title}{spoken(flow)}".encode()).hexdigest()[:8]
    return (
        f'<svg class="dlmo-flow" viewBox="0 0 {WIDTH} {y + 20}" width="{WIDTH}" '
        f'height="{y + 20}" role="img" aria-labelledby="t{name} d{name}">'
        f'<title id="t{name}">{escape(title)}</title><desc id="d{name}">{escape(spoken(flow))}'
        f"</desc>{''.join(parts)}</svg>"
    )


def _box(node: Node, y: int) -> Iterator[str]:
    yield _rectangle(2, y, _LEFT - 4, _colour(node.leaves))
    lines = [node.title, *([node.note] if node.note else [])]
    yield from _lines(_LEFT / 2, y, lines)
    if not node.constants:
        return
    left = WIDTH - _RIGHT
    yield _rectangle(left, y, _RIGHT - 2, _colour(_written(node.constants[0].dtype)))
    yield from _lines(left + _RIGHT / 2 - 1, y, [_label(one) for one in node.constants[:2]])
    yield _line(left, y + _HEIGHT / 2, _LEFT + 2, y + _HEIGHT / 2)


def _label(constant: Constant) -> str:
    through = "→FP32" if constant.through == "dequantize" else ""
    return f"{constant.what} {_written(constant.dtype)}{through}"


def _lines(x: float, y: int, lines: Sequence[str]) -> Iterator[str]:
    first = y + _HEIGHT / 2 + 4 - 8 * (len(lines) - 1)
    for place, line in enumerate(lines):
        weight = "600" if place == 0 else "400"
        yield _text(x, first + 16 * place, line, "currentColor", "middle", weight)


def _text(
    x: float, y: float, said: str, colour: str, anchor: str = "middle", weight: str = "400"
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="12" font-weight="{weight}" '
        f'style="fill:{colour}">{escape(said)}</text>'
    )


def _rectangle(x: float, y: float, width: float, colour: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{_HEIGHT}" rx="6" '
        f'style="fill:none;stroke:{colour};stroke-width:1.6"/>'
    )


def _arrow(start: float, end: float) -> str:
    return _line(_LEFT / 2, start, _LEFT / 2, end)


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    """Return a line with its head, drawn as one path: no marker, and so no name to clash."""
    if x == to_x:
        head = f"M{to_x - 4:g} {to_y - 6:g}L{to_x:g} {to_y:g}L{to_x + 4:g} {to_y - 6:g}"
    else:
        head = f"M{to_x + 6:g} {to_y - 4:g}L{to_x:g} {to_y:g}L{to_x + 6:g} {to_y + 4:g}"
    path = f"M{x:g} {y:g}L{to_x:g} {to_y:g}{head}"
    return f'<path d="{path}" style="fill:none;stroke:currentColor;stroke-width:1.2"/>'

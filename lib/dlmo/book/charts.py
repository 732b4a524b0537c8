"""Charts on a page: the specification is drawn in the browser, everything beside it is a file.

`ChartPlugin` is registered with myst-nb as the reader of Vega-Lite outputs; builders other than
`html` take the SVG image of the same output.
"""

import csv
import html
import io
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.osutil import relative_uri
from sphinx.writers.html5 import HTML5Translator

from dlmo.book import provenance
from dlmo.report import charts, cited

DOWNLOADS = "_downloads/charts"

SCRIPTS = ("vega.js", "dlmo-charts.js")
"""What a page with a chart loads, and no other page."""


class Chart(nodes.General, nodes.Element):
    """A chart; `specification` is its Vega-Lite, `image` the file name of its SVG in `_images`."""


class ChartPlugin:
    """Reads a Vega-Lite output of a cell into a `Chart`."""

    mime_priority_overrides = (("html", charts.MIME, 1),)

    @staticmethod
    def handle_mime(
        renderer: NbElementRenderer, data: MimeData, inline: bool
    ) -> list[nodes.Element] | None:
        """Return the nodes for one output, or None for an output of another kind."""
        if inline or data.mime_type != charts.MIME:
            return None
        return [Chart(specification=dict(data.content), classes=["output"])]


class KeepImage(SphinxPostTransform):
    """Remember the SVG image beside each chart, before only one of the two forms is kept."""

    default_priority = 3
    formats = ("html",)

    def run(self, **_: object) -> None:
        """Copy the image's address to the chart, and have the builder write the image."""
        for bundle in self.document.findall(_is_bundle):
            drawn = next(iter(bundle.findall(Chart)), None)
            image = next(iter(bundle.findall(nodes.image)), None)
            if drawn is None or image is None or image["uri"] not in self.env.images:
                continue
            drawn["image"] = self.env.images[image["uri"]][1]
            self.app.builder.images[image["uri"]] = drawn["image"]


def _is_bundle(node: nodes.Node) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle"


def on_page(doctree: nodes.document | None) -> bool:
    """Return whether a page shows a chart."""
    return doctree is not None and next(iter(doctree.findall(Chart)), None) is not None


def visit(translator: HTML5Translator, node: Chart) -> None:
    """Write a chart into the page, and its rows beside the page."""
    specification = node["specification"]
    name = _unique(translator, charts.identity(specification))
    description = html.escape(str(specification.get("description", "")), quote=True)
    image = _address(translator, f"_images/{node['image']}") if node.get("image") else None
    links = _tables(translator, specification, name)
    if image:
        links.append(_link(image, "Image (SVG)"))
    links += [provenance.link(keys)] if (keys := cited.in_chart(specification)) else []
    height = specification.get("height")
    reserve = f' style="min-height:{height}px"' if isinstance(height, int) else ""
    drawn = {key: value for key, value in specification.items() if key != "usermeta"}
    text = json.dumps(page_colours(drawn), ensure_ascii=False).replace("</", "<\\/")
    fallback = f'<noscript><img src="{image}" alt="{description}"></noscript>' if image else ""
    translator.body.append(
        f'<div class="dlmo-chart" id="chart-{name}">\n'
        f'<div class="dlmo-chart-view"{reserve}></div>\n{fallback}'
        f'<script type="application/json">{text}</script>\n'
        f'<p class="dlmo-chart-downloads">{" ".join(links)}</p>\n</div>\n'
    )
    raise nodes.SkipNode


def page_colours(value: Any) -> Any:
    """Return a specification whose fixed colours are CSS variables, those colours as fallback."""
    if isinstance(value, dict):
        return {
            key: item if key == "datasets" else page_colours(item) for key, item in value.items()
        }
    if isinstance(value, list):
        return [page_colours(item) for item in value]
    variable = charts.variables().get(value.lower()) if isinstance(value, str) else None
    return f"var({variable}, {value})" if variable else value


def stylesheet() -> str:
    """Return the CSS that gives each technique's variable its value in light and dark."""
    light = "".join(f"--dlmo-{n.lower()}:{c.light};" for n, c in charts.TECHNIQUES.items())
    dark = "".join(f"--dlmo-{n.lower()}:{c.dark};" for n, c in charts.TECHNIQUES.items())
    return f'html{{{light}}}\nhtml[data-theme="dark"]{{{dark}}}\n'


def _unique(translator: HTML5Translator, name: str) -> str:
    # A translator writes one page; the same chart may stand on it twice.
    used: list[str] = getattr(translator, "dlmo_charts", [])
    setattr(translator, "dlmo_charts", [*used, name])  # noqa: B010
    return f"{name}-{used.count(name) + 1}" if name in used else name


def _tables(translator: HTML5Translator, specification: dict[str, Any], name: str) -> list[str]:
    tables = list(charts.datasets(specification))
    links = []
    for number, rows in enumerate(tables, 1):
        file = f"{name}-{number}.csv" if len(tables) > 1 else f"{name}.csv"
        target = Path(translator.builder.outdir) / DOWNLOADS / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_csv(rows), encoding="utf-8", newline="")
        label = f"Data {number} (CSV)" if len(tables) > 1 else "Data (CSV)"
        links.append(_link(_address(translator, f"{DOWNLOADS}/{file}"), label))
    return links


def _csv(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _address(translator: HTML5Translator, path: str) -> str:
    builder = translator.builder
    return relative_uri(builder.get_target_uri(builder.current_docname), path)


def _link(address: str, label: str) -> str:
    return f'<a href="{html.escape(address)}" download>{label}</a>'


def setup(app: Sphinx) -> None:
    """Register the node and its transform."""
    app.add_node(Chart, html=(visit, None))
    app.add_post_transform(KeepImage)

"""Charts: the colours of the techniques, one look for all, and the form in which a chart is kept.

A chart is kept in a notebook twice: as its Vega-Lite specification, which a page draws, and as an
SVG image for print and for viewers without JavaScript. Both hold plain colours; a page replaces
those of `variables()` by CSS variables, so that light and dark need no second drawing.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

import altair as alt
import vl_convert

from dlmo.errors import UserError, unknown

MIME = "application/vnd.vegalite.v6+json"
"""The MIME type of a specification (nbformat refuses Altair's own `….v6.json`)."""

VEGALITE = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
"""The version of Vega-Lite that Altair writes, as `vl_convert` spells it."""

PRINT_WIDTH = 640
"""Width in pixels of the SVG image of a chart that fills its column on a page."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


@dataclass(frozen=True)
class Colour:
    """One colour, as sRGB `#rrggbb`, on a light page (and in print) and on a dark one."""

    light: str
    dark: str


TECHNIQUES: dict[str, Colour] = {
    "NQ": Colour("#383d42", "#e4ecf4"),
    "BLQ": Colour("#a95305", "#f0a447"),
    "FIQ": Colour("#2d4c7c", "#2370bf"),
    "F16": Colour("#6094d4", "#80bae7"),
    "QAT": Colour("#177a5b", "#5af0a4"),
    "PRN": Colour("#841e00", "#b5532d"),
    "PRQ": Colour("#94974c", "#f9dc02"),
    "KD": Colour("#cf6e9e", "#ab6f8e"),
}
"""The colour of each technique: the hues of Okabe and Ito, moved in lightness until every pair
differs by at least 20 (CIELAB) for normal sight and three kinds of colour blindness, and every
colour from its background by a contrast of at least 3."""

INK = Colour("#1f2933", "#ced6dd")
MUTED = Colour("#52606d", "#9ca4af")
RULE = Colour("#d5dae0", "#48566b")

_PAGE = {INK: "--pst-color-text-base", MUTED: "--pst-color-text-muted", RULE: "--pst-color-border"}


def colour(technique: str) -> Colour:
    """Return the colour of a technique; a combination (`KD+F16`) has that of its last part.

    Raises:
        UserError: the technique is none of the paper's and no combination of them.
    """
    last = technique.rpartition("+")[2]
    name = "NQ" if last == "FT" else last
    if name not in TECHNIQUES:
        raise unknown("technique", technique, TECHNIQUES)
    return TECHNIQUES[name]


def scale(techniques: list[str]) -> alt.Scale:
    """Return the colour scale of these techniques, in this order."""
    return alt.Scale(domain=techniques, range=[colour(name).light for name in techniques])


def variables() -> dict[str, str]:
    """Return the CSS variable that stands on a page for each fixed colour, `#rrggbb`."""
    named = {value.light: f"--dlmo-{name.lower()}" for name, value in TECHNIQUES.items()}
    return named | {value.light: variable for value, variable in _PAGE.items()}


def theme() -> alt.theme.ThemeConfig:
    """Return the look of every chart: thin rules, no frame, one font, tooltips on."""
    quiet: dict[str, Any] = {
        "labelColor": MUTED.light,
        "titleColor": INK.light,
        "titleFontWeight": 500,
    }
    axis = quiet | {"domainColor": RULE.light, "tickColor": RULE.light, "gridColor": RULE.light}
    sizes = {"labelFontSize": 12, "titleFontSize": 12.5}
    look = {
        "config": {
            "font": FONT,
            "background": "transparent",
            "view": {"stroke": None, "continuousHeight": 320, "discreteHeight": {"step": 26}},
            "axis": axis
            | sizes
            | {"labelLimit": 220, "titlePadding": 10, "tickSize": 4}
            | {"labelSeparation": 8},
            "axisQuantitative": {"tickCount": 6},
            # A label at the end of an axis would else be cut off by the edge of a phone.
            "axisXQuantitative": {"labelFlush": 16},
            "axisY": {"domain": False, "ticks": False, "labelPadding": 6},
            "legend": quiet | sizes | {"orient": "top", "titleAnchor": "start", "symbolSize": 90},
            "header": quiet | {"labelFontSize": 12.5, "labelFontWeight": 500},
            "title": {"anchor": "start", "color": INK.light, "fontSize": 14, "fontWeight": 600},
            "text": {"color": INK.light, "fontSize": 12},
            "rule": {"color": MUTED.light},
            "mark": {"tooltip": {"content": "encoding"}},
            "bar": {"cornerRadiusEnd": 2},
            "point": {"filled": True, "size": 110, "opacity": 1},
            "line": {"strokeWidth": 2},
            "range": {"category": [value.light for value in TECHNIQUES.values()]},
        }
    }
    # Altair's types know heights as numbers only, Vega-Lite also as steps.
    return cast(alt.theme.ThemeConfig, look)


def enable() -> None:
    """Give every chart of this process the report's look and its form; a chapter calls it once."""
    alt.theme.register("dlmo", enable=True)(theme)
    alt.renderers.register("dlmo", bundle)
    alt.renderers.enable("dlmo")


def bundle(specification: dict[str, Any], **_: object) -> dict[str, Any]:
    """Return a chart's MIME bundle: specification, SVG image and its description as text.

    Args:
        specification: Vega-Lite, as `Chart.to_dict()` gives it.

    Raises:
        UserError: the chart has no `description`; a screen reader would have nothing to say.
    """
    description = specification.get("description")
    if not description:
        raise UserError("a chart has no description: give it one by .properties(description=...)")
    image = svg(specification)
    return {MIME: _fluid(specification), "image/svg+xml": image, "text/plain": description}


def svg(specification: dict[str, Any]) -> str:
    """Return the chart as an SVG image that needs nothing from elsewhere."""
    fixed = specification if "width" in specification else specification | _width(specification)
    return vl_convert.vegalite_to_svg(fixed, vl_version=VEGALITE, allowed_base_urls=[])


def identity(specification: dict[str, Any]) -> str:
    """Return the name of a chart on its page, a hash of all that it shows."""
    return sha256(json.dumps(specification, sort_keys=True).encode()).hexdigest()[:12]


def datasets(specification: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each table that the chart draws."""
    yield from (rows for rows in specification.get("datasets", {}).values() if rows)


def _width(specification: dict[str, Any]) -> dict[str, Any]:
    return {"width": PRINT_WIDTH} if _single(specification) else {}


_FIT = {"type": "fit-x", "contains": "padding"}


def _fluid(specification: dict[str, Any]) -> dict[str, Any]:
    if "width" in specification or not _single(specification):
        return specification
    return specification | {"width": "container", "autosize": _FIT}


def _single(specification: dict[str, Any]) -> bool:
    # Vega-Lite knows the width of its container only for one view, or layers of it.
    return ("mark" in specification or "layer" in specification) and not any(
        channel in specification.get("encoding", {}) for channel in ("row", "column", "facet")
    )

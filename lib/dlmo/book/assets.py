"""What the pages load: our styles and scripts, Vega and MathJax, all from the book's own folder."""

import importlib.util
import shutil
from importlib.metadata import version
from pathlib import Path

import vl_convert

from dlmo.book import charts
from dlmo.report.charts import VEGALITE

HERE = Path(__file__).parent
FOLDER = ".assets"

STYLES = ("dlmo.css", "dlmo-colours.css")
SCRIPTS = ("dlmo.js", "dlmo-tables.js")
"""What every page loads."""

BITS_SCRIPT, BITS_MARK = "dlmo-bits.js", 'class="dlmo-bits"'
"""The script of numbers whose bits can be changed, and what a page has that needs it."""


def prepare(build: Path) -> list[str]:
    """Write the assets that come from installed packages; return the folders that hold assets.

    They lie outside any `_static` folder, because Jupyter Book loads every script below such a
    folder on every page.

    Args:
        build: the build folder.
    """
    made = build / FOLDER
    _write(made / "dlmo-colours.css", charts.stylesheet())
    _vega(made, build)
    mathjax = made / "mathjax/tex-svg.js"
    if not mathjax.exists():
        mathjax.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_mathjax(), mathjax)
    return [str(HERE / "assets"), str(made)]


def _vega(made: Path, build: Path) -> None:
    # Bundling takes seconds: the file of this version is kept, and its version beside it.
    kept = build / f".vega-{version('vl-convert-python')}-{VEGALITE}.js"
    if not kept.exists():
        bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGALITE)
        # The bundle declares constants with names of one letter; they must not be everyone's.
        _write(kept, f"(function () {{\n{bundle}\n}})();\n")
    _write(made / "vega.js", kept.read_text(encoding="utf-8"))


def _write(path: Path, text: str) -> None:
    if not (path.exists() and path.read_text(encoding="utf-8") == text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _mathjax() -> Path:
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("sphinx-mathjax-offline is not installed: run `make book`")
    return Path(package.submodule_search_locations[0], "static/mathjax/tex-svg.js")

"""The book's machinery: chapters executed, pages built, pages opened in a browser."""

import http.server
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import altair as alt
import nbformat
import pandas as pd
import pytest
from filelock import FileLock

from dlmo import paths
from dlmo.book import assets, cache, charts, page
from dlmo.book.__main__ import chapters
from dlmo.book.execute import ChapterError, execute, parameters
from dlmo.errors import UserError
from dlmo.report import charts as look
from dlmo.report import tables

BOOK = chapters(paths.ROOT)


def notebook(path: Path, *cells: str, declared: str = 'size = 3  # how many\nname = "a"  # who'):
    made = [nbformat.v4.new_code_cell(declared, metadata={"tags": ["parameters"]})]
    made += [nbformat.v4.new_markdown_cell("# A chapter")]
    made += [nbformat.v4.new_code_cell(cell) for cell in cells]
    for number, cell in enumerate(made):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel}), path)
    return path


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("executed")
    chapter = notebook(folder / "a.ipynb", "print('size is', size, name)")
    return execute(chapter, folder / "out/b.ipynb", {"size": 7})


# Chapters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", BOOK, ids=lambda path: path.stem)
def test_every_chapter_declares_documented_parameters_first_and_keeps_no_output(chapter):
    cells = nbformat.read(chapter, as_version=4).cells
    assert cells[0].metadata.tags == ["parameters"]
    assert all(parameter.help for parameter in parameters(chapter).values())
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


# Execution ------------------------------------------------------------------------------------


def test_parameters_are_read_with_type_default_and_help(tmp_path):
    found = parameters(notebook(tmp_path / "a.ipynb"))
    assert [(p.name, p.default, p.help) for p in found.values()] == [
        ("size", 3, "how many"),
        ("name", "a", "who"),
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sise": 3}, "did you mean 'size'"),
        ({"size": "three"}, "size of a is 'three'; it must be of type int"),
        ({"size": True}, "must be of type int"),
        ({"size": 1.5}, "must be of type int"),
    ],
)
def test_wrong_parameters_are_one_clear_line(tmp_path, given, said):
    chapter = notebook(tmp_path / "a.ipynb")
    with pytest.raises(UserError, match=said) as error:
        execute(chapter, tmp_path / "b.ipynb", given)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "b.ipynb").exists()


def test_a_default_that_is_no_literal_and_a_chapter_that_is_not_there(tmp_path):
    chapter = notebook(tmp_path / "a.ipynb", declared="size = 2 + len('x')")
    with pytest.raises(UserError, match="plain literal"):
        parameters(chapter)
    with pytest.raises(UserError, match="there is no chapter"):
        execute(tmp_path / "none.ipynb", tmp_path / "b.ipynb", {})


def test_given_parameters_reach_the_cells(executed):
    cells = nbformat.read(executed, as_version=4).cells
    assert cells[-1].outputs[0].text == "size is 7 a\n"
    assert [path.name for path in executed.parent.iterdir()] == ["b.ipynb"]


def test_a_failing_cell_is_named_as_the_chapter_counts_it(tmp_path):
    chapter = notebook(tmp_path / "a.ipynb", "1 + 1", "# why\nraise ValueError('no\\nsecond line')")
    with pytest.raises(ChapterError) as error:
        execute(chapter, tmp_path / "b.ipynb", {"size": 4})
    said = str(error.value)
    assert said.startswith("chapter a, cell 4 (# why): ValueError: no (as far as it came: ")
    assert (tmp_path / "b.failed.ipynb").exists()
    assert not (tmp_path / "b.ipynb").exists()


def test_what_a_user_gave_wrong_is_one_line_below_its_cell(tmp_path):
    cell = "from dlmo.errors import UserError\nif size == 4:\n    raise UserError('no such size')"
    chapter = notebook(tmp_path / "a.ipynb", cell)
    with pytest.raises(ChapterError, match=r"chapter a, cell 3 .*: UserError: no such size"):
        execute(chapter, tmp_path / "b.ipynb", {"size": 4})
    failed = tmp_path / "b.failed.ipynb"
    (output,) = nbformat.read(failed, as_version=4).cells[-1].outputs
    assert output.traceback == ["error: no such size"]
    execute(chapter, tmp_path / "b.ipynb", {})
    assert not failed.exists()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("import time; time.sleep(600)", "cell 3 .*took more than 5 s"),
        ("import os; os._exit(3)", "cell 3 .*kernel died"),
    ],
)
def test_a_chapter_that_hangs_or_kills_its_kernel_is_named(tmp_path, cell, said):
    chapter = notebook(tmp_path / "a.ipynb", cell)
    limit = 5 if "sleep" in cell else 120
    with pytest.raises(ChapterError, match=said):
        execute(chapter, tmp_path / "b.ipynb", {}, limit=limit)


def test_an_unchanged_chapter_is_not_executed_again(tmp_path, monkeypatch):
    chapter = notebook(tmp_path / "a.ipynb", "1")
    assert cache.fill([chapter], tmp_path) == [chapter]
    assert cache.fill([chapter], tmp_path) == []
    before = cache.key(chapter)
    notebook(chapter, "2")
    assert cache.key(chapter) != before


def test_kernels_that_work_in_one_folder_do_not_hear_each_other(tmp_path):
    said = "import time; time.sleep(1); print({!r})"
    made = [notebook(tmp_path / f"{name}.ipynb", said.format(name)) for name in "ab"]
    cache.fill(made, tmp_path, workers=2)
    executed = [nbformat.read(cache.place(one, tmp_path), as_version=4) for one in made]
    assert [one.cells[-1].outputs[0].text for one in executed] == ["a\n", "b\n"]
    assert list(tmp_path.glob("kernel*")) == []


def test_a_changed_record_changes_every_key(tmp_path, monkeypatch):
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path))
    keys = []
    for text in ("{}", "[]"):
        (tmp_path / "record.json").write_text(text)
        cache.surroundings.cache_clear()
        keys.append([cache.key(chapter) for chapter in BOOK])
    cache.surroundings.cache_clear()
    assert not set(keys[0]) & set(keys[1])


def test_the_page_shows_parameters_as_a_table_and_hides_their_cells(executed):
    shown = nbformat.reads(page.read(executed), as_version=4)
    hidden = [c.source for c in shown.cells if "remove-cell" in c.metadata.get("tags", [])]
    assert len(hidden) == 2
    table = next(cell.source for cell in shown.cells if "dropdown" in cell.source)
    assert "| `size` | `7` (default `3`) | how many |" in table
    assert shown.cells.index(next(c for c in shown.cells if "dropdown" in c.source)) == 3
    assert "papermill" not in shown.metadata


# Charts and tables ----------------------------------------------------------------------------


@pytest.fixture
def specification() -> dict:
    rows = pd.DataFrame({"technique": ["NQ", "FIQ"], "size": [4.0, 1.0]})
    chart = alt.Chart(rows).mark_bar().encode(x="size", y="technique")
    colour = alt.Color("technique", scale=look.scale(["NQ", "FIQ"]))
    with alt.theme.enable("default"):
        return chart.encode(color=colour).properties(height=80, description="<b>Bars").to_dict()


def test_a_bundle_holds_a_specification_and_an_image_that_needs_no_other_host(specification):
    bundle = look.bundle(specification)
    assert bundle[look.MIME]["width"] == "container"
    assert bundle["image/svg+xml"].startswith("<svg")
    assert bundle["image/svg+xml"].count("http") == bundle["image/svg+xml"].count("http://www.w3.")
    assert bundle["text/plain"] == "<b>Bars"


def test_a_chart_without_description_is_refused(specification):
    del specification["description"]
    with pytest.raises(UserError, match="description"):
        look.bundle(specification)


def test_a_page_has_variables_for_fixed_colours_and_leaves_the_data_alone(specification):
    specification["datasets"]["extra"] = [{"colour": look.TECHNIQUES["NQ"].light}]
    shown = charts.page_colours(specification)
    scale = shown["encoding"]["color"]["scale"]["range"]
    assert scale == [f"var(--dlmo-nq, {look.colour('NQ').light})", "var(--dlmo-fiq, #2d4c7c)"]
    assert shown["datasets"] == specification["datasets"]


def test_the_colour_of_a_combination_and_of_no_technique():
    assert look.colour("KD+F16") == look.colour("F16")
    assert look.colour("NQ+FT") == look.colour("NQ")
    with pytest.raises(UserError, match="did you mean 'FIQ'"):
        look.colour("FIX")


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize(("tone", "background"), [("light", "#ffffff"), ("dark", "#121212")])
def test_every_colour_stands_out_from_the_page_by_three_to_one(tone, background):
    for name, value in look.TECHNIQUES.items():
        pair = sorted([luminance(getattr(value, tone)), luminance(background)])
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 3, name


def test_a_table_has_a_fixed_identity_and_escapes_its_text():
    table = pd.DataFrame({"a": ["<script>"], "b": [1.25]})
    first, second = (tables.styled(table, formats={"b": "{:.1f}"}).to_html() for _ in range(2))
    assert first == second
    assert "&lt;script&gt;" in first
    assert 'class="dataframe"' in first
    assert "None" not in tables.styled(pd.DataFrame({"a": [None]})).to_html()


# The environment ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bootstrap():
    found = importlib.util.spec_from_file_location("bootstrap", paths.ROOT / "lib/bootstrap.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 14)])
def test_another_python_is_one_clear_line(bootstrap, version):
    with pytest.raises(bootstrap.ImpossibleError, match=r"make PYTHON=python3\.\d+ book") as error:
        bootstrap.check_version(version)
    assert "\n" not in str(error.value)


def test_supported_versions_are_those_of_the_package(bootstrap):
    assert 'requires-python = ">=3.11,<3.14"' in (paths.ROOT / "pyproject.toml").read_text()
    for minor in (11, 12, 13):
        bootstrap.check_version((3, minor))


def test_a_full_disk_is_one_clear_line(bootstrap, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(bootstrap.ImpossibleError, match=r"needs 4 GB, and here are 1\.0 GB"):
        bootstrap.check_space(tmp_path / "venv")


def test_without_a_package_index_the_bootstrap_ends_with_two_and_one_line(tmp_path):
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("dlmo-needs-this-from-an-index==1\n")
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
    surroundings |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    command = [sys.executable, str(paths.ROOT / "lib/bootstrap.py"), str(wanted)]
    command += ["--environment", str(tmp_path / "venv")]
    ended = subprocess.run(command, capture_output=True, text=True, env=surroundings)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "no package index can be reached" in ended.stderr


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        ((), ["pip uv", "uv files"]),
        (("pip uv",), ["pip uv", "pip files"]),
        (("uv files",), ["pip uv", "uv files", "pip files"]),
    ],
)
def test_where_uv_cannot_install_pip_does(bootstrap, monkeypatch, tmp_path, failing, expected):
    asked = []

    def run(command, **settings):
        asked.append(f"{command[2]} {'files' if '-r' in command else command[-1]}")
        return subprocess.CompletedProcess(command, int(asked[-1] in failing))

    monkeypatch.setattr(bootstrap.subprocess, "run", run)
    bootstrap.install(tmp_path, [Path("requirements.txt")])
    assert asked == expected


# The build ------------------------------------------------------------------------------------


CHART = """import altair as alt, pandas as pd
from dlmo.report import charts
charts.enable()
alt.Chart(pd.DataFrame({"x": [size, 2]})).mark_point().encode(x="x").properties(
    height=60, description="Two points")"""


@pytest.fixture
def source(tmp_path) -> Path:
    """Return the source of a book of two pages, with the real book's configuration."""
    folder = tmp_path / "source"
    (folder / "chapters").mkdir(parents=True)
    shutil.copy(paths.ROOT / "_config.yml", folder)
    (folder / "data/paper").mkdir(parents=True, exist_ok=True)
    shutil.copy(paths.paper() / "references.bib", folder / "data/paper")
    (folder / "index.md").write_text("# A book\n\n```{tableofcontents}\n```\n")
    toc = "format: jb-book\nroot: index\nchapters:\n  - file: chapters/a\n"
    (folder / "_toc.yml").write_text(toc)
    return folder


def run_book(source: Path, command: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; from pathlib import Path; from dlmo.book.__main__ import *; {command}"
    arguments = [sys.executable, "-c", code, str(source)]
    return subprocess.run(arguments, capture_output=True, text=True)


OURS = "sys.exit(build(Path(sys.argv[1])))"
PLAIN = "from jupyter_book.cli.main import main; main(['build', sys.argv[1]])"


def pages(source: Path) -> dict[str, bytes]:
    html = source / "_build/html"
    files = (path for path in sorted(html.rglob("*")) if path.is_file())
    return {str(path.relative_to(html)): path.read_bytes() for path in files}


def test_two_clean_builds_are_the_same_and_an_edit_is_seen(source):
    chapter = notebook(source / "chapters/a.ipynb", CHART)
    assert (first := run_book(source, OURS)).returncode == 0, first.stdout + first.stderr
    before = pages(source)
    shutil.rmtree(source / "_build")
    assert (second := run_book(source, PLAIN)).returncode == 0, second.stdout + second.stderr
    after = pages(source)
    assert sorted(before) == sorted(after)
    assert [name for name in before if before[name] != after[name]] == []
    notebook(chapter, CHART, "print('another', 6 * 7)")
    assert run_book(source, OURS).returncode == 0
    assert b"another 42" in pages(source)["chapters/a.html"]


@pytest.mark.parametrize("command", [OURS, PLAIN], ids=["make", "jupyter-book"])
def test_a_chapter_that_raises_fails_the_build_and_is_named(source, command):
    notebook(source / "chapters/a.ipynb", "raise KeyError('gone')")
    ended = run_book(source, command)
    assert ended.returncode != 0
    assert "chapter a, cell 3 (raise KeyError('gone')): KeyError: 'gone'" in (
        ended.stderr + ended.stdout
    )


def test_an_unresolved_reference_fails_the_build(source):
    notebook(source / "chapters/a.ipynb", "1")
    (source / "index.md").write_text("# A book\n\n{ref}`nowhere`\n")
    ended = run_book(source, OURS)
    assert ended.returncode == 1
    assert "nowhere" in ended.stderr


# The pages in a browser -----------------------------------------------------------------------


SIZES = {"desktop": (1400, 1000), "phone": (390, 844)}
RULES = {
    # Fetching style sheets again is what a page from disk may not do.
    "preload": False,
    # What else it found it would describe, too: that takes as long as the rules themselves.
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "rules": {"label-content-name-mismatch": {"enabled": True}},
}


@pytest.fixture(scope="session")
def html() -> Path:
    """Build the real book; workers of pytest-xdist take turns."""
    (paths.ROOT / "_build").mkdir(exist_ok=True)
    with FileLock(paths.ROOT / "_build/.tests.lock"):
        command = [sys.executable, "-m", "dlmo.book"]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=paths.ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return paths.ROOT / "_build/html"


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; yield its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def served(html) -> Iterator[str]:
    with serving(html) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None and os.environ.get("DLMO_REQUIRE_BROWSER"):
        pytest.fail("there is no Chromium, and DLMO_REQUIRE_BROWSER asks for one")
    if path is None:
        pytest.skip("there is no Chromium on the path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """One tab that lets through nothing but the book, and remembers what else was asked for."""

    def __init__(self, browser, size: tuple[int, int], scheme: str, base: str):
        shape = {"width": size[0], "height": size[1]}
        self.context = browser.new_context(viewport=shape, color_scheme=scheme)
        self.base, self.foreign, self.errors = base, [], []
        self.context.route("**/*", self._route)
        self.page = self.context.new_page()
        self.page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _route(self, route):
        if route.request.url.startswith((self.base, "data:", "blob:")):
            return route.continue_()
        self.foreign.append(route.request.url)
        return route.abort()

    def open(self, name: str):
        self.page.goto(f"{self.base}/{name}")
        ready = "window.MathJax?.startup?.promise ?? Promise.resolve()"
        self.page.evaluate(f"({ready}).then(() => true)")
        drawn = "() => [...document.querySelectorAll('.dlmo-chart')].every(c => c.dataset.drawn)"
        self.page.wait_for_function(drawn, timeout=20_000)
        # The theme gives scrolling regions their place in the tab order a moment after loading.
        self.page.wait_for_timeout(400)
        return self.page


def names(html: Path) -> list[str]:
    found = [path.relative_to(html).with_suffix("").as_posix() for path in html.rglob("*.html")]
    return [f"{name}.html" for name in sorted(found) if not name.startswith(("_", "genindex"))]


def test_no_page_shows_what_a_library_logged(html):
    shown = [name for name in names(html) if "output stream" in (html / name).read_text("utf-8")]
    assert shown == []


@pytest.fixture
def visit(chromium):
    opened = []

    def begin(size: str, scheme: str, base: str) -> Visit:
        opened.append(Visit(chromium, SIZES[size], scheme, base))
        return opened[-1]

    yield begin
    for tab in opened:
        tab.context.close()


def problems(page) -> Iterator[str]:
    for chart in page.query_selector_all(".dlmo-chart"):
        marks = chart.query_selector_all("svg .role-mark :is(path, text, line, image)")
        boxes = [box for mark in marks if (box := mark.bounding_box())]
        if not any(box["width"] + box["height"] > 3 for box in boxes):
            yield f"{chart.get_attribute('id')} has no marks that can be seen"
        if not chart.query_selector("[role='graphics-document'][aria-label]"):
            yield f"{chart.get_attribute('id')} has no label"
    formulas = "document.querySelectorAll('.math').length"
    drawn = "document.querySelectorAll('.math mjx-container svg').length"
    if page.evaluate(formulas) > page.evaluate(drawn) or page.query_selector("mjx-merror"):
        yield "a formula is not drawn"
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        yield "the page scrolls sideways"


def scripted(folder: Path, body: str) -> Path:
    scripts = (assets.HERE / "assets" / name for name in assets.SCRIPTS)
    inside = "".join(f"<script>{script.read_text('utf-8')}</script>" for script in scripts)
    page = folder / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8>{body}{inside}", "utf-8")
    return page


@pytest.mark.browser
def test_each_table_has_a_button_of_its_own_below_it(chromium, tmp_path):
    def table(words: str, caption: str = "") -> str:
        rows = f"<tr><td>{words}</td><td>1</td><td>2</td></tr>" * 2
        return f"<table class=dataframe>{caption}<tbody>{rows}</tbody></table>"

    entry = "<details open class=dlmo-entry><summary><span class=dlmo-entry-title>Remark 2</span>"
    boxed = f"<div class=dlmo-scroll>{table('a')}</div>"
    body = (
        f"<article class=bd-article><div class=output>{entry}</summary>{boxed}{boxed}</details>"
        f"{table('a long sentence ' * 9, '<caption>Sizes</caption>')}</div>"
        f"<div class=output>{table('b')}</div></article>"
    )
    page = chromium.new_page()
    page.goto(scripted(tmp_path, body).as_uri())
    above = "all => all.map(one => one.previousElementSibling.className.split(' ')[0])"
    found = page.eval_on_selector_all(".dlmo-table-tools", above)
    assert found == ["dlmo-scroll", "dlmo-scroll", "dataframe", "output"]
    spoken = "all => all.map(one => one.getAttribute('aria-label'))"
    assert page.eval_on_selector_all(".dlmo-table-tools button", spoken) == [
        "Copy table: Remark 2",
        "Copy table: Remark 2, table 2",
        "Copy table: Sizes",
        "Copy table: table 1 of those without a caption",
    ]
    labels = "all => all.map(one => one.classList.contains('dlmo-labelled'))"
    assert page.eval_on_selector_all("table", labels) == [True, True, False, True]
    page.close()


@pytest.mark.browser
# Nothing of a layout depends on the scheme: each size and each scheme once.
@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_pages_from_disk_are_whole_and_accessible(visit, html, size, scheme):
    from axe_playwright_python.sync_playwright import Axe

    tab = visit(size, scheme, html.as_uri())
    found = {}
    for name in names(html):
        page = tab.open(name)
        broken = Axe().run(page, options=RULES).response["violations"]
        rules = [f"{rule['id']}: {rule['nodes'][0]['html'][:120]}" for rule in broken]
        found[name] = [*problems(page), *rules]
    assert {name: said for name, said in found.items() if said} == {}
    assert (tab.foreign, tab.errors) == ([], [])


@pytest.mark.browser
def test_served_pages_ask_no_other_host_and_log_no_error(visit, html, served):
    tab = visit("desktop", "light", served)
    for name in names(html):
        assert list(problems(tab.open(name))) == [], name
    assert (tab.foreign, tab.errors) == ([], [])


@pytest.mark.browser
def test_charts_follow_the_colour_mode_without_being_drawn_again(visit, html):
    page = visit("desktop", "light", html.as_uri()).open("chapters/quantization_and_pruning.html")
    colour = "e => getComputedStyle(e.querySelector('svg .role-axis-title text')).fill"
    chart = page.query_selector(".dlmo-chart")
    chart.evaluate("e => e.querySelector('svg').dataset.same = 'yes'")
    light = chart.evaluate(colour)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert chart.evaluate(colour) != light
    assert chart.query_selector("svg[data-same]")


@pytest.mark.browser
def test_downloads_beside_a_chart_hold_its_rows_and_its_image(visit, html):
    page = visit("desktop", "light", html.as_uri()).open("chapters/quantization_and_pruning.html")
    links = page.query_selector_all(".dlmo-chart-downloads a:not(.dlmo-sources)")
    files = [html / "chapters" / link.get_attribute("href") for link in links]
    assert {file.suffix for file in files} == {".csv", ".svg"}
    assert all(f.read_text().startswith("<svg") for f in files if f.suffix == ".svg")
    rows = [pd.read_csv(file) for file in files if file.suffix == ".csv"]
    assert all(len(table) and len(table.columns) > 1 for table in rows)


@pytest.mark.browser
def test_search_works_from_disk(visit, html):
    tab = visit("desktop", "light", html.as_uri())
    page = tab.open("search.html?q=quantization")
    page.wait_for_selector("#search-results li a")
    titles = [link.inner_text() for link in page.query_selector_all("#search-results li a")]
    assert any("Quantization" in title for title in titles)
    assert tab.errors == []

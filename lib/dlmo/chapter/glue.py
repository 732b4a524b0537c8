"""Gluing: sentences and numbers into the text, as plain values, with what they rest on."""

from dlmo.report import cited


def glue(**values: str | float) -> None:
    """Glue each value under its name; the page shows it where its prose names it.

    In JupyterLab, VS Code and the like, whose prose knows nothing of it, it is shown at once.

    A sentence made by a function that is `report.cited.cited` carries its sources; the page puts a
    link to them behind it.

    Raises:
        TypeError: a value is neither text nor a plain number; the page would show its type.
    """
    for name, value in values.items():
        # A NumPy scalar is a float too, but its text is `np.float64(0.7)`.
        if type(value) not in (str, float, int, cited.Cited):
            raise TypeError(f"{name} is {value!r}; glue plain text or a plain number")
        _paste(name, value)


def _paste(name: str, value: str | float) -> None:
    """Leave a value where myst-nb looks for it, and its sources beside it."""
    from IPython.display import display
    from myst_nb.ext.glue import GLUE_PREFIX

    scrapbook = {"name": name, "mime_prefix": GLUE_PREFIX}
    said = repr(str(value) if isinstance(value, str) else value)
    # Where nothing is said, a mark that leads to the sources would stand alone.
    sources = [] if value == "" else list(cited.of(value))
    metadata = {"scrapbook": scrapbook, "sources": sources}
    shown = {f"{GLUE_PREFIX}text/plain": said, "text/markdown": f"`{name}`: {value}"}
    display(shown, raw=True, metadata=metadata)

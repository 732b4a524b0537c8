"""The data sheet of a user's own images: what they are, counted, with an example of each class."""

from html import escape

import numpy as np

from dlmo import datasets
from dlmo.report import pictures, tables, text
from dlmo.report.comparison_tables import title

_EXAMPLE = 64
"""Width and height of an example on the page, in pixels."""


def of(name: str) -> str:
    """Return the data sheet of a folder of images as HTML; nothing for the report's own datasets.

    Raises:
        UserError: the folder can't be read, or is too small.
    """
    if not datasets.is_folder(name):
        return ""
    data = datasets.load(name)
    counts = datasets.sheet(data).reset_index(names="class")
    seen = int(counts["test_seen"].iloc[-1])
    heads = {"class": "Class", "train": "Training", "validation": "Validation", "test": "Test"}
    heads["test_seen"] = "Test, seen in training"
    caption = f"{escape(title(data.name))}: {counted(data)}"
    table = tables.styled(counts.rename(columns=heads), caption=caption, name="data-sheet")
    notes = [_repeated(seen), *data.notes]
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<section class="dlmo-sheet" aria-label="Data sheet">{table.to_html()}'
        f'<ul>{lines}</ul><div class="dlmo-sheet-examples">{_examples(data)}</div></section>'
    )


def counted(data: datasets.Dataset) -> str:
    """Return one sentence: how many images and classes, and how large the images are."""
    height, width = data.test.images.shape[1:3]
    found = datasets.sizes(data.name)
    images = len(data.train) + len(data.validation) + len(data.test)
    said = f"{images:,} images of {len(data.classes)} classes, "
    if found:
        widths, heights = zip(*found, strict=True)
        said += f"{_range(widths)} pixels wide and {_range(heights)} high, "
    return f"{said}used at {width} × {height}."


def _range(numbers: tuple[int, ...]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _repeated(seen: int) -> str:
    if not seen:
        return "No test image is also a training or validation image."
    verb = "is" if seen == 1 else "are"
    return text.begin(
        f"{text.count(seen, 'test image')} {verb} also among the training or validation images: "
        "the test accuracy is too high by as much as the network has them by heart."
    )


def _examples(data: datasets.Dataset) -> str:
    firsts = (int(np.argmax(data.train.labels == label)) for label in range(len(data.classes)))
    return "".join(
        f'<figure><img src="{pictures.png(data.train.images[place])}" alt="An image of the class '
        f'{escape(name, quote=True)}" width="{_EXAMPLE}" height="{_EXAMPLE}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name, place in zip(data.classes, firsts, strict=True)
    )

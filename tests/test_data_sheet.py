"""The data sheet of a user's own images: counted, escaped, with an example of each class."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dlmo.chapter import data_sheet

CLASSES = ("Äpfel & Birnen", "日本語 テスト", "<b>bold", "عربى")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    dice = np.random.default_rng(0)
    for name in CLASSES:
        (tmp_path / "my photos" / name).mkdir(parents=True)
        for number in range(10):
            size = (40 + 10 * number, 30, 3)
            image = Image.fromarray(dice.integers(0, 256, size, np.uint8))
            image.save(tmp_path / "my photos" / name / f"{number}.png")
    return tmp_path / "my photos"


def test_the_sheet_shows_classes_counts_sizes_and_an_example_of_each(folder: Path) -> None:
    html = data_sheet.of(str(folder))
    assert "40 images of 4 classes, 30 pixels wide and 40 to 130 high, used at 32 × 32." in html
    assert html.count("<figure>") == 4 and html.count("data:image/png;base64,") == 4
    assert "&lt;b&gt;bold" in html and "<b>bold" not in html
    for name in (CLASSES[1], CLASSES[3], "Äpfel &amp; Birnen"):
        assert name in html
    assert "No test image is also a training or validation image." in html
    assert str(folder.parent) not in html


def test_duplicates_between_training_and_test_are_counted(folder: Path) -> None:
    # The same pixels in files that differ: only looking at the images shows it.
    (folder / "copies").mkdir()
    image = Image.new("RGB", (32, 32), "red")
    for number in range(20):
        comment = PngInfo()
        comment.add_text("number", str(number))
        image.save(folder / "copies" / f"{number}.png", pnginfo=comment)
    assert "three test images are also among the training".capitalize() in data_sheet.of(
        str(folder)
    )


def test_what_was_left_out_is_said(folder: Path) -> None:
    (folder / CLASSES[0] / "notes.png").write_text("no image")
    assert "1 left out (damaged, or no JPEG, PNG or WebP)" in data_sheet.of(str(folder))


def test_the_reports_own_datasets_have_none_here() -> None:
    assert data_sheet.of("digits") == "" and data_sheet.of("cifar10[cat,dog]") == ""

"""A folder of images: what users really have in their folders, and what they should not have."""

import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlmo import datasets
from dlmo.datasets import folder, listing, picture
from dlmo.errors import UserError

COLOURS = {"red": (220, 20, 20), "blue": (20, 20, 220)}
COUNT = 12


def fill(folder: Path, colour: tuple[int, int, int], count: int = COUNT) -> Path:
    """Write images that differ in brightness."""
    folder.mkdir(parents=True)
    for number in range(count):
        shade = tuple(max(0, value - number) for value in colour)
        Image.new("RGB", (20, 10), shade).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, colour in COLOURS.items():
        fill(tmp_path / "photos" / name, colour)
    return tmp_path / "photos"


def count(dataset: datasets.Dataset) -> int:
    return len(dataset.train) + len(dataset.validation) + len(dataset.test)


def refusal(folder: Path | str) -> str:
    lines = set()
    for ask in (datasets.load, datasets.checksum, datasets.classes):
        with pytest.raises(UserError) as caught:
            ask(str(folder))
        lines.add(str(caught.value))
    assert len(lines) == 1
    line = lines.pop()
    assert "\n" not in line
    return line


def test_a_folder_is_a_dataset(photos: Path) -> None:
    dataset = datasets.load(str(photos))
    assert dataset.classes == ("blue", "red")
    assert dataset.name == str(photos)
    assert dataset.notes == ()
    for split, each in ((dataset.train, 8), (dataset.validation, 2), (dataset.test, 2)):
        assert split.images.shape == (2 * each, 32, 32, 3)
        assert np.bincount(split.labels).tolist() == [each, each]
        assert (split.images[split.labels == 0][..., 2] > 150).all()
        assert (split.images[split.labels == 1][..., 0] > 150).all()
    assert datasets.available(str(photos))
    assert datasets.fetch(str(photos)) == photos


def test_splits_of_a_folder_share_no_image(photos: Path) -> None:
    dataset = datasets.load(str(photos))
    parts = (dataset.train, dataset.validation, dataset.test)
    everything = [image.tobytes() for part in parts for image in part.images]
    assert len(set(everything)) == len(everything) == 2 * COUNT


def test_a_relative_folder_without_a_separator(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    assert datasets.load("photos").checksum == datasets.load(str(photos)).checksum
    assert datasets.load("photos[red,blue]").classes == ("red", "blue")
    monkeypatch.chdir(photos)
    assert datasets.load(".").checksum == datasets.load(str(photos)).checksum


def test_a_folder_can_be_restricted_and_have_another_size(photos: Path) -> None:
    fill(photos / "green", (20, 220, 20))
    dataset = datasets.load(f"{photos}/[size=48, red, green]")
    assert dataset.name == f"{photos}/[size=48,red,green]"
    assert datasets.load(dataset.name).checksum == dataset.checksum
    assert dataset.checksum != datasets.checksum(f"{photos}/[red,green]")
    assert dataset.train.images.shape == (16, 48, 48, 3)
    assert dataset.classes == ("red", "green")
    assert (dataset.train.images[dataset.train.labels == 0][..., 0] > 150).all()


@pytest.mark.parametrize("option", ["size=4", "size=100000", "size=x", "size=-1", "sise=32"])
def test_a_senseless_option_is_refused(photos: Path, option: str) -> None:
    assert "size=" in refusal(f"{photos}[{option}]")


def test_moving_and_renaming_files_changes_nothing(photos: Path, tmp_path: Path) -> None:
    before = datasets.load(str(photos))
    moved = tmp_path / "elsewhere" / "images"
    shutil.copytree(photos, moved)
    for path in list(moved.rglob("*.png")):
        path.rename(path.with_name(f"renamed {99 - int(path.stem)}.PNG"))
    after = datasets.load(str(moved))
    assert after.checksum == before.checksum
    assert np.array_equal(after.test.images, before.test.images)
    assert np.array_equal(after.train.images, before.train.images)


def test_a_changed_file_changes_the_checksum_and_is_read_again(photos: Path) -> None:
    before = datasets.load(str(photos))
    assert datasets.load(str(photos)) is before
    Image.new("RGB", (9, 9), "purple").save(photos / "red" / "3.png")
    after = datasets.load(str(photos))
    assert after.checksum == datasets.checksum(str(photos)) != before.checksum


def test_class_names_of_any_script_and_with_spaces(tmp_path: Path) -> None:
    decomposed = "A\u030angstrom"
    names = ["Äpfel und Öl", "猫", "собака", "two  words", decomposed]
    for number, name in enumerate(names):
        fill(tmp_path / "bilder ü" / name, (200, 20 * number, 0), 5)
    dataset = datasets.load(str(tmp_path / "bilder ü"))
    assert set(dataset.classes) == {*names[:4], "\u00c5ngstrom"}
    assert datasets.load(f"{tmp_path}/bilder ü[猫,two  words]").classes == ("猫", "two  words")


def test_one_class_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "photos" / "red", COLOURS["red"])
    assert "has 1 subfolder(s)" in refusal(tmp_path / "photos")


def test_a_folder_of_loose_images_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "photos", COLOURS["red"])
    assert "has 0 subfolder(s)" in refusal(tmp_path / "photos")


def test_an_empty_class_is_refused_by_name(photos: Path) -> None:
    (photos / "grün").mkdir()
    assert "'grün' has none" in refusal(photos)


def test_a_layout_with_splits_above_the_classes_is_refused(photos: Path) -> None:
    nested = photos.parent / "nested"
    shutil.copytree(photos, nested / "train")
    shutil.copytree(photos, nested / "test")
    line = refusal(nested)
    assert "directly in its subfolder" in line
    assert "train/red" in line


def test_a_class_with_too_few_images_is_refused_by_name(photos: Path) -> None:
    fill(photos / "rare", (0, 200, 0), 4)
    assert "'rare' has 4" in refusal(photos)


def test_a_class_left_with_too_few_whole_images_is_refused(photos: Path) -> None:
    fill(photos / "rare", (0, 200, 0), 5)
    (photos / "rare" / "0.png").write_text("no image")
    with pytest.raises(UserError, match=r"'rare' has 4; 1 left out \(damaged.*rare/0\.png"):
        datasets.load(str(photos))


@pytest.mark.parametrize("missing", ["not/there", "photos/red/0.png"])
def test_what_is_no_folder_is_refused(photos: Path, missing: str) -> None:
    line = refusal(photos.parent / missing)
    assert "not there" in line or "is a file" in line
    assert not datasets.available(str(photos.parent / missing))


@pytest.mark.parametrize("which", ["", "red"])
def test_an_unreadable_folder_is_refused(
    photos: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.iterdir

    def iterdir(path: Path) -> object:
        if path == photos / which:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert "cannot be read (Permission denied)" in refusal(photos)


def text(path: Path) -> None:
    path.write_text("I am no image")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def half(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])


def disguised(path: Path) -> None:
    Image.new("RGB", (8, 8)).save(path, "GIF")


def bomb(path: Path) -> None:
    """A PNG of 20,000 × 20,000 pixels that has a few hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    content = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(9))), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(content))


def large_bomb(path: Path) -> None:
    """Above Pillow's limit, below the double of it, where Pillow itself only warns."""
    bomb(path)
    data = path.read_bytes()
    header = struct.pack(">IIBBBBB", 10000, 10000, 8, 2, 0, 0, 0)
    body = b"IHDR" + header
    path.write_bytes(data[:12] + body + struct.pack(">I", zlib.crc32(body)) + data[33:])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (text, "damaged"),
        (empty, "damaged"),
        (half, "damaged"),
        (disguised, "damaged, or no JPEG, PNG or WebP"),
        (bomb, "too many pixels"),
        (large_bomb, "too many pixels"),
    ],
)
def test_a_broken_file_is_left_out_named_and_counted(
    photos: Path, make: Callable[[Path], None], reason: str
) -> None:
    for name in ("x.png", "y.png"):
        make(photos / "red" / name)
    dataset = datasets.load(str(photos))
    assert count(dataset) == 2 * COUNT
    (note,) = dataset.notes
    assert note.startswith("2 left out") and reason in note
    assert note.endswith("red/x.png, red/y.png")


def test_the_bombs_are_what_they_are_said_to_be(tmp_path: Path) -> None:
    bomb(tmp_path / "a.png")
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "a.png")
    large_bomb(tmp_path / "b.png")
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(tmp_path / "b.png")


def test_many_broken_files_do_not_make_a_long_note(photos: Path) -> None:
    for number in range(30):
        text(photos / "red" / f"broken{number:02}.png")
    (note,) = datasets.load(str(photos)).notes
    assert note.startswith("30 left out") and note.endswith("red/broken04.png, …")


def test_other_suffixes_are_named_and_hidden_files_are_not(photos: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(photos / "red" / "moving.gif", save_all=True, append_images=frames[1:])
    (photos / "red" / ".DS_Store").write_text("")
    (photos / ".git").mkdir()
    (photos / "readme.txt").write_text("")
    (photos / "red" / "folder.png").mkdir()
    dataset = datasets.load(str(photos))
    assert count(dataset) == 2 * COUNT
    assert sorted(dataset.notes) == [
        "1 left out (a folder within a class's subfolder): red/folder.png",
        "1 left out (not in a class's subfolder): readme.txt",
        "1 left out (not named as JPEG, PNG or WebP): red/moving.gif",
    ]


def test_a_pipe_called_png_does_not_block(photos: Path) -> None:
    os.mkfifo(photos / "red" / "pipe.png")
    assert datasets.load(str(photos)).notes == ("1 left out (not a file): red/pipe.png",)


def test_a_file_that_is_too_large_is_not_read(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (photos / "red" / "huge.png").open("wb") as file:
        file.truncate(listing.LARGEST_FILE + 1)
    assert datasets.load(str(photos)).notes == ("1 left out (larger than 64 MB): red/huge.png",)


def test_images_that_vanish_while_the_folder_is_read_are_left_out(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = datasets.checksum(str(photos))
    listed = listing.listing(str(photos))
    (photos / "red" / "0.png").unlink()
    monkeypatch.setattr(folder, "listing", lambda _: listed)
    dataset = datasets.load(str(photos))
    assert count(dataset) == 2 * COUNT - 1
    assert dataset.notes == ("1 left out (cannot be opened): red/0.png",)
    assert dataset.checksum != before
    assert len(datasets.sizes(str(photos))) == 2 * COUNT - 1
    assert datasets.select(str(photos)).source.bytes() > 0


def test_a_file_that_cannot_be_opened_is_left_out(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path == photos / "red" / "3.png":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    dataset = datasets.load(str(photos))
    assert dataset.notes == ("1 left out (cannot be opened): red/3.png",)
    assert count(dataset) == 2 * COUNT - 1


def test_links_that_lead_outside_are_left_out(photos: Path) -> None:
    outside = fill(photos.parent / "private", (1, 2, 3))
    (photos / "red" / "stolen.png").symlink_to(outside / "0.png")
    (photos / "red" / "up.png").symlink_to("../../private/1.png")
    (photos / "red" / "nowhere.png").symlink_to("gone.png")
    (photos / "red" / "loop.png").symlink_to("loop.png")
    (photos / "private").symlink_to(outside)
    dataset = datasets.load(str(photos))
    assert dataset.classes == ("blue", "red")
    assert count(dataset) == 2 * COUNT
    assert sorted(dataset.notes) == [
        "2 left out (a link that leads nowhere): red/loop.png, red/nowhere.png",
        "3 left out (a link that leads outside the folder): private, red/stolen.png, red/up.png",
    ]


def test_links_within_the_folder_and_to_it_are_followed(photos: Path) -> None:
    (photos / "red" / "link.png").symlink_to("0.png")
    (photos.parent / "shortcut").symlink_to(photos)
    assert count(datasets.load(str(photos.parent / "shortcut"))) == 2 * COUNT + 1


def test_copies_on_both_sides_of_the_split_are_noted(tmp_path: Path) -> None:
    for name, colour in COLOURS.items():
        fill(tmp_path / "photos" / name, colour, 1)
        for number in range(1, 10):
            shutil.copy(
                tmp_path / "photos" / name / "0.png", tmp_path / f"photos/{name}/{number}.png"
            )
    dataset = datasets.load(str(tmp_path / "photos"))
    assert dataset.notes == ("4 test image(s) are also among the training images",)
    assert datasets.sheet(dataset).loc["total", "test_seen"] == 4


def test_two_spellings_of_one_class_are_refused(photos: Path) -> None:
    fill(photos / "\u00e4", (9, 9, 9))
    fill(photos / "a\u0308", (9, 9, 9))
    assert "two subfolders are both called" in refusal(photos)


def test_more_pixels_than_the_memory_holds_are_refused_before_reading(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlmo.datasets.folder._MEMORY", 10_000)
    monkeypatch.setattr(picture, "decode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(UserError, match="choose a smaller size="):
        datasets.load(str(photos))


def decoded(path: Path) -> np.ndarray:
    found = picture.decode(path.read_bytes(), 32)
    assert found.shape == (32, 32, 3) and found.dtype == np.uint8
    return found


def halves(left: object, right: object, mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (64, 64), left)  # type: ignore[arg-type]
    image.paste(right, (32, 0, 64, 64))  # type: ignore[arg-type]
    return image


def left_and_right(path: Path) -> tuple[list[int], list[int]]:
    pixels = decoded(path)
    return pixels[16, 4].tolist(), pixels[16, 27].tolist()


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_colours_keep_their_order(tmp_path: Path, suffix: str) -> None:
    halves((250, 0, 0), (0, 0, 250)).save(tmp_path / f"a.{suffix}", quality=95)
    left, right = left_and_right(tmp_path / f"a.{suffix}")
    assert np.allclose(left, (250, 0, 0), atol=8) and np.allclose(right, (0, 0, 250), atol=8)


def test_grey(tmp_path: Path) -> None:
    for mode, suffix in (("L", "png"), ("L", "jpg"), ("1", "png")):
        halves(0, 255, mode).save(tmp_path / f"a.{suffix}")
        left, right = left_and_right(tmp_path / f"a.{suffix}")
        assert max(left) < 5 and min(right) > 250


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    values = np.full((64, 64), 257 * 40, dtype=np.uint16)
    values[:, 32:] = 257 * 200
    Image.fromarray(values).save(tmp_path / "a.png")
    assert left_and_right(tmp_path / "a.png") == ([40] * 3, [200] * 3)


def test_cmyk(tmp_path: Path) -> None:
    halves((0, 255, 255, 0), (255, 255, 0, 0), "CMYK").save(tmp_path / "a.jpg", quality=95)
    left, right = left_and_right(tmp_path / "a.jpg")
    assert left[0] > 200 and max(left[1:]) < 60
    assert right[2] > 200 and max(right[:2]) < 60


def test_a_palette_and_transparency_on_white(tmp_path: Path) -> None:
    halves((250, 0, 0), (0, 0, 250)).quantize(4).save(tmp_path / "a.png")
    assert left_and_right(tmp_path / "a.png") == ([250, 0, 0], [0, 0, 250])
    halves((9, 9, 9, 0), (0, 0, 250, 255), "RGBA").save(tmp_path / "b.png")
    assert left_and_right(tmp_path / "b.png") == ([255] * 3, [0, 0, 250])
    halves(0, 1, "P").save(tmp_path / "c.png", transparency=0)
    assert left_and_right(tmp_path / "c.png")[0] == [255] * 3


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_an_animation_is_its_first_frame(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert decoded(path)[16, 16].tolist() == [255, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_cameras_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = Image.new("RGB", (64, 32), "white")
    upright.paste("red", (0, 0, 32, 16))
    upright.paste("blue", (32, 16, 64, 32))
    upright.paste("black", (0, 16, 32, 32))
    undo = {
        **{2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180},
        **{4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE},
        **{6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE},
        **{8: Image.Transpose.ROTATE_270},
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    pixels = decoded(tmp_path / "a.png")
    assert pixels[4, 4].tolist() == [255, 0, 0]
    assert pixels[27, 27].tolist() == [0, 0, 255]
    assert pixels[27, 4].tolist() == [0, 0, 0]


def test_a_large_photograph_looks_like_its_full_decoding(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 2000).astype(np.uint8)
    full = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], 90), axis=-1).astype(np.uint8)
    Image.fromarray(full).save(tmp_path / "a.jpg", quality=95)
    expected = np.asarray(Image.fromarray(full).resize((32, 32), Image.Resampling.BOX))
    assert np.abs(decoded(tmp_path / "a.jpg").astype(int) - expected).max() <= 4

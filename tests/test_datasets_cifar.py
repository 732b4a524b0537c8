"""CIFAR: reading without executing, unpacking without escaping, and the official files."""

import dataclasses
import functools
import hashlib
import http.server
import io
import pickle
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlmo import datasets, paths
from dlmo.datasets import cifar10, registry, unpickle
from dlmo.datasets.archive import Archive
from dlmo.errors import UserError

HEADER = b"\x80\x02"
NAME = "tiny"
whole = unpickle.loads
PER_CLASS = 20


def text(value: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(value)) + value


def array(values: np.ndarray, code: bytes = b"u1") -> bytes:
    """A uint8 array as Python 2's pickle and NumPy 1 wrote it."""
    shape = b"".join(b"J" + struct.pack("<i", n) for n in values.shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01("
        + shape
        + b"tcnumpy\ndtype\n"
        + text(code)
        + b"K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + text(values.tobytes())
        + b"tb"
    )


def dump(content: dict[str, Any]) -> bytes:
    """Write a dictionary as Python 2 did."""
    body = b""
    for key, value in content.items():
        body += text(key.encode())
        if isinstance(value, np.ndarray):
            body += array(value)
        else:
            items = (text(v.encode()) if isinstance(v, str) else b"K" + bytes([v]) for v in value)
            body += b"](" + b"".join(items) + b"e"
    return HEADER + b"}(" + body + b"u."


def tiny_files() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    labels = [label for label in range(10) for _ in range(PER_CLASS)]
    files = {"batches.meta": dump({"label_names": list(datasets.classes("cifar10"))})}
    for name in cifar10.ARCHIVE.files:
        if name != "batches.meta":
            data = random.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
            files[name] = dump({"data": data, "labels": random.permutation(labels).tolist()})
    return files


def pack(path: Path, files: dict[str, bytes], folder: str = cifar10.ARCHIVE.folder) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in {**files, "readme.html": b"<p>"}.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return tiny_files()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("DLMO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "data"


@pytest.fixture
def publish(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Iterator[Callable[..., Archive]]:
    """Register a small archive in the layout of CIFAR-10, published by a server of our own."""
    site = tmp_path / "site"
    site.mkdir()
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

        def make(**changes: Any) -> Archive:
            packed = pack(site / "tiny.tar.gz", files)
            archive = Archive(
                folder=cifar10.ARCHIVE.folder,
                url=f"http://127.0.0.1:{server.server_port}/tiny.tar.gz",
                md5=md5(packed.read_bytes()),
                files={name: md5(content) for name, content in files.items()},
            )
            archive = dataclasses.replace(archive, **changes)
            official = registry.sources()["cifar10"]
            source = dataclasses.replace(official, name=NAME, archive=archive)  # type: ignore
            monkeypatch.setitem(registry._SOURCES, NAME, source)
            return archive

        yield make
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def test_a_pickle_of_the_old_kind_reads_as_numpy_reads_it(files: dict[str, bytes]) -> None:
    found = unpickle.loads(files["test_batch"])
    expected = pickle.loads(files["test_batch"], encoding="latin1")
    assert found.keys() == expected.keys()
    assert found["data"].dtype == np.uint8
    assert np.array_equal(found["data"], expected["data"])
    assert found["labels"] == expected["labels"]


def hostile() -> dict[str, bytes]:
    class Command:
        def __reduce__(self) -> tuple[Any, ...]:
            import os

            return os.system, ("touch executed",)

    call = b"(S'touch executed'\ntR."
    write = text(b"open('executed', 'w').write('gotcha!')") + b"\x85R."
    ndarray, dtype = b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"
    rebuild = b"cnumpy.core.multiarray\n_reconstruct\n"
    huge = b"J\xff\xff\xff\x7f"
    return {
        **{f"os.system, protocol {p}": pickle.dumps({"a": Command()}, p) for p in range(6)},
        "os.system by hand": HEADER + b"cos\nsystem\n" + text(b"touch executed") + b"\x85R.",
        "posix.system": b"cposix\nsystem\n" + call,
        "builtins.eval": HEADER + b"cbuiltins\neval\n" + write,
        "eval of Python 2": HEADER + b"c__builtin__\neval\n" + write,
        "a dotted name": HEADER + b"cnumpy\nndarray.__class__.__base__\n" + call,
        "a name within NumPy": HEADER + b"cnumpy\nload\n" + text(b"executed") + b"\x85R.",
        "a call of ndarray": HEADER + ndarray + huge + b"\x85R.",
        "a call of dtype": HEADER + dtype + text(b"O") + b"K\x00K\x01\x87R.",
        "a name as the result": HEADER + ndarray + b".",
        "a name as an element": HEADER + b"}" + text(b"a") + ndarray + b"s.",
        "a subclass to rebuild": HEADER + rebuild + dtype + b"K\x00\x85U\x01b\x87R.",
        "too few arguments": HEADER + rebuild + b"(tR.",
        "a new state for a name": HEADER + rebuild + b"}" + text(b"x") + b"K\x01sb.",
        "an array of objects": HEADER
        + b"}("
        + text(b"a")
        + array(np.zeros(2, "u1"), b"O8")
        + b"u.",
        "an array without a state": HEADER
        + b"}("
        + text(b"a")
        + rebuild
        + ndarray
        + b"K\x00\x85U\x01b\x87Ru.",
        "a shape beyond its bytes": HEADER
        + b"}("
        + text(b"a")
        + array(np.zeros(2, "u1")).replace(b"J\x02\x00\x00\x00", huge)
        + b"u.",
        "a persistent identifier": b"Pexecuted\n.",
        "a persistent identifier of protocol 1": HEADER + text(b"executed") + b"Q.",
        "an oversized frame": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"N.",
        "an oversized string": HEADER + b"T" + struct.pack("<i", 2**31 - 1) + b"a.",
        "a negative length": HEADER + b"T" + struct.pack("<i", -1) + b"a.",
        "an oversized memo": HEADER + b"Nr" + struct.pack("<I", 2**32 - 1) + b".",
        "an extension": HEADER + b"\x82\x01.",
        "an instance": HEADER + b"(ios\nsystem\n.",
        "deep nesting": HEADER + b"}(" + text(b"a") + b"](" * 20000 + b"e" * 20000 + b"u.",
        "a list": HEADER + b"].",
        "an unhashable key": HEADER + b"}(]]u.",
        "cut off": dump({"a": [1, 2]})[:-3],
        "nothing": b"",
        "text": b"<html>not found</html>",
        "an unknown protocol": b"\x80\x63}.",
        "bytes that are no text": dump({"a": ["x"]}).replace(b"x", b"\xff"),
    }


@pytest.mark.parametrize("kind", hostile())
def test_a_hostile_pickle_is_refused_and_not_executed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError):
        unpickle.loads(hostile()[kind])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["os.system by hand", "posix.system", "builtins.eval"])
def test_the_names_are_refused_even_without_the_list_of_instructions(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(unpickle, "_inspect", lambda data: None)
    with pytest.raises(pickle.UnpicklingError, match="is not admitted"):
        unpickle.loads(hostile()[kind])
    assert not list(tmp_path.iterdir())


def test_persistent_identifiers_are_refused_by_the_reader_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unpickle, "_inspect", lambda data: None)
    with pytest.raises(pickle.UnpicklingError, match="persistent"):
        unpickle.loads(b"Pexecuted\n.")


def test_the_hostile_pickles_are_sharp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(hostile()["builtins.eval"])
    assert (tmp_path / "executed").read_text() == "gotcha!"


def test_a_missing_archive_is_downloaded_checked_and_unpacked(
    publish: Callable[..., Archive], folder: Path
) -> None:
    publish()
    assert not datasets.available(NAME)
    dataset = datasets.load(NAME)
    assert datasets.available(NAME)
    visible = {path.name for path in folder.iterdir() if not path.name.startswith(".unpacking")}
    assert visible - {f".{cifar10.ARCHIVE.folder}.lock"} == {cifar10.ARCHIVE.folder}
    assert {path.name for path in (folder / cifar10.ARCHIVE.folder).iterdir()} == set(
        cifar10.ARCHIVE.files
    )
    assert [len(split) for split in (dataset.train, dataset.validation, dataset.test)] == [
        *(900, 100, 200)
    ]
    assert np.bincount(dataset.validation.labels).tolist() == [10] * 10


def test_pixels_keep_their_places_and_labels(
    publish: Callable[..., Archive], files: dict[str, bytes]
) -> None:
    publish()
    dataset = datasets.load(NAME)
    raw = pickle.loads(files["test_batch"], encoding="latin1")
    image, row = dataset.test.images[7], raw["data"][7]
    for channel in range(3):
        for y, x in ((0, 0), (5, 31), (31, 2)):
            assert image[y, x, channel] == row[channel * 1024 + y * 32 + x]
    assert dataset.test.labels.tolist() == raw["labels"]


def test_an_archive_that_lies_there_is_not_downloaded(
    publish: Callable[..., Archive], folder: Path, files: dict[str, bytes]
) -> None:
    folder.mkdir()
    packed = pack(folder / "tiny.tar.gz", files)
    publish(url="http://127.0.0.1:9/tiny.tar.gz", md5=md5(packed.read_bytes()))
    datasets.fetch(NAME, progress=False)
    assert datasets.available(NAME)
    assert packed.exists()


def test_an_archive_with_another_checksum_is_not_opened(
    publish: Callable[..., Archive], folder: Path
) -> None:
    publish(md5="0" * 32)
    with pytest.raises(UserError, match="did not give the official archive") as caught:
        datasets.fetch(NAME, progress=False)
    assert "\n" not in str(caught.value)
    assert not (folder / cifar10.ARCHIVE.folder).exists()


def test_without_a_network_one_line_says_what_to_put_where(
    publish: Callable[..., Archive], folder: Path
) -> None:
    publish(url="http://127.0.0.1:9/tiny.tar.gz")
    with pytest.raises(UserError) as caught:
        datasets.load(NAME)
    line = str(caught.value)
    assert "\n" not in line
    assert all(word in line for word in ("cifar-10-batches-py/", str(folder), "DLMO_DATA"))


def test_a_data_folder_that_cannot_be_made_is_a_clear_line(
    publish: Callable[..., Archive], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DLMO_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(UserError, match="DLMO_DATA"):
        datasets.load(NAME)


def test_a_file_with_another_checksum_is_refused_before_it_is_read(
    publish: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    path = datasets.fetch(NAME, progress=False) / "data_batch_3"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    read: list[bytes] = []

    def loads(data: bytes) -> dict[str, Any]:
        read.append(data)
        return whole(data)

    monkeypatch.setattr(unpickle, "loads", loads)
    with pytest.raises(UserError, match="not the official file") as caught:
        datasets.load(NAME)
    assert str(path) in str(caught.value)
    assert bytes(content) not in read and len(read) == 2


def test_a_malicious_file_with_the_expected_checksum_is_not_executed(
    publish: Callable[..., Archive], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = hostile()["os.system by hand"]
    archive = publish(files={"test_batch": md5(bad)})
    (folder / cifar10.ARCHIVE.folder).mkdir(parents=True)
    (folder / cifar10.ARCHIVE.folder / "test_batch").write_bytes(bad)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"os\.system is not admitted"):
        archive.read("test_batch")
    assert not (tmp_path / "executed").exists()


def member(name: str, **changes: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    "info",
    [
        member("../escaped"),
        member("cifar-10-batches-py/../../escaped"),
        member("/" + "tmp/../escaped/../../escaped"),
        member("cifar-10-batches-py/link", type=tarfile.SYMTYPE, linkname="../../.."),
        member("cifar-10-batches-py/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("cifar-10-batches-py/hard", type=tarfile.LNKTYPE, linkname="../../escaped"),
        member("cifar-10-batches-py/pipe", type=tarfile.FIFOTYPE),
        member("cifar-10-batches-py/test_batch", type=tarfile.SYMTYPE, linkname="data_batch_1"),
        member("cifar-10-batches-py/test_batch", type=tarfile.DIRTYPE),
    ],
    ids=lambda info: f"{info.name} {info.type!r}",
)
def test_an_archive_that_reaches_outside_or_holds_links_is_refused(
    info: tarfile.TarInfo, files: dict[str, bytes], folder: Path, publish: Callable[..., Archive]
) -> None:
    folder.mkdir()
    path = folder / "evil.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(info)
        for name, content in files.items():
            tar.addfile(
                member(f"{cifar10.ARCHIVE.folder}/{name}", size=len(content)), io.BytesIO(content)
            )
    with pytest.raises(UserError, match="was refused"):
        publish().unpack(path, folder)
    assert {entry.name for entry in folder.iterdir()} == {"evil.tar.gz"}
    assert not list(folder.parent.rglob("*escaped*"))


def test_only_the_files_that_we_read_are_unpacked(
    files: dict[str, bytes], folder: Path, publish: Callable[..., Archive]
) -> None:
    folder.mkdir()
    path = pack(folder / "a.tar.gz", {**files, "sub/data_batch_1": b"x", "extra": b"y"})
    publish().unpack(path, folder)
    found = {entry.name for entry in (folder / cifar10.ARCHIVE.folder).rglob("*")}
    assert found == set(files)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x1f\x8b\x08\x00" + bytes(6) + b"junk"])
def test_what_is_no_archive_is_refused(
    content: bytes, folder: Path, publish: Callable[..., Archive]
) -> None:
    folder.mkdir()
    (folder / "a.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match="was refused"):
        publish().unpack(folder / "a.tar.gz", folder)


def test_an_incomplete_archive_is_refused(
    files: dict[str, bytes], folder: Path, publish: Callable[..., Archive]
) -> None:
    folder.mkdir()
    less = {name: content for name, content in files.items() if name != "test_batch"}
    with pytest.raises(UserError, match="lacks test_batch"):
        publish().unpack(pack(folder / "a.tar.gz", less), folder)


def real(name: str) -> datasets.Dataset:
    if not datasets.available(name):
        pytest.skip(f"{name} is not in {paths.datasets()}; DLMO_DATA may name its folder")
    return datasets.load(name)


@pytest.mark.cifar
@pytest.mark.parametrize(("name", "count"), [("cifar10", 10), ("cifar100", 100)])
def test_the_official_files_give_stratified_splits(name: str, count: int) -> None:
    dataset = real(name)
    for split, total in ((dataset.train, 45000), (dataset.validation, 5000), (dataset.test, 10000)):
        assert split.images.shape == (total, 32, 32, 3)
        assert np.bincount(split.labels).tolist() == [total // count] * count
    assert dataset.classes == datasets.classes(name)
    assert dataset.checksum == datasets.checksum(name)


@pytest.mark.cifar
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_training_and_validation_together_are_the_official_training_images(name: str) -> None:
    dataset = real(name)
    source: Any = registry.sources()[name]
    rows, labels = [], []
    for file in source.layout.train:
        content = pickle.loads((source.where() / file).read_bytes(), encoding="latin1")
        rows.append(content["data"])
        labels.extend(content[source.labels])
    official = sorted(zip(map(bytes, np.concatenate(rows)), labels, strict=True))
    ours = sorted(
        (image.transpose(2, 0, 1).tobytes(), label)
        for split in (dataset.train, dataset.validation)
        for image, label in zip(split.images, split.labels.tolist(), strict=True)
    )
    assert ours == official


@pytest.mark.cifar
def test_each_fine_class_has_one_superclass_and_each_superclass_five() -> None:
    fine, coarse = real("cifar100"), real("cifar100_coarse")
    assert coarse.classes == datasets.classes("cifar100_coarse")
    pairs = set()
    for name in ("train", "validation", "test"):
        one, other = getattr(fine, name), getattr(coarse, name)
        assert np.array_equal(one.images, other.images)
        pairs |= set(zip(one.labels.tolist(), other.labels.tolist(), strict=True))
    assert len(pairs) == 100
    assert np.bincount([superclass for _, superclass in pairs]).tolist() == [5] * 20
    trees = {fine.classes[f] for f, c in pairs if coarse.classes[c] == "trees"}
    assert trees == {"maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"}


@pytest.mark.cifar
def test_a_restriction_of_the_official_files() -> None:
    whole, pair = real("cifar10"), real("cifar10[truck,automobile]")
    assert [len(split) for split in (pair.train, pair.validation, pair.test)] == [9000, 1000, 2000]
    trucks = whole.test.images[whole.test.labels == whole.classes.index("truck")]
    assert np.array_equal(pair.test.images[pair.test.labels == 0], trucks)


@pytest.mark.cifar
def test_the_sheet_finds_the_test_images_that_cifar_repeats() -> None:
    ten, hundred = datasets.sheet(real("cifar10")), datasets.sheet(real("cifar100"))
    assert ten.loc["total"].to_dict() == {
        **{"train": 45000, "validation": 5000, "test": 10000},
        "test_seen": 0,
    }
    assert hundred.loc["total", "test_seen"] == 10

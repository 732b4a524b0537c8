"""500 mutated files of each kind: no crash, no hang, no traceback; at worst one clear line."""

import io
import pickle
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import make_deployables
import make_models
import make_records
from dlmo import deployable, instruments, paths, recipes, records
from dlmo.chapter import yaml_files
from dlmo.datasets import picture, unpickle
from dlmo.errors import UserError
from dlmo.networks import own, own_files
from dlmo.trials import Trial
from mutants import mutants

COUNT = 500
LONGEST = 10.0
"""Seconds for one file, on a machine that does other things as well."""


class Refused:
    """Reads one mutant after another, and counts what was refused and how long the longest took."""

    def __init__(self, *kinds: type[Exception]) -> None:
        self.kinds, self.count, self.longest = kinds or (UserError,), 0, 0.0

    def read(self, reader: Any, *arguments: Any) -> Any:
        began = time.monotonic()
        try:
            return reader(*arguments)
        except self.kinds as error:
            assert "\n" not in str(error), error
            self.count += 1
            return None
        finally:
            self.longest = max(self.longest, time.monotonic() - began)

    def check(self, least: int) -> None:
        assert self.count >= least and self.longest < LONGEST


def test_pickles() -> None:
    batch = {
        "data": np.arange(3072, dtype=np.uint8).reshape(1, -1),
        "labels": [3],
        "names": "x" * 50,
    }
    refused = Refused(pickle.UnpicklingError)
    for protocol in (2, 4):
        data = pickle.dumps(batch, protocol)
        for mutant in mutants(data, COUNT // 2, seed=protocol, head=40):
            refused.read(unpickle.loads, mutant)
    refused.check(COUNT // 5)


def pictures() -> Iterator[tuple[bytes, int]]:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))
    for kind, head in (("JPEG", 200), ("PNG", 40), ("WEBP", 30)):
        stream = io.BytesIO()
        image.save(stream, kind)
        yield stream.getvalue(), head


def test_images() -> None:
    refused = Refused(ValueError)
    for seed, (data, head) in enumerate(pictures()):
        for mutant in mutants(data, COUNT // 3 + 1, seed, head):
            pixels = refused.read(picture.decode, mutant, 32)
            assert pixels is None or (pixels.shape, pixels.dtype) == ((32, 32, 3), np.uint8)
    refused.check(COUNT // 5)


def broken(source: Path) -> Iterator[bytes]:
    """Yield mutants of a model's file; of a `.keras`, half are of what it has packed."""
    if source.suffix != ".keras":
        yield from mutants(source.read_bytes(), COUNT, seed=4, head=600)
        return
    yield from mutants(source.read_bytes(), COUNT // 2, seed=4, head=600)
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, head in (("config.json", 1500), ("model.weights.h5", 600)):
        for mutant in mutants(members[name], COUNT // 4, seed=5, head=head):
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w") as archive:
                for one, data in {**members, name: mutant}.items():
                    archive.writestr(one, data)
            yield stream.getvalue()


@pytest.mark.parametrize("name", ["keras2.h5", "keras3.keras"])
def test_models(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    source = make_models.folder(request.config.cache) / name
    refused, built = Refused(), 0
    for mutant in broken(source):
        file = tmp_path / f"mutant{source.suffix}"
        file.write_bytes(mutant)
        if refused.read(own_files.read, file) is not None and built < 40:
            built += 1
            refused.read(own.check, f"{file}[preprocessing=raw]", 10)
    assert built > 10
    refused.check(COUNT // 4)


def test_tflites(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    folder = make_deployables.folder(request.config.cache)
    refused, run = Refused(), 0
    for seed, name in enumerate(("float", "int8_io", "sparse_encoded", "dynamic")):
        data = (folder / f"{name}.tflite").read_bytes()
        for mutant in mutants(data, COUNT // 4, seed, head=2000):
            if refused.read(deployable.read, mutant) is not None and run < 20:
                run += 1
                (tmp_path / "mutant.tflite").write_bytes(mutant)
                # What passes for a model may still kill the interpreter: that is a child.
                refused.read(instruments.delegated, tmp_path / "mutant.tflite")
    assert run == 20
    refused.check(COUNT // 5)


def test_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (paths.recipes() / "smoke.yml").read_bytes()
    monkeypatch.setenv("DLMO_RECIPES", str(tmp_path))
    refused = Refused()
    for number, mutant in enumerate(mutants(data, COUNT, seed=6, head=200)):
        (tmp_path / f"m{number}.yml").write_bytes(mutant)
        refused.read(lambda name: recipes.profile(name).step("train", "vggnet"), f"m{number}")
    refused.check(COUNT // 5)


def test_parameter_files(tmp_path: Path) -> None:
    data = b"network: vggnet\nseeds: 3\ntechniques: [NQ, 'F16', \"QAT\"]\nlive: true\n"
    refused = Refused()
    for mutant in mutants(data, COUNT, seed=7, head=16):
        (tmp_path / "mutant.yml").write_bytes(mutant)
        refused.read(yaml_files.mapping, tmp_path / "mutant.yml")
    refused.check(COUNT // 10)


def test_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLMO_RESULTS", str(tmp_path / "whole"))
    made = make_records.written(Trial(dataset="digits", network="vggnet", technique="FIQ"))
    refused = Refused()
    for record in made:
        source = records.file(record)
        for mutant in mutants(source.read_bytes(), COUNT // len(made) + 1, seed=8, head=120):
            target = tmp_path / "one/digits/vggnet" / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(mutant)
            found = refused.read(records.read, target)
            # What is accepted says what the whole record says.
            assert found is None or found == record
    refused.check(COUNT * 9 // 10)
    shutil.rmtree(tmp_path / "one")

"""Official archives: found in the data folder or downloaded, and checked before they are read."""

import gzip
import hashlib
import logging
import pickle
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from dlmo import paths
from dlmo.datasets import unpickle
from dlmo.errors import UserError

_TIMEOUT_S = 20
_LARGEST_MEMBER = 200_000_000


@dataclass(frozen=True, eq=False)
class Archive:
    """One official archive of pickles.

    Attributes:
        folder: the folder that it unpacks to.
        url: where it is published.
        md5: of the archive.
        files: the files that we read, with their MD5s.
    """

    folder: str
    url: str
    md5: str
    files: Mapping[str, str]

    def where(self) -> Path:
        """Return the folder's place, whether it is there or not."""
        return paths.datasets() / self.folder

    def present(self) -> bool:
        """Say whether all files are there (their content is checked when they are read)."""
        return all((self.where() / name).is_file() for name in self.files)

    def bytes(self) -> int:
        """Return the size of the files that are there."""
        found = [self.where() / name for name in self.files]
        return sum(path.stat().st_size for path in found if path.is_file())

    def fetch(self, progress: bool = True) -> Path:
        """Return the folder, after downloading and unpacking the archive where it is missing.

        Raises:
            UserError: the archive can be neither downloaded nor written, or is not the official
                one.
        """
        if not self.present():
            try:
                self._install(progress)
            except OSError as error:
                raise self._missing(error) from error
        return self.where()

    def read(self, name: str) -> dict[str, Any]:
        """Return the content of one file, after its checksum was compared.

        Raises:
            UserError: the file cannot be read, or is not the official one.
        """
        path = self.where() / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror})") from error
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if found != self.files[name]:
            raise UserError(
                f"{path} is not the official file (MD5 {found} instead of {self.files[name]}) and "
                "was not read; delete it, and it is downloaded again"
            )
        try:
            return unpickle.loads(data)
        except pickle.UnpicklingError as error:
            raise UserError(f"{path} is no CIFAR pickle and was not executed: {error}") from error

    def _install(self, progress: bool) -> None:
        root = paths.datasets()
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{self.folder}.lock"):
            if self.present():
                return
            kept = (root / self._file()).exists()
            archive = self._download(root, progress)
            self.unpack(archive, root)
            if not kept:
                archive.unlink()

    def _file(self) -> str:
        return self.url.rpartition("/")[2]

    def _download(self, root: Path, progress: bool) -> Path:
        import pooch  # here, because it brings a network client that few callers need

        pooch.get_logger().setLevel(logging.WARNING)
        try:
            return Path(
                pooch.retrieve(
                    self.url,
                    known_hash=f"md5:{self.md5}",
                    fname=self._file(),
                    path=root,
                    downloader=pooch.HTTPDownloader(progressbar=progress, timeout=_TIMEOUT_S),
                )
            )
        except OSError:
            raise
        except ValueError as error:
            raise UserError(
                f"{self.url} did not give the official archive (its MD5 is not {self.md5}), so "
                f"nothing was unpacked; {self._advice()}"
            ) from error

    def unpack(self, archive: Path, root: Path) -> None:
        """Unpack the files that we read from an archive, and nothing else, into `root`/`folder`.

        Raises:
            UserError: a member would land outside, one of our files is no plain file or missing,
                or it is no archive at all.
        """
        with tempfile.TemporaryDirectory(dir=root, prefix=".unpacking-") as temporary:
            try:
                self._extract(archive, Path(temporary))
            except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
                raise UserError(f"{archive} was refused: {error}") from error
            self.where().mkdir(parents=True, exist_ok=True)
            for name in self.files:
                shutil.move(Path(temporary) / name, root / self.folder / name)

    def _extract(self, archive: Path, destination: Path) -> None:
        missing = set(self.files)
        with tarfile.open(archive) as tar:
            for member in tar:
                tarfile.data_filter(member, str(destination))
                folder, _, name = member.name.rpartition("/")
                if folder != self.folder or name not in self.files:
                    continue
                if not member.isreg() or member.size > _LARGEST_MEMBER:
                    raise tarfile.TarError(f"{member.name!r} is no plain file of a plausible size")
                source = tar.extractfile(member)
                assert source is not None
                with source, (destination / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
                missing.discard(name)
        if missing:
            raise tarfile.TarError(f"it lacks {', '.join(sorted(missing))}")

    def _missing(self, error: OSError) -> UserError:
        return UserError(
            f"{self.folder}/ is not in {paths.datasets()} and {self.url} could not be fetched "
            f"({type(error).__name__}); {self._advice()}"
        )

    def _advice(self) -> str:
        return (
            f"put the official folder {self.folder}/ into {paths.datasets()}, or let the variable "
            "DLMO_DATA name the folder that holds it"
        )

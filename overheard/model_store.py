"""Where trained models are kept: a folder or an fsspec URL that all machines reach. A version is written once."""

import shutil
import tempfile
from pathlib import Path

from overheard.errors import BundleError, SettingsError
from overheard.scoring.bundle import MANIFEST, load_manifest
from overheard.settings import PREFIX, Settings


class ModelStore:
    """Bundles by version. Whatever is fetched is checked against its version and the hashes of its manifest."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when the URL can't be used."""
        from fsspec.core import url_to_fs

        url = settings.model_store or str(settings.models / "versions")
        try:
            self._files, self._root = url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise SettingsError(f"{PREFIX}MODEL_STORE {url!r} can't be used: {error}") from error
        self._cache = settings.models / "fetched"
        self.url = url

    @property
    def _is_local(self) -> bool:
        return "file" in (self._files.protocol if isinstance(self._files.protocol, tuple) else (self._files.protocol,))

    def put(self, bundle: Path) -> str:
        """Keep a bundle; returns its version. Raises BundleError when it is damaged, OSError when there is no room."""
        version = load_manifest(bundle).version
        if self._is_local:
            _copy(bundle, Path(self._root) / version)
        elif not self._files.exists(self._place(version, MANIFEST)):
            names = sorted((path.name for path in bundle.iterdir()), key=lambda name: name == MANIFEST)  # it comes last
            self._files.makedirs(self._place(version), exist_ok=True)
            for name in names:
                self._files.put_file(str(bundle / name), self._place(version, name))
        return version

    def fetch(self, version: str) -> Path:
        """The directory of a version's bundle, on this machine and unharmed. Raises BundleError."""
        directory = Path(self._root) / version if self._is_local else self._fetched(version)
        found = load_manifest(directory).version
        if found != version:
            raise BundleError(directory, f"holds version {found} instead of {version}")
        return directory

    def _fetched(self, version: str) -> Path:
        directory = self._cache / version
        if not directory.exists():
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._cache, prefix=f".{version}-") as scratch:
                draft = Path(scratch) / version
                draft.mkdir()
                try:
                    for path in self._files.ls(self._place(version), detail=False):
                        self._files.get_file(path, str(draft / Path(path).name))
                except Exception as error:  # each file system raises its own kinds
                    raise BundleError(self._place(version), f"can't be fetched from {self.url}: {error}") from error
                load_manifest(draft)
                _move(draft, directory)
        return directory

    def _place(self, *names: str) -> str:
        return "/".join([self._root.rstrip("/"), *names])


def _copy(bundle: Path, to: Path) -> None:
    if to.exists():
        return
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as scratch:
        draft = Path(scratch) / to.name
        shutil.copytree(bundle, draft)
        _move(draft, to)


def _move(draft: Path, to: Path) -> None:
    """Whoever comes second finds the same version there."""
    try:
        draft.rename(to)
    except OSError:
        if not to.exists():
            raise

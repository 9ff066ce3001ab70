"""Several files and folders replaced together, or not at all."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType


def remove(path: Path) -> None:
    """Remove a file, a link (never what it points to) or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def exists(path: Path) -> bool:
    """Whether something is there, be it a link that leads nowhere."""
    return path.is_symlink() or path.exists()


class Replacing:
    """A context: what is written and removed inside takes effect at its end, all of it or, if that or the
    body fails, none of it. Everything new is on the disk before the first old thing is touched."""

    def __init__(self) -> None:
        self._steps: list[tuple[Path, Path | None]] = []

    def __enter__(self) -> Replacing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            for _, new in self._steps:
                if new is not None:
                    remove(new)

    def write(self, target: Path, data: bytes) -> None:
        """Make ``target`` a file that holds ``data``; it keeps its permissions, and a link stays a link."""
        target = target.resolve() if target.is_symlink() else target
        new = self._stage(target)
        new.write_bytes(data)
        if target.exists():
            shutil.copymode(target, new)

    def tree(self, target: Path, files: Mapping[str, bytes], links: Mapping[str, Path] | None = None) -> None:
        """Make ``target`` a folder with just these files and links, by their path in it."""
        new = self._stage(target)
        new.mkdir()
        for name, data in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for name, to in (links or {}).items():
            (new / name).symlink_to(to, target_is_directory=to.is_dir())

    def delete(self, target: Path) -> None:
        """Make ``target`` be gone."""
        self._recover(target)
        self._steps.append((target, None))

    def _stage(self, target: Path) -> Path:
        self._recover(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.new")
        remove(new)
        self._steps.append((target, new))
        return new

    @staticmethod
    def _aside(target: Path) -> Path:
        return target.with_name(f".{target.name}.old")

    def _recover(self, target: Path) -> None:
        """Put back what a run that was killed between two renames has left aside."""
        aside = self._aside(target)
        if exists(aside) and not exists(target):
            aside.rename(target)
        remove(aside)

    def _commit(self) -> None:
        done: list[tuple[Path, bool]] = []
        try:
            for target, new in self._steps:
                had = exists(target)
                if had:
                    target.rename(self._aside(target))
                done.append((target, had))
                if new is not None:
                    new.rename(target)
        except BaseException:
            for target, had in reversed(done):
                remove(target)
                if had:
                    self._aside(target).rename(target)
            raise
        for target, _ in done:
            # What cannot be removed now is out of the way, and the next run removes it.
            with contextlib.suppress(OSError):
                remove(self._aside(target))

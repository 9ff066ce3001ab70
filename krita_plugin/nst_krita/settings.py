"""What the plugin remembers between sessions: one JSON file in the user's data folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .backend import wire
from .backend.files import write_whole

MAX_RECENT = 12


class Settings:
    """Options, styles and recent pictures as JSON values. A missing or damaged file means the defaults.

    Several Kritas share the file: each value is the one written last, by whichever.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or wire.connection.data_dir() / "plugin.json"
        self._values: dict[str, Any] = {}
        self._unwritten: dict[str, Any] = {}
        self._seen: Any = None  # what tells the file read last from the next one

    def get(self, name: str, kind: type) -> Any:
        """The value of ``name`` if it has this type, else an empty one of it."""
        self._look()
        value = self._values.get(name)
        return value if isinstance(value, kind) else kind()

    def set(self, name: str, value: Any) -> None:
        """Keep ``value``, and write the file if that is news. A folder that cannot be written is no error:
        the painter can work without being remembered."""
        self._look()
        if self._values.get(name) == value and name not in self._unwritten:
            return
        self._unwritten[name] = self._values[name] = value
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(self._values, indent=1))
            self._unwritten.clear()
        except OSError:
            pass

    @property
    def recent(self) -> list[str]:
        """Paths of pictures that served as styles, the latest first."""
        return [path for path in self.get("recent", list) if isinstance(path, str)]

    def add_recent(self, path: str) -> None:
        """Put ``path`` at the head of the recent pictures."""
        self.set("recent", [path, *(known for known in self.recent if known != path)][:MAX_RECENT])

    def _look(self) -> None:
        """Take over what another Krita has written meanwhile."""
        try:
            found = self._path.stat()
        except OSError:
            return
        seen = found.st_mtime_ns, found.st_size, found.st_ino
        if seen == self._seen:
            return
        try:
            values = json.loads(self._path.read_text(encoding="utf-8"))
        except OSError:  # Windows, while another Krita replaces it
            return
        except (ValueError, RecursionError):
            values = None
        self._seen = seen
        if isinstance(values, dict):
            self._values = {**values, **self._unwritten}

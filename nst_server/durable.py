"""Files that hold even if the machine stops: whole or not there at all, and once said to be there, there.

As far as ``fsync`` reaches: macOS leaves it to the drive when its cache is written.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under another name, then give it its own. Raises OSError; what was there stays then.

    Unless it is the name alone that could not be made to hold: then the new file is there.
    """
    temporary = path.with_suffix(".part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        rename(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def rename(source: Path, target: Path) -> None:
    """Give a file its name in the same folder, for good. Raises OSError."""
    source.replace(target)
    sync_folder(target.parent)


def append(path: Path, data: bytes) -> int:
    """Append to a file; returns where ``data`` begins. Raises OSError; the file is as before then."""
    is_new = not path.exists()
    # Unbuffered: closing must not try once more to write what could not be written.
    with path.open("ab", buffering=0) as file:
        start = file.tell()
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(start)
            raise
    if is_new:
        sync_folder(path.parent)
    return start


def sync_folder(folder: Path) -> None:
    """Let the names in ``folder`` hold, which are not part of the files. Raises OSError."""
    if sys.platform == "win32":
        return  # folders cannot be opened there; NTFS writes down names before it goes on
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems know no such thing.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)

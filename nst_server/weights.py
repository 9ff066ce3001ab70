"""VGG's pretrained weights: find, download, check, keep the convolutional part."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nst_server.wire.connection import data_dir
from nst_server.wire.layers import layer_names

if TYPE_CHECKING:  # loading torch takes seconds; where the weights are, is known without it
    from torch import Tensor

NAMES = ("vgg19", "vgg16")

# Channels of the five blocks (Simonyan & Zisserman 2014, table 1).
WIDTHS = (64, 128, 256, 512, 512)

_CHUNK = 1 << 20
_ATTEMPTS = 3  # in a row without a single new byte
_PAUSE = 1.0  # s between attempts
_UNATTENDED = 15.0  # s without growth after which a partial download has been given up by its process
_KEPT_BYTES = 90_000_000  # room for the convolutional part of VGG19, the larger one

Progress = Callable[[int, int], None]


class WeightsError(Exception):
    """Weights that cannot be had or used. ``hint`` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}")
        self.message = message
        self.hint = hint


class Weights(NamedTuple):
    """Network, "vgg19" or "vgg16", and its convolutions, float32, by torchvision's keys of ``features``."""

    name: str
    state: dict[str, Tensor]


class Convolution(NamedTuple):
    """A convolution's place: layer name, position in torchvision's ``features``, channels in and out."""

    name: str
    position: int
    inputs: int
    outputs: int
    pooled: bool  # whether a pooling comes before it


@cache
def convolutions(encoder: str) -> tuple[Convolution, ...]:
    """The convolutions of "vgg16" or else VGG19, shallow to deep, as torchvision lays them out."""
    found, inputs = [], 3
    for index, name in enumerate(layer_names(encoder)):
        block = int(name[4])
        # Each convolution is followed by its rectifier, each block by a pooling.
        position, pooled = 2 * index + block - 1, block > 1 and name.endswith("_1")
        found.append(Convolution(name, position, inputs, WIDTHS[block - 1], pooled))
        inputs = WIDTHS[block - 1]
    return tuple(found)


def where() -> Path:
    """The folder of the weights on this machine; NST_WEIGHTS_DIR overrides it."""
    override = os.environ.get("NST_WEIGHTS_DIR")
    return Path(override) if override else data_dir() / "weights"


def kept_file(name: str) -> Path:
    """Where the weights of ``name`` are, or would be."""
    return where() / f"{name}-features.pt"


def cached(name: str) -> Path | None:
    """The kept weights of ``name``, or None. Looks only whether they are there; ``load`` checks them."""
    file = kept_file(name)
    return file if file.is_file() and _record(file).is_file() else None


def published_url(name: str) -> str:
    """Where torchvision publishes ``name``; NST_WEIGHTS_URL names a mirror's folder of the same files."""
    from torchvision.models import VGG16_Weights, VGG19_Weights

    published = {"vgg19": VGG19_Weights, "vgg16": VGG16_Weights}[name]
    url = str(published.IMAGENET1K_V1.url)
    mirror = os.environ.get("NST_WEIGHTS_URL")
    return f"{mirror.rstrip('/')}/{url.rpartition('/')[2]}" if mirror else url


def load(path: Path) -> Weights:
    """Read a state dict of VGG19 or VGG16, whole or ``features`` only, saved by ``torch.save``.

    A file of the per-user folder is also compared with the SHA-256 recorded when it was kept.
    Raises WeightsError naming the file and what is expected.
    """
    import torch

    hint = "Expected is a state dict of torchvision's VGG19 or VGG16, whole or features only."
    try:
        record = _record(path)
        if record.is_file() and record.read_text(encoding="ascii").strip() != _digest(path):
            raise WeightsError(
                f"{path} is damaged.", f"Remove it, then run: nst weights fetch {path.name[:5]}"
            )
        # Opened here, so that what torch raises about the contents is not taken for a failure of the disk.
        file = path.open("rb")
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.", hint) from error
    try:
        with file:
            loaded: object = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise WeightsError(f"{path} is damaged, or not a file of weights alone.", hint) from error
    if not isinstance(loaded, Mapping) or not all(isinstance(key, str) for key in loaded):
        raise WeightsError(f"{path} holds a {type(loaded).__name__}, not a state dict.", hint)
    state = {key.removeprefix("features."): value for key, value in loaded.items()}
    problems = {name: _problem(name, state) for name in NAMES}
    # The networks begin alike. The one that fits; else the one whose last convolution is there.
    likely = "vgg19" if "34.weight" in state or "28.weight" not in state else "vgg16"
    name = next((name for name in NAMES if not problems[name]), likely)
    if problems[name]:
        raise WeightsError(f"{path} does not fit {name}: {problems[name]}.", hint)
    return Weights(name, {key: state[key].float().contiguous() for key in _shapes(name)})


def keep(weights: Weights) -> Path:
    """Write ``weights`` to the per-user folder, whole or not at all, with their SHA-256 beside them."""
    import torch

    file = kept_file(weights.name)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Cloned, because saving a view saves all that it looks into.
        torch.save({key: value.clone() for key, value in weights.state.items()}, temporary)
        digest = _digest(temporary)
        _record(file).unlink(missing_ok=True)
        temporary.replace(file)
        _record(file).write_text(digest + "\n", encoding="ascii")
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        raise _cannot_write(file, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return file


def fetch(
    name: str,
    progress: Progress = lambda done, total: None,
    *,
    url: str | None = None,
    connect_timeout: float = 5.0,
    check: Callable[[], None] = lambda: None,
) -> Path:
    """Download ``name`` unless it is kept already; returns the kept file.

    An interrupted download goes on where it stopped, also in a later call. The eight hex digits in the
    file name are the beginning of its SHA-256, as torch.hub reads them. ``progress`` gets bytes done and
    in all (0: not known). ``check`` is called often; what it raises ends the download, and the part that
    is here stays. ``connect_timeout`` in seconds is also the longest silence. Raises WeightsError.
    """
    if name not in NAMES:
        raise WeightsError(f"There are no weights of {name!r}.", f"There are {' and '.join(NAMES)}.")
    if file := cached(name):
        return file
    url = url or published_url(name)
    part = where() / (url.rpartition("/")[2] + ".part")
    try:
        where().mkdir(parents=True, exist_ok=True)
        while _attended(part) and not cached(name):
            check()
            progress(part.stat().st_size, 0)
            time.sleep(0.2)
        if file := cached(name):
            return file
        try:
            _download(url, part, progress, connect_timeout, check)
        finally:
            if part.exists():
                os.utime(part, (0, 0))  # says that nobody is at it any more
    except OSError as error:
        raise _cannot_write(part, error) from error
    _verify(part, url)
    weights = load(part)
    if weights.name != name:
        raise WeightsError(f"{url} holds {weights.name}, not {name}.", "Give another address.")
    file = keep(weights)
    part.unlink(missing_ok=True)
    return file


def _download(url: str, part: Path, progress: Progress, timeout: float, check: Callable[[], None]) -> None:
    """Bring ``part`` to its whole length, reconnecting where that helps."""
    failures, begun = 0, False
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _transfer(url, part, progress, timeout, check):
                return
            problem = "the connection broke"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and before:
                part.unlink()  # longer than the file there: of another file, or damaged
                continue
            if error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                raise _unavailable(url, f"the server answered {error.code} {error.reason}") from error
            problem = f"the server answered {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        grown = part.exists() and part.stat().st_size > before
        begun |= grown
        failures = 0 if grown else failures + 1
        # Without a network, those who would do without the file should not wait for three attempts.
        if not begun or failures >= _ATTEMPTS:
            raise _unavailable(url, problem)
        check()
        time.sleep(_PAUSE)


def _transfer(url: str, part: Path, progress: Progress, timeout: float, check: Callable[[], None]) -> bool:
    """One request; appends what comes to ``part``. Returns whether it is whole now."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "nst-krita", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    check()
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise _unavailable(url, "a web page came instead of the file, perhaps a network's login page")
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if answer.status == http.HTTPStatus.PARTIAL_CONTENT and span and int(span[1]) == have:
            total, mode = int(span[2]), "ab"
        else:
            have, mode = 0, "wb"
            total = int(answer.headers.get("Content-Length") or 0)
        _ensure_room(part, total - have)
        progress(have, total)
        with part.open(mode) as file:
            while chunk := _received(answer):
                file.write(chunk)
                have += len(chunk)
                progress(have, total)
                check()
    return have >= total


def _received(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read1(_CHUNK)
    except OSError as error:  # so that it is not taken for a failure of the disk
        raise ConnectionError(str(error)) from error


def _verify(part: Path, url: str) -> None:
    expected = re.search(r"-([0-9a-f]{8,64})\.[^./]*$", url)
    if expected and not _digest(part).startswith(expected[1]):
        part.unlink()
        raise WeightsError(
            f"What came from {url} is damaged: its SHA-256 does not begin with {expected[1]}.",
            "It was removed; fetch it again.",
        )


def _attended(part: Path) -> bool:
    """Whether another process is downloading this file right now."""
    return part.exists() and abs(time.time() - part.stat().st_mtime) < _UNATTENDED


def _ensure_room(part: Path, missing: int) -> None:
    if shutil.disk_usage(part.parent).free < missing + _KEPT_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _unavailable(url: str, problem: str) -> WeightsError:
    return WeightsError(
        f"{url} cannot be downloaded: {problem}.",
        "Try again later, or download it elsewhere and run: nst weights import FILE",
    )


def _cannot_write(file: Path, error: Exception) -> WeightsError:
    if getattr(error, "errno", None) == errno.ENOSPC:
        return WeightsError(
            f"There is too little room for {file}.", "Make room, or set NST_DATA_DIR elsewhere."
        )
    reason = getattr(error, "strerror", None) or error
    return WeightsError(f"{file} cannot be written: {reason}.", "Make room, or set NST_DATA_DIR elsewhere.")


def _record(file: Path) -> Path:
    return file.with_name(file.name + ".sha256")


def _digest(file: Path) -> str:
    sha = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


@cache
def _shapes(name: str) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for conv in convolutions(name):
        shapes[f"{conv.position}.weight"] = (conv.outputs, conv.inputs, 3, 3)
        shapes[f"{conv.position}.bias"] = (conv.outputs,)
    return shapes


def _problem(name: str, state: Mapping[str, Any]) -> str:
    """What keeps ``state`` from being the convolutions of ``name``; empty if nothing does."""
    from torch import Tensor

    for key, shape in _shapes(name).items():
        value = state.get(key)
        if not isinstance(value, Tensor) or not value.is_floating_point():
            return f"it has no weights named features.{key}"
        if value.shape != shape:
            return f"features.{key} is {tuple(value.shape)} and should be {shape}"
        if not bool(value.isfinite().all()):
            return f"features.{key} holds numbers that are not finite"
    return ""

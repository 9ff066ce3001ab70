"""``nst demo``: the main job on real input, from the photograph to the contact sheet."""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

from PIL import Image

from nst_server.cli import EXIT_DONE, EXIT_INTERRUPTED, pictures
from nst_server.cli.errors import CliError
from nst_server.cli.following import follow, forget
from nst_server.cli.options import add_params, must_be_usable, params_of, tell_idle
from nst_server.cli.server import add_connection, add_server, for_call, is_private
from nst_server.cli.stylize import new_job
from nst_server.cli.terminal import Progress
from nst_server.demo import inputs
from nst_server.demo.pictures import contact_sheet, loss_plot
from nst_server.wire.client import Client
from nst_server.wire.connection import Connection, connection_file, data_dir
from nst_server.wire.events import Event
from nst_server.wire.launch import running_server
from nst_server.wire.params import Params

#: What fits into two minutes on two CPU cores and still shows every frame of the series up to 200.
DEMO_SIZE, DEMO_ITERATIONS = 512, 250
#: For each of: Krita starting, the plugin starting the job, the last layer being shown. Slow disks included.
KRITA_SECONDS = 120.0


def add_parser(commands: Any) -> None:
    """Add the subcommand to ``commands``."""
    parser = commands.add_parser(
        "demo",
        help="see it work: paint a photograph of a temple, here or in Krita",
        description="Paint a bundled photograph like a bundled painting, with a real server process.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/demo"), metavar="DIR", help="where to write (default: out/demo)"
    )
    parser.add_argument("--content", choices=inputs.CONTENTS, default="china", help="which photograph")
    parser.add_argument(
        "--krita", action="store_true", help="do it inside Krita, in a window, with the plugin"
    )
    add_params(parser, size=DEMO_SIZE, iterations=DEMO_ITERATIONS)
    add_server(parser)
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand; returns the exit code."""
    if arguments.krita:
        _check_krita(arguments)
    params = params_of(arguments)
    if "image" in params.start_shares:
        raise CliError("--start image: the demo has no image to start from.", "Use content, noise or style.")
    content, style = inputs.content_photo(arguments.content), inputs.style_painting()
    must_be_usable(params, content.size, 1)
    tell_idle(arguments, params, content.size)
    what = f"{arguments.content} (content.png) like style.png"
    print(f"{what}, {params.iterations} iterations, into {arguments.out}/")
    began = time.monotonic()
    # First of all: where there is no Krita, or no display for it, nothing is made.
    krita = _krita(arguments, params, content, style) if arguments.krita else None
    recorder = Recorder(arguments.out, Progress())
    if krita is not None:
        done, interrupted = _in_krita(arguments, krita, recorder)
    else:
        job = new_job(Path(f"demo-{arguments.content}"))
        content.save(arguments.out / "content.png")
        style.save(arguments.out / "style.png")
        private = is_private(arguments)
        with for_call(arguments, "nst demo") as client:
            images = pictures.of(content).wire, [pictures.of(style).wire]
            # Who tries the demo has not agreed to 548 MB; who names the encoder has.
            client.submit(job, params, *images, title="nst demo", download=params.encoder != "auto")
            done, interrupted = follow(client, job, recorder, recorder.keep, keeps=private, stays=not private)
            forget(client, job)
    made_by = f"encoder {done['encoder']}, {done['device']}"
    seconds = time.monotonic() - began
    caption = f"{done['iteration']} iterations, {made_by}, {seconds:.0f} s"
    contact_sheet(content, [style], recorder.frames, caption).save(arguments.out / "contact-sheet.png")
    loss_plot(recorder.history, arguments.out / "loss.png", caption)
    for note in done["notes"]:
        print(f"note: {note}")
    print(
        f"{len(recorder.frames)} frames in {seconds:.0f} s (first after"
        f" {recorder.first_frame - began:.1f} s), {made_by}."
    )
    print(f"Look at {arguments.out}/final.png and {arguments.out}/contact-sheet.png")
    return EXIT_INTERRUPTED if interrupted else EXIT_DONE


def _check_krita(arguments: argparse.Namespace) -> None:
    """Raise CliError for what has no effect there."""
    names = ("device", "weights", "connection_file")
    given = ["--" + name.replace("_", "-") for name in names if getattr(arguments, name)]
    if given:
        problem = f"{given[0]}: with --krita the plugin starts a server of its own."
        raise CliError(problem, "Leave one of them out.")


def _krita(
    arguments: argparse.Namespace, params: Params, content: Image.Image, style: Image.Image
) -> subprocess.Popen[bytes]:
    """Krita, which starts the server and the job by itself."""
    # Imported here: the demo without Krita needs none of it.
    from krita_plugin import demo
    from krita_plugin.errors import SetupError

    os.environ.setdefault("NST_WEIGHTS_DIR", str(data_dir() / "weights"))
    os.environ["NST_DATA_DIR"] = str((arguments.out / "krita-profile" / "nst").absolute())
    os.environ.pop("NST_CONNECTION_FILE", None)  # another server's, with other jobs
    try:
        krita = demo.start(arguments.out, content, style, params.to_header())
    except SetupError as error:
        raise CliError(str(error), error.hint, code=1) from error
    print("Krita is starting; the layers will arrive in its window.")
    return krita


def _in_krita(
    arguments: argparse.Namespace, krita: subprocess.Popen[bytes], recorder: Recorder
) -> tuple[Event, bool]:
    """Follow the job there as a second client."""
    from krita_plugin import demo

    with _client_of(krita) as client:
        job = _first_job(client, krita)
        client.attach(job)
        done = follow(client, job, recorder, recorder.keep, ours=False)
    _wait(krita, (arguments.out / demo.FINISHED).exists, "Krita did not show the final layer.")
    print(f"Krita stays open. Its window as a picture: {arguments.out}/krita.png")
    return done


def _client_of(krita: subprocess.Popen[bytes]) -> AbstractContextManager[Client]:
    _wait(krita, lambda: running_server() is not None, "The plugin did not start the server.")
    return closing(Client(lambda: Connection.read(connection_file()), name="nst demo"))


def _first_job(client: Client, krita: subprocess.Popen[bytes]) -> str:
    jobs: list[Any] = []

    def is_there() -> bool:
        client.status()
        for event in client.poll(0.2):
            if event.type == "status":
                jobs.extend(event["jobs"])
        return bool(jobs)

    client.wait_connected()
    _wait(krita, is_there, "The plugin did not start a job.")
    return str(jobs[0]["job"])


def _wait(krita: subprocess.Popen[bytes], is_there: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + KRITA_SECONDS
    hint = "Its own words are in krita.log in the folder of the demo."
    while not is_there():
        if krita.poll() is not None:
            raise CliError("Krita has ended.", hint, code=1)
        if time.monotonic() > deadline:
            raise CliError(problem, hint, code=1)
        time.sleep(0.2)


class Recorder:
    """Keeps what the demo's pictures are made of, and passes every event on to ``progress``."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.history: list[dict[str, Any]] = []
        self.frames: list[tuple[int, Image.Image, tuple[int, int]]] = []
        self.first_frame = 0.0
        self._folder = folder
        self._progress = progress
        frames = folder / "frames"
        frames.mkdir(parents=True, exist_ok=True)
        # Those of an earlier run, which may have had other iterations, would be taken for this one's.
        for old in frames.glob("iteration-*.png"):
            old.unlink()

    def show(self, event: Event) -> None:
        """Record and pass on one event."""
        if event.type == "progress":
            self.history.append({name: event[name] for name in ("iteration", "losses", "scale")})
        elif event.type == "done" and event["reason"] == "stopped" and self.frames:
            self._stopped()
        self._progress.show(event)

    def note(self, text: str) -> None:
        """Show a line that stays."""
        self._progress.note(text)

    def close(self) -> None:
        """End the live line."""
        self._progress.close()

    def keep(self, frame: Event) -> None:
        """Write one kept frame."""
        self.first_frame = self.first_frame or time.monotonic()
        picture = pictures.Picture(frame.pixels, frame.data or b"").shown()
        picture.save(self._folder / "frames" / f"iteration-{frame['iteration']:04d}.png")
        if frame["final"]:
            picture.save(self._folder / "final.png")
        width, height = frame["scale"]
        if self.frames and self.frames[-1][0] == frame["iteration"]:
            self.frames.pop()
        self.frames.append((frame["iteration"], picture, (width, height)))

    def _stopped(self) -> None:
        """At a coarse scale a stopped job ends by enlarging what it has, which takes no iteration."""
        iteration, picture, scale = self.frames.pop()
        before = [told for told in self.history if told["iteration"] < iteration or told["scale"] != [*scale]]
        width, height = before[-1]["scale"] if before else scale
        self.frames.append((iteration, picture, (width, height)))

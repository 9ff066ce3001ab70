"""The command line as a user sees it: real processes, real files, sentences instead of tracebacks."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from server_process import SCRIPT, ServerProcess

from nst_server import raster
from nst_server.cli import build_parser, main, outputs, pictures
from nst_server.cli.stylize import _go_on
from nst_server.wire.connection import Connection
from nst_server.wire.params import FIELDS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(5)
    content, style = tmp_path / "content.png", tmp_path / "style.jpg"
    alpha = np.full((40, 50, 1), 255, np.uint8)
    alpha[:, :10] = 0
    Image.fromarray(np.concatenate([rng.integers(0, 256, (40, 50, 3), np.uint8), alpha], 2)).save(content)
    Image.fromarray(rng.integers(0, 256, (30, 30, 3), np.uint8)).save(style)
    return content, style


def nst(server: ServerProcess, *arguments: object, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nst_server", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, "NST_DATA_DIR": str(server.data)},
        check=False,
    )


def test_stylize_writes_picture_and_frames(
    server: ServerProcess, images: tuple[Path, Path], tmp_path: Path
) -> None:
    out, frames = tmp_path / "out.png", tmp_path / "frames"
    run = nst(server, "stylize", *images, "-o", out, "--iterations", 3, "--size", 32, "--encoder", "built-in",
              "--frames", "1,2", "--frames-dir", frames)  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "built-in" in run.stdout
    picture = Image.open(out)
    assert (picture.size, picture.mode) == ((50, 40), "RGBA")
    alpha = np.asarray(picture)[:, :, 3]
    assert not alpha[:, :9].any()
    assert (alpha[:, 11:] == 255).all()
    job = run.stderr.split()[1]
    assert sorted(f.name for f in frames.iterdir()) == [f"{job}-000{i}.png" for i in (1, 2, 3)]


def test_what_a_picture_goes_on_from_is_told_where_it_is_not_known(
    server: ServerProcess, images: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    small = ("--iterations", 2, "--size", 32, "--encoder", "built-in")
    run = nst(server, "stylize", *images, "-o", out, *small)
    job = run.stderr.split()[1]
    on = ("stylize", *images, "-o", tmp_path / "on.png", "--start", out, *small, "--continues")
    # The server has forgotten it, but what has painted it has not.
    assert "nothing is known" not in nst(server, *on, job).stdout
    run = nst(server, *on, "no-such-job")
    note = "nothing is known of job no-such-job: it went on from the picture alone"
    assert run.returncode == 0
    assert f"note: {note}\n" in run.stdout
    assert "a job is kept with --keep-job" in run.stdout
    assert "With its pictures, --size" in nst(server, *on, run.stderr.split()[1], "--size", 24).stdout
    # While it is painted, too.
    assert f"{note}\n" in run.stderr


@pytest.mark.parametrize("encoder", ["auto", "built-in"])
def test_a_picture_that_had_to_do_without_vgg19_says_how_to_get_it(
    server: ServerProcess, images: tuple[Path, Path], tmp_path: Path, encoder: str
) -> None:
    small = ("--iterations", 1, "--size", 32, "--encoder", encoder)
    run = nst(server, "stylize", *images, "-o", tmp_path / "out.png", *small)
    assert run.returncode == 0
    assert ("nst weights fetch vgg19" in run.stdout) == (encoder == "auto")


def test_mask_limits_where_it_paints(
    server: ServerProcess, images: tuple[Path, Path], tmp_path: Path
) -> None:
    mask = np.zeros((20, 25), np.uint8)
    mask[:, 15:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    out = tmp_path / "out.png"
    run = nst(server, "stylize", *images, "-o", out, "--iterations", 1, "--size", 32, "--encoder", "built-in",
              "--mask", tmp_path / "mask.png")  # fmt: skip
    assert run.returncode == 0, run.stderr
    alpha = np.asarray(Image.open(out).convert("RGBA"))[:, :, 3]
    assert not alpha[:, :27].any()
    assert (alpha[:, 33:] == 255).all()


def test_style_masks_say_where_each_style_acts(
    server: ServerProcess, images: tuple[Path, Path], tmp_path: Path
) -> None:
    alpha = np.full((40, 50, 4), 255, np.uint8)
    alpha[:, :30, 3] = 0
    Image.fromarray(alpha).save(tmp_path / "right.png")
    out = tmp_path / "out.png"
    run = nst(server, "stylize", *images, "-o", out, "--iterations", 1, "--size", 32, "--encoder", "built-in",
              "--style-masks", tmp_path / "right.png", "--style-scales", "0.5")  # fmt: skip
    assert run.returncode == 0, run.stderr
    painted, content = (np.asarray(Image.open(path).convert("RGBA")) for path in (out, images[0]))
    assert (painted[:, :30] == content[:, :30]).all()
    assert (painted[:, 30:] != content[:, 30:]).any(axis=2).mean() > 0.9


def test_a_gradient_of_16_bits_stays_one_and_keeps_profile_and_untouched_bits(
    server: ServerProcess, images: tuple[Path, Path], tmp_path: Path
) -> None:
    ramp = np.linspace(12_000, 50_000, 48 * 64).astype(np.uint16).reshape(48, 64, 1)
    content = np.concatenate((ramp, ramp[::-1], 62_000 - ramp), axis=2)
    profile = imagecodecs.cms_profile("adobergb")
    (tmp_path / "deep.png").write_bytes(raster.png(content, profile))
    mask = np.zeros((48, 64), np.uint8)
    mask[:, 32:] = 255
    Image.fromarray(mask).save(tmp_path / "right.png")
    for name in ("out.png", "out.tif"):
        run = nst(server, "stylize", tmp_path / "deep.png", images[1], "-o", tmp_path / name, "--size", 32,
                  "--iterations", 3, "--encoder", "built-in", "--style-masks", tmp_path / "right.png",
                  "--frames-dir", tmp_path / "frames", "--frames", "1")  # fmt: skip
        assert run.returncode == 0, run.stderr
        made = pictures.read(tmp_path / name, "result")
        numbers = made.numbers()[..., :3]
        assert (made.depth, made.profile) == (16, profile)
        assert (numbers[:, :32] == content[:, :32]).all()
        assert len(np.unique(numbers[:, 32:, 1])) > 1000
    frame = pictures.read(next((tmp_path / "frames").glob("deep-*-0001.png")), "frame")
    assert (frame.depth, frame.profile) == (16, profile)


def test_no_name_of_a_file_or_folder_is_in_the_way(images: tuple[Path, Path], tmp_path: Path) -> None:
    strange = os.fsencode(tmp_path) + b"/\xff \xf0\x9f\x8e\xa8.png"
    images[0].rename(os.fsdecode(strange))
    (tmp_path / "link.png").symlink_to("picture.png")
    command = [sys.executable, "-m", "nst_server", "stylize", strange, str(images[1])]
    command += ["-o", "link.png", "--iterations", "1", "--size", "32", "--encoder", "built-in"]
    # The server that it starts works in another folder.
    environment = {**os.environ, "NST_DATA_DIR": "data", "PYTHONPATH": str(Path(__file__).parent.parent)}

    def run(*words: str | bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=False)

    try:
        painted = run(*command)
        assert painted.returncode == 0, painted.stderr
        assert (tmp_path / "link.png").is_symlink()
        assert pictures.read(tmp_path / "picture.png", "result").size == (50, 40)
        assert b"no jobs" in run(*command[:3], "jobs").stdout
    finally:
        ended = run(*command[:3], "serve", "--stop")
    assert b"has ended" in ended.stdout


def test_a_picture_that_finds_no_room_leaves_the_one_before(
    images: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = pictures.read(images[0], "content")
    outputs.write(tmp_path / f"{'n' * 251}.png", picture, 8)  # as long as a name can be
    (tmp_path / f"{'n' * 251}.png").replace(tmp_path / "out.png")
    before = (tmp_path / "out.png").read_bytes()

    def fill(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OSError, match="No space"):
        outputs.write(tmp_path / "out.png", picture, 8)
    assert (tmp_path / "out.png").read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"content.png", "style.jpg", "out.png"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.png", "STYLE"], "content: missing.png is not there.\n     Check its name and folder."),
        (["STYLE", "missing.png"], "style: missing.png is not there"),
        (["NOISE", "STYLE"], "is not an image that can be read"),
        (["STYLE", "STYLE", "--strength", "3"], "--strength: 3 is out of range"),
        (["STYLE", "STYLE", "--style-layers", "conv9_9"], "no layer 'conv9_9'"),
        (["STYLE", "STYLE", "--frames", "often"], "'often' is not a choice"),
        (["STYLE", "STYLE", "--start", "content+"], "--start: 'content+' names nothing in a place"),
        (["STYLE", "STYLE", "--start", "x" * 300], "start: xxx"),
        (["STYLE", "STYLE", "--start", "nowhere.png"], "start: nowhere.png is not there"),
        (["STYLE", "STYLE", "--style-weights", "1,2"], "--style-weights"),
        (["STYLE", "STYLE", "--style-scales", "1,2"], "--style-scales: Numbers given: 2. Styles: 1."),
        (["STYLE", "STYLE", "--scale-iterations", "9,9"], "--scale-iterations: has 2 numbers, but"),
        (["STYLE", "STYLE", "--scale-iterations", "9,9", "--iterations", "9"], "but iterations is 9"),
        (["STYLE", "STYLE", "--style-masks", "STYLE,STYLE"], "--style-masks: 2 given, 1 needed"),
        (["STYLE", "STYLE", "--style-masks", "none.png"], "style mask: none.png is not there"),
        (["STYLE", "STYLE", "--style-masks", "BLACK"], "is black everywhere"),
        (["STYLE", "STYLE", "-o", "no/such/folder/out.png"], "the folder no/such/folder is not there"),
        (["STYLE", "STYLE", "-o", "no-ending"], "no ending of a known format"),
        (["STYLE", "STYLE", "-o", "o.gif"], "Use one of .png, .jpg"),
        (["STYLE", "STYLE", "--style-masks", ""], "--style-masks: no file is named"),
        (["STYLE", "STYLE", "--frames-dir", "NOISE"], "--frames-dir: "),
        (["CONTENT", "STYLE", "-o", "out.jpg"], "a JPEG cannot be transparent"),
        (["CONTENT", "STYLE", "--bit-depth", "32"], "--bit-depth: .png files have no 32 bits"),
        (["STYLE", "STYLE", "-o", "/proc/out.png"], "/proc/out.png cannot be written"),
        (["STYLE", "STYLE", "--weights", "none.pth"], "none.pth is not a file"),
        (["CONTENT", "STYLE", "-o", "CONTENT"], "is a file that this reads"),
        (["CONTENT", "STYLE", "--mask", "BLACK", "-o", "BLACK"], "is a file that this reads"),
        (["STYLE", "STYLE", "-o", "."], "--output: . is a folder"),
        (["STYLE", "STYLE", "--strenght", "0.5"], "unknown: --strenght 0.5. Did you mean --strength?"),
        (["STYLE", "STYLE", "--resume"], "unknown: --resume.\n"),
        (["STYLE", "STYLE", "--tiled", "2"], "unknown: --tiled 2.\n"),
        (["STYLE", *["STYLE"] * 17], "STYLE: 17 images are named.\n     Name 1 to 16."),
        (["CUT", "STYLE"], "cut.png is damaged: "),
    ],
)
def test_wrong_input_is_one_sentence(
    server: ServerProcess, images: tuple[Path, Path], tmp_path: Path, arguments: list[str], words: str
) -> None:
    noise = tmp_path / "noise.png"
    noise.write_bytes(b"this is not an image")
    Image.new("L", (9, 9)).save(tmp_path / "black.png")
    places = {"CONTENT": str(images[0]), "STYLE": str(images[1]), "NOISE": str(noise)}
    places["BLACK"] = str(tmp_path / "black.png")
    cut = tmp_path / "cut.png"
    cut.write_bytes(images[0].read_bytes()[:2000])
    places["CUT"] = str(cut)
    run = nst(server, "stylize", "-o", tmp_path / "o.png", *(places.get(a, a) for a in arguments))
    assert run.returncode == 2
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.strip().splitlines()) <= 3


def test_attach_says_where_frames_cannot_go(server: ServerProcess, images: tuple[Path, Path]) -> None:
    run = nst(server, "attach", "some-job", "--frames-dir", images[0])
    assert run.returncode == 2
    assert "--frames-dir: " in run.stderr and "Name another, there or not." in run.stderr


def interrupted(
    server: ServerProcess, images: tuple[Path, Path], out: Path, *options: str, after: list[str]
) -> tuple[int, str, str]:
    """Exit code, standard output and the rest of the other, of ``nst stylize`` interrupted at these lines."""
    command = [sys.executable, "-m", "nst_server", "stylize", *map(str, images), "-o", str(out)]
    command += ["--iterations", "1000000", "--size", "32", "--encoder", "built-in", *options]
    environment = {**os.environ, "NST_DATA_DIR": str(server.data)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stderr=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            for awaited in after:
                assert any(line.startswith(awaited) for line in process.stderr)
                process.send_signal(signal.SIGINT)
            output, told = process.communicate(timeout=15)
        finally:
            process.kill()
        return process.returncode, output, told


def test_an_interruption_keeps_the_picture(
    server: ServerProcess, images: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "o.png"
    code, output, told = interrupted(server, images, out, "--frames", "1", after=["frame of iteration"])
    assert (code, "stopped after" in output) == (130, True)
    with Image.open(out) as picture:
        assert picture.size == (50, 40)
    way = re.search("^Go on with it: (.*), at once", told, re.MULTILINE)
    assert way, "later the job is not known any more"
    more = ("--iterations", "1", "--size", "32", "--encoder", "built-in", *way[1].split())
    run = nst(server, "stylize", *images, "-o", out, *more)
    assert (run.returncode, "note: " in run.stdout) == (0, False), run.stderr


@pytest.mark.parametrize(
    ("options", "way"),
    [
        ([], " --continues job, at once (later only with --keep-job)"),
        (["--keep-job"], " --continues job"),
        (["--device", "cpu"], ""),
    ],
)
def test_only_of_a_job_that_is_known_it_is_said_that_it_can_be_continued(
    options: list[str], way: str
) -> None:
    arguments = build_parser().parse_args(["stylize", "a.png", "b.png", "-o", "out.png", *options])
    assert _go_on(arguments, "job") == f"--start out.png{way}"


def test_a_second_interruption_cancels(images: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "o.png"
    with ServerProcess(tmp_path, worker=SCRIPT) as server:
        # The script's worker with this seed hangs: it does not obey the first one.
        after = ["running", "Stopping; the best picture so far is kept. Ctrl-C again discards it."]
        assert interrupted(server, images, out, "--seed", "1", after=after)[:2] == (130, "")
        assert nst(server, "jobs").stdout.endswith("no jobs\n"), "nor is the job kept"
    assert not out.exists()


def test_three_quick_interruptions_leave_nothing_running(
    server: ServerProcess, images: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "o.png"
    out.write_bytes(b"of an earlier run")
    command = [sys.executable, "-m", "nst_server", "stylize", *map(str, images), "-o", str(out)]
    command += ["--iterations", "1000000", "--size", "32", "--encoder", "built-in", "--frames", "1"]
    environment = {**os.environ, "NST_DATA_DIR": str(server.data)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        job = process.stderr.readline().split()[1]
        assert any(line.startswith("frame of iteration") for line in process.stderr)
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.03)
        try:
            written, told = process.communicate(timeout=15)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "goes on" not in told
    # The first one may have ended the job before the second was heard: then its picture is kept.
    assert (out.read_bytes() == b"of an earlier run") == ("stopped after" not in written)
    listing = nst(server, "jobs").stdout.splitlines()
    left = [line.split()[1] for line in listing if line.startswith(job)]
    assert set(left) <= {"cancelling", "cancelled", "done"}


@pytest.mark.parametrize("was_killed", [False, True])
def test_no_server_says_how_to_start_one(tmp_path: Path, was_killed: bool) -> None:
    if was_killed:
        ended = subprocess.run(
            [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
        )
        Connection("ipc:///nowhere", int(ended.stdout)).write(tmp_path / "run" / "server.json")
    said = "No server is running."
    for command, code in (("jobs", 0), ("attach", 1)):
        run = subprocess.run(
            [sys.executable, "-m", "nst_server", command, *(["a-job"] if code else [])],
            capture_output=True,
            text=True,
            env={**os.environ, "NST_DATA_DIR": str(tmp_path)},
            check=False,
        )
        hint = "Start one with: nst serve"
        told = ("", f"nst: {said}\n     {hint}\n") if code else (f"{said} {hint}\n", "")
        assert (run.returncode, run.stdout, run.stderr) == (code, *told)


def test_a_server_that_was_killed_is_not_waited_for(images: tuple[Path, Path], tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        command = [sys.executable, "-m", "nst_server", "stylize", *map(str, images)]
        command += ["-o", str(tmp_path / "o.png"), "--iterations", "1000000", "--size", "32"]
        command += ["--encoder", "built-in", "--frames", "1"]
        environment = {**os.environ, "NST_DATA_DIR": str(server.data)}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stderr is not None
            try:
                assert any(line.startswith("frame of iteration") for line in process.stderr)
                server.stop(signal.SIGKILL)
                _, told = process.communicate(timeout=20)
            finally:
                process.kill()
    assert process.returncode == 1
    assert "nst: The server has ended" in told
    assert "goes on with the next server" in told


def test_an_interruption_while_loading_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupt)
    assert main(["stylize"]) == 130
    assert capsys.readouterr().err == "nst: interrupted.\n"


def test_help_shows_every_parameter_with_its_default(server: ServerProcess) -> None:
    text = nst(server, "stylize", "--help").stdout
    for name in FIELDS:
        assert "--" + name.replace("_", "-") in text
    assert "(default: 300)" in text
    assert not re.findall(r"[a-z]_[a-z]+", text)


def test_doctor_looks_at_everything(server: ServerProcess) -> None:
    run = nst(server, "doctor")
    for word in (
        "Python",
        "pyzmq",
        "cpu",
        "vgg19",
        "free",
        f"pid {server.process.pid if server.process else 0}",
    ):
        assert word in run.stdout
    assert "vgg16: not on this machine; only jobs with --encoder vgg16 need it" in run.stdout


def test_demo_in_krita_needs_a_display(server: ServerProcess, tmp_path: Path) -> None:
    bare = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    run = subprocess.run(
        [sys.executable, "-m", "nst_server", "demo", "--krita", "--out", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        env={**bare, "NST_DATA_DIR": str(server.data)},
        check=False,
    )
    assert run.returncode == 1
    assert "There is no display" in run.stderr

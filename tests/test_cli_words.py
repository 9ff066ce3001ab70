"""What the command line says of what it cannot do, in its own words and before anything is computed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zmq
from PIL import Image

from nst_server.cli import main, outputs, pictures
from nst_server.cli.jobs import KEPT
from nst_server.cli.options import in_options
from nst_server.device import DeviceError
from nst_server.executors.local import LocalExecutor, _failed
from nst_server.wire.connection import NoConnection
from nst_server.wire.launch import ensure_server
from nst_server.worker import __main__ as worker


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A picture of 64×48 px, where no server runs and none is to be started."""
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("NST_CONNECTION_FILE", raising=False)

    def start(*_: object, **__: object) -> None:
        raise AssertionError("a server is started")

    for name in ("ensure_server", "start_server"):
        monkeypatch.setattr(f"nst_server.cli.server.{name}", start)
    numbers = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(numbers).save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        (["--device", "foo"], "--device: 'foo' is none.", "Choose auto, cpu, "),
        (["--scale-iterations", "9,9"], "--scale-iterations: has 2 numbers", "first, or a larger --size."),
        (["--scale-iterations", "9,9", "--size", "150"], "--scale-iterations: has", "smaller --scale-step."),
        (["--scale-iterations", "9,9", "--no-coarse-to-fine"], "--scale-iterations: has 2", "coarse first."),
        (["--style-layers", "conv1_1,conv1_1"], "--style-layers: conv1_1 is named twice.", "Name each layer"),
        (["--start", "foo"], "--start: foo is not there, nor", "content, noise, style-statistics, style, n"),
        (["--iterations", "0", "--keep-colours", "histogram"], "--iterations: 0 only", "--start FILE, or "),
        (["--scale-iterations", "9", "--iterations", "8"], "--scale-iterations: add up", "Leave --iter"),
        (["--style-weights", "1,2"], "--style-weights: Numbers given: 2. Styles: 1.", "Give one number for"),
        (["--style-layers", "conv3_1@2"], "--style-layers: none of them looks at", "such as conv1_1."),
        (["--weights", "PICTURE", "--encoder", "built-in"], "--weights: the built-in encoder reads", "Leave"),
        (["CLEAR"], "style: ", "Choose one with colours in it."),
    ],
)  # fmt: skip
def test_what_cannot_be_painted_is_told_with_options_and_without_a_server(
    picture: str, capsys: pytest.CaptureFixture[str], options: list[str], said: str, hint: str
) -> None:
    clear = picture.replace("picture.png", "clear.png")
    Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save(clear)
    places = {"PICTURE": picture, "CLEAR": clear}
    given = [places.get(option, option) for option in options]
    assert main(["stylize", picture, picture, *given, "-o", picture.replace("picture", "out")]) == 2
    problem, told = capsys.readouterr().err.splitlines()[-2:]
    assert problem.startswith(f"nst: {said}")
    assert hint in told


def test_what_cannot_change_is_told_with_options(picture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["update", "job", "--optimiser", "adam"]) == 2
    told = "nst: --optimiser: cannot change while the job runs.\n     These can: --strength, --style-weight"
    assert capsys.readouterr().err.startswith(told)


def test_what_a_file_cannot_hold_of_floats_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = np.full((10, 10, 3), 0.5, np.float32)
    numbers[:3, :, 1] = 2
    numbers[3:] = 1.001
    tifffile.imwrite(tmp_path / "bright.tif", numbers, photometric="rgb")
    picture = pictures.read(tmp_path / "bright.tif", "content")
    for name, depth, told in (("a.png", 16, 30), ("b.tif", 16, 30), ("c.tif", 32, 0)):
        outputs.write(tmp_path / name, picture, depth)
        file = tmp_path / name
        lost = f"note: {file}: what is brighter than white, in {told} % of the pixels, is cut off; "
        assert capsys.readouterr().err == (f"{lost}a .tif of 32 bits keeps it.\n" if told else "")


def test_a_loss_that_is_none_is_answered_as_an_option_is_written(
    picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["stylize", picture, picture, "-o", "out.png", "--style-layer-losses", "conv1_1:foo"]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert told.startswith("nst: --style-layer-losses: conv1_1 is given 'foo'.\n")
    assert "Write conv1_1:gram, for instance; there are moments, gram, " in told
    assert "{" not in told


def test_only_names_of_parameters_become_options() -> None:
    assert in_options("`scale_step` and `other` of size") == "--scale-step and `other` of size"
    assert (
        in_options("`size`: tv, as style_loss says, not style_lossy")
        == "--size: tv, as --style-loss says, not style_lossy"
    )


@pytest.mark.parametrize(
    ("frames", "told"), [("50", True), ("every:4", True), ("none", False), ("3", False), ("series", False)]
)
def test_frames_that_no_iteration_reaches_are_told(
    picture: str, capsys: pytest.CaptureFixture[str], frames: str, told: bool
) -> None:
    with pytest.raises(AssertionError, match="a server is started"):
        main(["stylize", picture, picture, "-o", picture.replace("picture", "out"), "--iterations", "3",
              "--frames", frames])  # fmt: skip
    assert (f"--frames {frames} names none of 3 iterations" in capsys.readouterr().err) == told


def test_frames_beyond_the_last_iteration_are_told(picture: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="a server is started"):
        main(["stylize", picture, picture, "-o", picture.replace("picture", "out"), "--iterations", "2",
              "--frames", "1,2,300,500"])  # fmt: skip
    assert "note: --frames: of 2 iterations none is 300, 500.\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            "--averaging 0.9 --learning-rate 0.1",
            "--learning-rate, --averaging change nothing without --optimiser",
        ),
        ("--averaging 0.9 --optimiser adam", ""),
        (
            "--luminance-space lab --keep-colours moments",
            "--luminance-space changes nothing without --keep-col",
        ),
        ("--luminance-space lab --keep-colours luminance", ""),
        (
            "--size 512 --scale-step 1.5 --no-coarse-to-fine",
            "--scale-step changes nothing with --no-coarse-to-fine.",
        ),
        ("--size 512 --no-coarse-to-fine", ""),
        ("--no-coarse-to-fine", "--no-coarse-to-fine changes nothing at a size that has one scale only."),
        ("--scale-step 1.2", "--scale-step changes nothing at a size that has one scale only."),
        ("--size 256 --scale-step 4", ""),
        ("--size 150 --scale-step 1.2", ""),
        ("--strength 1 --content-layers conv1_1", "--content-layers changes nothing at --strength 1."),
        ("--strength 0.99 --content-layers conv1_1", ""),
        (
            "--strength 0 --style-scale 2 --style-loss gram --keep-colours luminance",
            "--style-scale, --style-loss change nothing at --strength 0.",
        ),
        ("--strength 0 --keep-colours moments", "--keep-colours changes nothing at --strength 0."),
        ("--strength 0 --style-scale 2 --keep-colours moments --start style", ""),
        (
            "--scale-step 1.5 --start PICTURE",
            "--scale-step changes nothing where at least half of the start is",
        ),
        ("--size 512 --scale-step 1.5 --start PICTURE:1+noise:2", ""),
        ("--scale-step 1.5 --start PICTURE --continues job", ""),
        ("--start PICTURE:1+noise:2 --continues job", "--continues changes nothing where --start is a blend"),
        (
            "--fit stretch --mask PICTURE",
            "--fit changes nothing without --style-masks or a start from an image",
        ),
        ("--fit stretch --style-masks PICTURE", ""),
        ("--fit stretch --start style", ""),
        ("--style-weights 3", "--style-weights changes nothing with one style."),
        (
            "--iterations 0 --keep-colours moments --start PICTURE --optimiser adam --seed 3",
            "--optimiser, --seed change nothing in 0 iterations.",
        ),
        ("--iterations 0 --keep-colours luminance --luminance-space lab --start PICTURE --fit cover", ""),
    ],
)
def test_options_that_change_nothing_are_told(
    picture: str, capsys: pytest.CaptureFixture[str], options: str, told: str
) -> None:
    given = options.replace("PICTURE", picture).split()
    with pytest.raises(AssertionError, match="a server is started"):
        main(["stylize", picture, picture, "-o", picture.replace("picture", "out"), *given])
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert len(notes) == bool(told) and "".join(notes).startswith(f"note: {told}" if told else "")


def test_recolouring_says_which_option_changes_nothing(
    picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["recolour", picture, "--content", picture, "-o", picture.replace("picture", "out")]
    assert main([*command, "--keep-colours", "moments", "--luminance-space", "lab"]) == 0
    assert "--luminance-space changes nothing" in capsys.readouterr().err


def test_recolouring_that_changes_nothing_is_refused(
    picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path(picture).with_name("out.png")
    command = ["recolour", picture, "--content", picture, "-o", str(out), "--keep-colours", "no"]
    assert main(command) == 2
    assert '--keep-colours: "no" leaves nothing to do.' in capsys.readouterr().err
    assert not out.exists()


def test_a_server_that_does_not_start_is_quoted_with_problem_and_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("NST_CONNECTION_FILE", raising=False)
    text = "earlier\nnst: The disk is full.\n     Make room.\n"
    with pytest.raises(NoConnection, match=r"starting: nst: The disk is full\. Make room\. \(log: "):
        ensure_server([sys.executable, "-c", f"raise SystemExit({json.dumps(text)})"])


def test_a_device_that_is_not_here_is_one_sentence_with_what_to_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def choose(name: str) -> None:
        raise DeviceError("PyTorch finds no NVIDIA or AMD GPU here, not cuda:0.", "Choose auto or cpu.")

    monkeypatch.setattr("nst_server.device.choose_device", choose)
    monkeypatch.setattr(worker, "_bind_to_server", lambda: None)
    assert worker.main(["nowhere"]) == 1
    log = tmp_path / "worker.log"
    log.write_text("A warning.\n" + capsys.readouterr().err)
    reason, advice = LocalExecutor(zmq.Context.instance(), [], "cuda:0", tmp_path, log)._last_words(1)
    failed = _failed("job", reason, computing=False, advice=advice)
    assert failed["message"].endswith("cannot start: PyTorch finds no NVIDIA or AMD GPU here, not cuda:0.")
    assert failed["hint"] == "Choose auto or cpu, or run: nst doctor"
    assert _failed("job", "ImportError: no torch", computing=False)["hint"] == "Run: nst doctor"


def test_how_long_jobs_are_kept_is_said_everywhere_alike() -> None:
    protocol = Path(__file__).parents[1] / "docs" / "protocol.md"
    assert f"on disk for {KEPT} after they ended" in protocol.read_text("utf-8")


def test_a_server_for_one_call_that_cannot_be_started_is_told_plainly(
    picture: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(*_: object) -> None:
        raise NoConnection("python cannot be started: Too many open files.")

    monkeypatch.setattr("nst_server.cli.server.start_server", start)
    assert main(["stylize", picture, picture, "--device", "cpu", "-o", picture + ".out.png"]) == 1
    assert "nst: python cannot be started: Too many open files." in capsys.readouterr().err

"""Measures rank what has been done to an image as an eye would."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import avg_pool2d

from nst_server.cli import main
from nst_server.cli.compare import headings
from nst_server.compare import Measure, colour_distance, edge_correlation, fine_grid, measures, seam
from nst_server.engine.vgg import convolutions

HEIGHT, WIDTH = 96, 128


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def blurred(image: Tensor, size: int) -> Tensor:
    padded = torch.nn.functional.pad(image[None], (size // 2,) * 4, mode="reflect")
    return avg_pool2d(padded, size, stride=1)[0]


@pytest.fixture(scope="module")
def content() -> Tensor:
    """A sky that darkens upwards, a slanting roof, foliage, the grain of a sensor."""
    y, x = torch.meshgrid(torch.linspace(0, 1, HEIGHT), torch.linspace(0, 1, WIDTH), indexing="ij")
    sky = torch.stack([0.5 + 0.3 * y, 0.6 + 0.2 * y, 0.9 - 0.1 * y])
    roof = (y > 0.35 + 0.3 * x) & (x < 0.6)
    leaves = (y > 0.7) & (x > 0.5)
    foliage = blurred(seeded(1, HEIGHT, WIDTH, seed=1), 3) * torch.tensor([0.5, 0.9, 0.3]).view(3, 1, 1)
    image = torch.where(roof, torch.tensor([0.6, 0.25, 0.2]).view(3, 1, 1) * (1 - 0.4 * x), sky)
    image = torch.where(leaves, foliage, image)
    return (image + 0.02 * (seeded(3, HEIGHT, WIDTH, seed=2) - 0.5)).clamp(0, 1)


def strokes(seed: int) -> Tensor:
    """Dashes of three pigments, most of them falling to the right."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT), (40, 60, 130))
    draw = ImageDraw.Draw(picture)
    for _ in range(600):
        x, y, angle = rng.uniform(-9, 2 * WIDTH), rng.uniform(-9, 2 * HEIGHT), rng.normal(0.6, 0.2)
        pigment = [(230, 180, 30), (30, 50, 120), (180, 80, 50)][rng.integers(3)]
        draw.line((x, y, x + 24 * np.cos(angle), y + 24 * np.sin(angle)), fill=pigment, width=6)
    pixels = np.asarray(picture.resize((WIDTH, HEIGHT), Image.Resampling.BOX), dtype=np.float32)
    return torch.from_numpy(pixels / 255).permute(2, 0, 1).contiguous()


@pytest.fixture(scope="module")
def style() -> Tensor:
    return strokes(3)


def checked(image: Tensor, cell: int, strength: float = 0.06) -> Tensor:
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return (image + strength * (((y // cell + x // cell) % 2) - 0.5)).clamp(0, 1)


def noisy(image: Tensor, strength: float) -> Tensor:
    return (image + strength * (seeded(*image.shape, seed=5) - 0.5)).clamp(0, 1)


def split(image: Tensor, column: int, strength: float = 0.06) -> Tensor:
    darker = image.clone()
    darker[:, :, column:] -= strength
    return darker.clamp(0, 1)


def rows_of(group: str, rows: list[Measure]) -> list[tuple[float, ...]]:
    return [row.values for row in rows if row.group == group]


def test_content_and_style_are_the_ends_of_the_scales(content: Tensor, style: Tensor) -> None:
    rows = measures([content, style], content, style)
    for before, same, other in rows_of("strokes", rows):
        assert same == before > 0.2
        assert other == pytest.approx(0, abs=1e-6)
    (away, _, none), (own, _, far) = rows_of("colours", rows)
    assert away > 20 < far
    assert none == own == pytest.approx(0, abs=1e-3)
    for _, same, other in rows_of("drawing", rows):
        assert same == pytest.approx(1, abs=1e-5)
        assert abs(other) < 0.3
    for _, same, _ in rows_of("traces", rows):
        assert same == 1


def test_other_strokes_of_the_same_hand_are_nearer_than_anything_else(content: Tensor, style: Tensor) -> None:
    half = (content + style) / 2
    plain = torch.full_like(style, 0.5)
    tried = [strokes(4), blurred(style, 3), noisy(style, 0.6), half, plain]
    finest, second, *_ = rows_of("strokes", measures(tried, content, style))
    photograph, same_hand, blur, grain, mixed, nothing = finest
    assert same_hand < 0.15 < min(photograph, blur, grain, mixed)
    assert nothing == pytest.approx(1, abs=1e-4)
    assert second[1] < min(second[0], second[2], second[4], second[5])


def test_strokes_get_nearer_the_more_of_the_style_is_there(content: Tensor, style: Tensor) -> None:
    tried = [torch.lerp(content, style, share) for share in (0.25, 0.5, 0.75, 1.0)]
    for group in ("strokes", "colours"):
        values = rows_of(group, measures(tried, content, style))[0][1:]
        assert list(values) == sorted(values, reverse=True)


def test_blur_takes_fine_strokes_first(content: Tensor, style: Tensor) -> None:
    by_size = [values[1] for values in rows_of("strokes", measures([blurred(style, 3)], content, style))]
    assert by_size[0] > 1.5 * by_size[1] > 1.5 * by_size[2]


def test_a_swapped_palette_changes_colours_and_not_the_drawing(content: Tensor, style: Tensor) -> None:
    swapped = content[[2, 0, 1]]
    rows = measures([swapped], content, style)
    assert rows_of("colours", rows)[1][1] > 10
    assert all(values[1] > 0.999 for values in rows_of("drawing", rows))


def test_colour_distance_counts_a_shift_with_its_length(content: Tensor) -> None:
    grey = torch.full((3, 8, 8), 0.2)
    lighter = torch.full((3, 8, 8), 0.6)
    # L* of sRGB 0.2 and 0.6, CIE 15: 116 (Y)^(1/3) - 16.
    assert colour_distance(grey, lighter) == pytest.approx(63.22 - 21.25, rel=0.05)
    assert colour_distance(content.flip(2), content) == pytest.approx(0, abs=1e-3)


def test_drawing_fades_with_blur_noise_and_displacement(content: Tensor) -> None:
    def left(image: Tensor) -> float:
        return edge_correlation(image, content)

    assert 1 > left(blurred(content, 3)) > left(blurred(content, 7)) > 0.05
    assert 1 > left(noisy(content, 0.1)) > left(noisy(content, 0.4))
    assert left(content.roll(9, 2)) < 0.5
    assert left(torch.full_like(content, 0.5)) == 0


def test_plain_pictures_have_the_same_drawing(content: Tensor) -> None:
    plain = torch.full_like(content, 0.3)
    rounded = plain + 1e-7 * seeded(*content.shape)
    assert edge_correlation(rounded, plain) == 1
    assert edge_correlation(content, plain) == edge_correlation(plain, content) == 0


def test_a_seam_is_found_in_a_photograph_and_under_strokes(content: Tensor, style: Tensor) -> None:
    # Strong strokes hide a faint seam from the eye as well.
    for picture, strength in ((content, 0.12), (style, 0.3)):
        clean = seam(picture, content)
        for column in (40, 80, 100):
            assert seam(split(picture, column, strength), content) > max(2, 1.3 * clean)
        level = split(picture.transpose(1, 2), 40, strength).transpose(1, 2)
        assert seam(level, content) > max(2, 1.3 * clean)


def test_edges_blur_and_noise_are_no_seam(content: Tensor) -> None:
    for picture in (content, blurred(content, 3), noisy(content, 0.3), 1 - content):
        assert seam(picture, content) < 2


def test_tiles_that_differ_faintly_are_found_at_their_pitch(content: Tensor) -> None:
    y, x = torch.meshgrid(torch.arange(HEIGHT) // 32, torch.arange(WIDTH) // 32, indexing="ij")
    tiled = (content + 0.04 * (seeded(3, 3, 4, seed=6) - 0.5)[:, y, x]).clamp(0, 1)
    assert seam(tiled, content, 32) > 1.3
    assert seam(tiled, content, 24) < 1.2


@pytest.mark.parametrize("cell", [1, 2, 4, 8])
def test_a_checkerboard_is_found(content: Tensor, cell: int) -> None:
    found = max(seam(checked(content, cell), content), fine_grid(checked(content, cell), content))
    assert found > 3
    assert max(seam(noisy(content, 0.06), content), fine_grid(noisy(content, 0.06), content)) < 2


def test_strokes_are_no_grid(content: Tensor, style: Tensor) -> None:
    assert fine_grid(style, content) < 2


def test_figures_are_the_same_every_time(content: Tensor, style: Tensor) -> None:
    torch.manual_seed(1)
    first = measures([style], content, style)
    torch.manual_seed(2)
    assert measures([style], content, style) == first


def test_refuses_what_it_cannot_measure(content: Tensor, style: Tensor) -> None:
    with pytest.raises(ValueError, match="one size"):
        measures([content[:, 1:]], content, style)
    with pytest.raises(ValueError, match=r"content is 128×20 px.*32 px"):
        measures([content[:, :20]], content[:, :20], style)
    with pytest.raises(ValueError, match=r"style is .*32 px"):
        measures([content], content, style[:, :8])
    with pytest.raises(ValueError, match="grid of 500"):
        measures([content], content, style, grid=500)


def write(image: Tensor, path: Path) -> Path:
    Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy()).save(path)
    return path


@pytest.fixture
def files(content: Tensor, style: Tensor, tmp_path: Path) -> dict[str, str]:
    images = {"content": content, "style": style, "mixed": (content + style) / 2}
    return {name: str(write(image[:, :48, :64], tmp_path / f"{name}.png")) for name, image in images.items()}


def test_table_has_a_column_for_each_picture_and_says_which_way_is_better(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    arguments = ["compare", files["mixed"], files["style"], "--content", files["content"]]
    assert main([*arguments, "--style", files["style"], "--json", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["content", "mixed.png", "style.png"]
    rows = [line for line in lines[1:] if line.startswith("  ")]
    assert {len(row) for row in rows} == {len(lines[0])}, "the columns are not aligned"
    explained = [line for line in lines[1:] if not line.startswith("  ")]
    assert [line.partition(":")[0] for line in explained] == ["strokes", "colours", "drawing", "traces"]
    assert all(line.endswith(("; lower is better", "; higher is better")) for line in explained)

    found = json.loads(out.read_text("utf-8"))
    assert found["pictures"] == [files["mixed"], files["style"]]
    assert len(found["measures"]) == len(rows)
    for measure, row in zip(found["measures"], rows, strict=True):
        shown = [measure["content"], *measure["pictures"]]
        assert [float(cell) for cell in row.split()[-3:]] == pytest.approx(shown, abs=0.051)


def test_weights_add_the_gram_matrices(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "vgg16.pt"
    state = {}
    generator = torch.Generator().manual_seed(0)
    for conv in convolutions("vgg16"):
        shape = (conv.outputs, conv.inputs, 3, 3)
        scale = (2 / (9 * conv.inputs)) ** 0.5
        state[f"features.{conv.position}.weight"] = torch.randn(shape, generator=generator) * scale
        state[f"features.{conv.position}.bias"] = torch.zeros(conv.outputs)
    torch.save(state, weights)
    arguments = ["compare", files["mixed"], files["style"], "--content", files["content"]]
    assert main([*arguments, "--style", files["style"], "--weights", str(weights)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  conv")]
    assert [row[0] for row in rows] == ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]
    assert all(float(style) == 0 < float(content) for _, content, _, style in rows)


def test_what_is_transparent_is_paper(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = np.asarray(Image.open(files["content"]).convert("RGBA")).copy()
    hidden[:20, :, 3] = 0
    other = hidden.copy()
    other[:20, :, :3] = 7
    names = [tmp_path / "hidden.png", tmp_path / "other.png"]
    for name, pixels in zip(names, (hidden, other), strict=True):
        Image.fromarray(pixels).save(name)
    assert main(["compare", *map(str, names), "--content", str(names[0]), "--style", files["style"]]) == 0
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("  "):
            assert line.split()[-1] == line.split()[-2] or "hidden.png" in line


def test_what_a_picture_lets_be_seen_is_the_content(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.asarray(Image.open(files["content"]).convert("RGBA")).copy()
    pixels[:20, :, 3] = 0
    pixels[20:30, :, 3] = 90
    cut = tmp_path / "cut.png"
    Image.fromarray(pixels).save(cut)
    command = ["compare", str(cut), files["content"], "--style", files["style"], "--content"]
    assert main([*command, files["content"]]) == 0
    out, told = capsys.readouterr()
    assert told == f"note: picture: {cut} is measured over the content where it is transparent.\n"
    (row,) = (line.split() for line in out.splitlines() if "to the content's" in line)
    assert row[-3:] == ["0.0", "0.0", "0.0"]
    assert main([*command, str(cut)]) == 0
    out, told = capsys.readouterr()
    assert told == "", "as transparent as what it was painted from"
    (row,) = (line.split() for line in out.splitlines() if "to the content's" in line)
    assert row[-3:-1] == ["0.0", "0.0"]


@pytest.mark.parametrize("name", ["mixed", "content", "style"])
def test_figures_take_no_pictures_place(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    before = Path(files[name]).read_bytes()
    command = ["compare", files["mixed"], "--content", files["content"], "--style", files["style"]]
    assert main([*command, "--json", files[name]]) == 2
    assert f"--json: {files[name]} is a file that this reads." in capsys.readouterr().err
    assert Path(files[name]).read_bytes() == before


def test_columns_of_one_name_are_told_apart() -> None:
    assert headings([Path("a/out.png"), Path("b/out.png"), Path("other.png")]) == [
        "a/out.png",
        "b/out.png",
        "other.png",
    ]
    assert headings([Path("x" * 40 + ".png")]) == ["…" + "x" * 19 + ".png"]


def test_wrong_input_is_told_in_a_sentence(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    larger = str(write(torch.rand(3, 60, 64), tmp_path / "larger.png"))
    tiny = str(write(torch.rand(3, 8, 8), tmp_path / "tiny.png"))

    def told(picture: str, content: str, style: str, *more: str) -> str:
        assert main(["compare", picture, "--content", content, "--style", style, *more]) == 2
        return capsys.readouterr().err

    content, style = files["content"], files["style"]
    assert "gone.png is not there" in told(str(tmp_path / "gone.png"), content, style)
    assert "notes.txt is not an image" in told(content, content, str(text))
    assert "larger.png is 64×60 px" in (said := told(larger, content, style))
    assert "is 64×48 px" in said
    assert "less than 32 px" in (said := told(tiny, tiny, style))
    assert "compare larger ones" in said
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (64, 48)).save(clear)
    assert "clear.png is wholly transparent" in told(content, content, str(clear))
    gone = str(tmp_path / "gone.png")  # of two errors the one told shows that nothing was read before
    assert "--json" in (said := told(gone, content, style, "--json", str(tmp_path)))
    assert "is a folder" in said
    assert "grid of 1 px" in (said := told(content, content, style, "--grid", "1"))
    assert "Give 2 to 63" in said
    assert "--weights" in (said := told(content, content, style, "--weights", str(text)))
    assert "notes.txt" in said

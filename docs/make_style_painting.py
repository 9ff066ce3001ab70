"""Paint "Orchard in the wind", the demo's style painting, with Krita's own brushes.

    python docs/make_style_painting.py OUT.jpg

needs numpy and Pillow, Krita 5 and, on Linux without a screen, ``xvfb-run``. The composition and the
flow of its strokes are computed here; style_painter_plugin.py paints them on Krita's canvas in a private
profile, so nobody's own Krita settings are touched. A run takes about five minutes. The strokes are the same
each time (``--seed``); Krita's brushes have chance of their own, so no two paintings agree to the pixel.
"""

from __future__ import annotations

import argparse
import colorsys
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float64]

WIDTH, HEIGHT = 900, 720
PLUGIN = "style_painter"
MAX_BYTES = 500_000

# Each ramp runs from shadow to light; a region's strokes take their colours from its ramp.
RAMPS = {
    "sky": [
        (18, 18, 78), (26, 38, 132), (36, 74, 178), (30, 122, 170),
        (88, 178, 178), (244, 228, 182), (246, 188, 88), (236, 104, 46),
    ],
    "far": [(40, 26, 88), (72, 40, 118), (46, 84, 160), (126, 84, 140), (222, 120, 96)],
    "meadow": [(12, 52, 74), (16, 92, 92), (44, 134, 104), (134, 156, 62), (238, 196, 90)],
    "field": [(58, 24, 66), (128, 40, 40), (206, 76, 36), (226, 150, 46), (250, 210, 112), (252, 236, 186)],
    "crown": [(58, 16, 62), (140, 18, 50), (208, 46, 34), (240, 112, 36), (252, 184, 70), (254, 232, 164)],
    "trunk": [(22, 14, 56), (44, 22, 84), (92, 30, 66), (214, 92, 48), (250, 184, 96)],
    "brook": [(24, 48, 132), (28, 120, 160), (120, 200, 190), (250, 238, 204)],
}  # fmt: skip
ACCENTS = {
    "sky": [(244, 228, 182), (246, 150, 80), (88, 190, 190)],
    "far": [(236, 104, 46), (60, 120, 190)],
    "meadow": [(240, 120, 44), (252, 236, 186), (30, 50, 130)],
    "field": [(24, 104, 120), (40, 60, 150), (236, 62, 36)],
    "crown": [(24, 116, 132), (252, 236, 186), (40, 40, 120)],
    "trunk": [(34, 84, 160), (24, 116, 132)],
    "brook": [(246, 150, 80), (254, 244, 220)],
}
REGIONS = ("sky", "far", "meadow", "field", "brook", "crown", "trunk")  # painted in this order, far to near
NARROW = {"far": 0.72, "brook": 0.65, "crown": 0.75, "trunk": 0.5}  # their brushes are smaller by this factor

SUN = (0.86, 0.40)
# x and y of the crown's centre, its two radii, x and y of the trunk's foot: fractions of the height
TREES = (
    (0.76, 0.600, 0.050, 0.036, 0.745, 0.690),
    (0.63, 0.600, 0.062, 0.046, 0.612, 0.712),
    (1.04, 0.585, 0.100, 0.072, 1.000, 0.790),
    (0.32, 0.500, 0.215, 0.150, 0.205, 0.940),
)

# preset, brush size (px), strokes for each 100 000 px of the picture, length in sizes, accents, colour jitter
PASSES = (
    ("b) Basic-1", 64, 130, 3.0, 0.00, 0.03),
    ("f) Bristles-2 Flat Rough", 44, 130, 3.2, 0.01, 0.05),
    ("m) RGBA 01 Thick-dry", 27, 260, 4.0, 0.03, 0.06),
    ("m) RGBA 02 Thickpaint", 19, 330, 4.6, 0.03, 0.07),
    ("i) Wet Bristles Rough", 13, 400, 5.5, 0.05, 0.08),
    ("m) RGBA 03 Rake", 17, 150, 6.0, 0.05, 0.13),
    ("m) RGBA 02 Thickpaint", 9, 400, 5.5, 0.08, 0.10),
)


class Composition:
    """The picture before it is painted: which region, which tone and which stroke direction at each pixel.

    ``region``: (HEIGHT, WIDTH) index into REGIONS. ``tone``: (HEIGHT, WIDTH), 0…1 along the region's
    ramp. ``flow``: (2, HEIGHT, WIDTH), unit vectors (x, y) along which strokes run.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
        self.x: Field = columns / HEIGHT  # fractions of the height, so that circles are round
        self.y: Field = rows / HEIGHT
        self.rng = rng
        self.region = np.zeros((HEIGHT, WIDTH), dtype=np.int64)
        self.tone: Field = np.zeros((HEIGHT, WIDTH))
        self.flow: Field = np.zeros((2, HEIGHT, WIDTH))
        self._sky()
        self._hills()
        self._brook()
        for tree in TREES:
            self._crown(tree)
            self._trunk(tree)
        self.flow /= np.hypot(*self.flow) + 1e-9
        self.tone = self.tone.clip(0, 1)

    def noise(self, cells: int) -> Field:
        """Smooth noise, -1…1, about ``cells`` bumps across the picture."""
        small = self.rng.uniform(-1, 1, (max(2, cells * HEIGHT // WIDTH), cells)).astype(np.float32)
        big = Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        return np.asarray(big, dtype=np.float64)

    def streaks(self, cells: int, reach: int) -> Field:
        """Noise drawn out along the flow (line integral convolution, Cabral & Leedom 1993), -1…1."""
        source = self.noise(cells)
        unit = self.flow / (np.hypot(*self.flow) + 1e-9)
        total = source.copy()
        for sign in (-1.0, 1.0):
            column, row = np.meshgrid(np.arange(WIDTH, dtype=float), np.arange(HEIGHT, dtype=float))
            for _ in range(reach):
                i = row.round().astype(int).clip(0, HEIGHT - 1)
                j = column.round().astype(int).clip(0, WIDTH - 1)
                column = column + sign * 3 * unit[0, i, j]
                row = row + sign * 3 * unit[1, i, j]
                total += source[i, j]
        return total / np.abs(total).max()

    def fill(self, name: str, mask: NDArray[np.bool_], tone: Field, flow: tuple[Field, Field]) -> None:
        """Give a region its pixels."""
        self.region[mask] = REGIONS.index(name)
        self.tone[mask] = tone[mask]
        for axis in (0, 1):
            self.flow[axis][mask] = flow[axis][mask]

    def _sky(self) -> None:
        # The contours of a stream function are its streamlines, so ribbons of cloud follow the wind.
        stream = 2.2 * self.y + 0.20 * self.noise(4) + 0.09 * self.noise(7)
        stream += 0.16 * np.sin(3.6 * self.x - 1.2) * np.exp(-(((self.y - 0.22) / 0.18) ** 2))
        rise, run = np.gradient(stream * HEIGHT)
        dx, dy = self.x - SUN[0], self.y - SUN[1]
        distance = np.hypot(dx, dy)
        glow = np.exp(-((distance / 0.19) ** 2))
        u = rise * (1 - glow) - 14 * dy * glow
        v = -run * (1 - glow) + 14 * dx * glow
        self.flow[:] = u, v
        ribbons = 0.25 * np.sin(15 * stream + 1.4 * self.noise(5)) + 0.24 * self.streaks(16, 26)
        tone = 0.10 + 0.70 * (self.y / 0.58) ** 1.3 + ribbons
        tone = tone * (1 - glow) + 0.88 * glow + 0.09 * np.cos(distance * 95) * glow
        tone = np.where(distance < 0.052, 0.80, tone)  # the sun's cream disc inside its vermilion rings
        self.fill("sky", np.ones_like(self.region, dtype=bool), tone, (u, v))

    def _hills(self) -> None:
        x, y = self.x, self.y
        far = 0.515 + 0.030 * np.sin(x * 5.2 + 0.6) + 0.016 * np.sin(x * 12 + 1)
        meadow = 0.585 + 0.040 * np.sin(x * 3.1 + 2.4)
        field = 0.735 - 0.075 * np.cos((x - 0.35) * 2.7)
        bent = x + 0.05 * np.sin(y * 14)  # furrows wind a little on their way from the vanishing point
        furrows = np.arctan2(bent - 0.80, (y - 0.46).clip(1e-3))
        for name, edge, angle, bands, base in (
            ("far", far, y - far + 0.12 * x, 90, 0.40),
            ("meadow", meadow, (y - meadow) * (1 + 0.5 * np.sin(5 * x)) + 0.08 * x, 75, 0.44),
            ("field", field, furrows, 26, 0.50),
        ):
            rise, run = np.gradient(angle)  # strokes follow the lines of equal angle
            u, v = -rise, run
            depth = ((y - edge) / 0.28).clip(0, 9)
            light = np.exp(-(((x - SUN[0]) / 0.40) ** 2)) * np.exp(-depth * 1.4)
            tone = base - 0.16 * depth + 0.30 * np.sin(bands * angle) + 0.36 * light + 0.22 * self.noise(9)
            self.fill(name, y > edge, tone, (u, v))

    def _brook(self) -> None:
        x, y = self.x, self.y
        down = ((y - 0.60) / 0.40).clip(0, 1)
        centre = 0.90 - 0.10 * down + 0.085 * np.sin(down * 7.5) * (0.5 + down)
        mask = (np.abs(x - centre) < 0.010 + 0.075 * down**1.5) & (y > 0.605)
        turn = np.gradient(centre, axis=0) * HEIGHT
        across = (x - centre) / (0.012 + 0.075 * down**1.5)
        tone = 0.50 + 0.42 * np.sin(across * 5 + 3 * self.noise(8)) + 0.25 * np.exp(-down * 5)
        self.fill("brook", mask, tone, (turn, np.ones_like(x)))

    def _crown(self, tree: tuple[float, ...]) -> None:
        cx, cy, rx, ry, _, _ = tree
        dx, dy = self.x - cx, self.y - cy + 0.35 * (self.x - cx)  # sheared: the wind blows from the left
        angle = np.arctan2(dy / ry, dx / rx)
        ragged = 1 + 0.13 * np.sin(5 * angle + cx * 9) + 0.09 * np.sin(11 * angle + cy * 7)
        reach = np.hypot(dx / rx, dy / ry) / ragged
        towards_sun = (SUN[0] - cx) * 2.2 * dx / rx - 0.75 * dy / ry
        clumps = np.cos(3 * angle - 6 * reach)  # spiral arms: the wind turns the leaves
        tone = 0.42 + 0.26 * towards_sun + 0.20 * clumps + 0.12 * self.noise(24) - 0.10 * (reach > 0.85)
        u = -dy / ry * 1.5 + 0.55 - 0.5 * dx / rx
        v = dx / rx * 1.5 * ry / rx - 0.2 - 0.5 * dy / ry
        self.fill("crown", reach < 1, tone, (u, v))

    def _trunk(self, tree: tuple[float, ...]) -> None:
        """Trunk and branches, bent over by the wind."""
        cx, cy, rx, ry, fx, fy = tree
        fork_x, fork_y = (fx + cx) / 2 - 0.10 * rx, (fy + cy) / 2
        for start_x, start_y, aim_x, aim_y, thick in (
            (fork_x, fork_y, -0.50, 0.0, 0.07),
            (fork_x, fork_y, 0.62, -0.30, 0.07),
            (fx, fy, 0.08, -0.30, 0.15),
        ):
            t = np.linspace(0, 1, 90)
            end_x, end_y = cx + aim_x * rx, cy + aim_y * ry
            bend_x = (1 - t) ** 2 * start_x + 2 * t * (1 - t) * (start_x - 0.04 * rx) + t**2 * end_x
            bend_y = start_y + t * (end_y - start_y)
            lean = np.gradient(bend_x), np.gradient(bend_y)
            for i in range(t.size):
                radius = rx * thick * (0.9 - 0.7 * t[i] + 0.5 * (1 - t[i]) ** 12)
                near = np.hypot(self.x - bend_x[i], self.y - bend_y[i]) < radius
                light = 0.30 + 0.45 * (self.x - bend_x[i]) / radius * np.sign(SUN[0] - cx)
                along = [np.full_like(self.x, part[i]) for part in lean]
                self.fill("trunk", near, light, (along[0], along[1]))


def mixed(
    ramp: list[tuple[int, int, int]], tone: float, jitter: float, rng: np.random.Generator
) -> list[int]:
    """A colour of the ramp at ``tone`` (0…1), shaken in hue, saturation and value like paint half mixed."""
    place = float(np.clip(tone + rng.normal(0, jitter), 0, 1)) * (len(ramp) - 1)
    low = min(int(place), len(ramp) - 2)
    # Steeper than linear: strokes keep to the pigments of the ramp, as from a palette.
    share = 1 / (1 + np.exp(-9 * (place - low - 0.5)))
    red, green, blue = ((1 - share) * np.array(ramp[low]) + share * np.array(ramp[low + 1])) / 255
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    hue = (hue + rng.normal(0, 0.2 * jitter)) % 1
    saturation = np.clip(saturation * (1 + rng.normal(0, jitter)), 0, 1)
    value = np.clip(value * (1 + rng.normal(0, jitter)), 0, 1)
    return [round(255 * c) for c in colorsys.hsv_to_rgb(hue, saturation, value)]


def trace(picture: Composition, x: float, y: float, length: float, stay: bool) -> list[list[float]]:
    """A stroke of about ``length`` px through (x, y) along the flow; ``stay``: not out of its region."""
    step = 4.0
    path = []
    for sign in (-1, 1):
        side, px, py = [], x, y
        region = picture.region[int(y), int(x)]
        for _ in range(int(length / step / 2)):
            row, column = int(np.clip(py, 0, HEIGHT - 1)), int(np.clip(px, 0, WIDTH - 1))
            if stay and picture.region[row, column] != region:
                break
            px += sign * step * picture.flow[0, row, column]
            py += sign * step * picture.flow[1, row, column]
            side.append([px, py])
        path = [*side[::-1], [x, y]] if sign < 0 else path + side
    pressed = np.sin(np.linspace(0.25, np.pi - 0.12, len(path))) ** 0.6  # lands firmly, lifts slowly
    return [
        [round(px, 1), round(py, 1), round(float(p), 2)] for (px, py), p in zip(path, pressed, strict=True)
    ]


def region_strokes(picture: Composition, rng: np.random.Generator) -> list[dict[str, object]]:
    """All passes over all regions, broad brushes first, far regions first within a pass."""
    strokes: list[dict[str, object]] = []
    for preset, size, density, length, accents, jitter in PASSES:
        points = scattered(WIDTH * HEIGHT * density // 100_000, rng)
        where = picture.region[points[:, 1].astype(int), points[:, 0].astype(int)]
        for name in REGIONS:
            for x, y in points[where == REGIONS.index(name)]:
                if (name in NARROW and size > 50) or (name == "trunk" and "Rake" in preset):
                    continue  # these brushes would blur the shape
                scale = size * rng.uniform(0.75, 1.25) * NARROW.get(name, 1.0)
                tone = picture.tone[int(y), int(x)]
                colour = mixed(RAMPS[name], tone, jitter, rng)
                if rng.random() < accents:
                    colour = list(ACCENTS[name][rng.integers(len(ACCENTS[name]))])
                path = trace(picture, x, y, scale * length * rng.uniform(0.7, 1.3), stay=size < 50)
                strokes.append({"preset": preset, "size": round(scale, 1), "colour": colour, "points": path})
    return strokes


def scattered(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``count`` points or somewhat more, evenly spread and in random order: a jittered grid. (N, 2), px."""
    pitch = (WIDTH * HEIGHT / count) ** 0.5
    grid = np.stack(np.meshgrid(np.arange(0, WIDTH, pitch), np.arange(0, HEIGHT, pitch)), axis=-1).reshape(
        -1, 2
    )
    points = grid + rng.uniform(0, pitch, grid.shape)
    return rng.permutation(points.clip(0, [WIDTH - 1, HEIGHT - 1]))


def flying_leaves(picture: Composition, rng: np.random.Generator) -> list[dict[str, object]]:
    """Leaves torn from the crowns, carried off on the wind."""
    strokes = []
    for cx, cy, rx, ry, _, _ in TREES:
        for _ in range(int(260 * rx)):
            away = rng.exponential(0.9)
            x = (cx + rx * (0.7 + away)) * HEIGHT
            y = (cy - 0.45 * rx * (1 + 0.7 * away) + rng.normal(0, 0.5 * ry)) * HEIGHT
            if not (0 <= x < WIDTH and 0 <= y < HEIGHT):
                continue
            colour = mixed(RAMPS["crown"], rng.uniform(0.3, 0.85), 0.08, rng)
            size = rng.uniform(6, 12)
            path = trace(picture, x, y, size * 3.5, stay=False)
            strokes.append(
                {"preset": "m) RGBA 02 Thickpaint", "size": round(size, 1), "colour": colour, "points": path}
            )
    return strokes


def paint_in_krita(strokes: list[dict[str, object]], out: Path) -> None:
    """Paint the strokes in a Krita of its own; writes a PNG. Raises RuntimeError if Krita fails."""
    with tempfile.TemporaryDirectory(prefix="nst-painting-") as folder:
        home = Path(folder)
        plugins = home / ".local/share/krita/pykrita"
        for needed in (plugins / PLUGIN, home / ".config", home / "run"):
            needed.mkdir(parents=True, mode=0o700)
        shutil.copy(Path(__file__).with_name("style_painter_plugin.py"), plugins / PLUGIN / "__init__.py")
        entry = "[Desktop Entry]\nType=Service\nServiceTypes=Krita/PythonPlugin\n"
        entry += f"X-KDE-Library={PLUGIN}\nName={PLUGIN}\n"
        (plugins / f"{PLUGIN}.desktop").write_text(entry, encoding="utf-8")
        (home / ".config/kritarc").write_text(f"[python]\nenable_{PLUGIN}=true\n", encoding="utf-8")
        plan = home / "strokes.json"
        plan.write_text(json.dumps({"width": WIDTH, "height": HEIGHT, "strokes": strokes}), encoding="utf-8")
        environment = os.environ | {
            "HOME": folder,
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local/share"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "NST_STROKES": str(plan),
            "NST_PAINTING": str(out),
        }
        screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x1200x24"] if shutil.which("xvfb-run") else []
        run = subprocess.run(
            [*screen, "krita", "--nosplash"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        if run.returncode or not out.exists():
            raise RuntimeError(f"Krita did not finish the painting.\n{run.stderr[-2000:]}")


def save_jpeg(painting: Image.Image, path: Path) -> None:
    """The best JPEG that keeps within MAX_BYTES."""
    for quality in range(95, 40, -3):
        painting.convert("RGB").save(path, quality=quality, optimize=True, subsampling=0)
        if path.stat().st_size <= MAX_BYTES:
            return


def main() -> int:
    """Compose, paint, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the JPEG to write")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    picture = Composition(rng)
    strokes = region_strokes(picture, rng) + flying_leaves(picture, rng)
    print(f"{len(strokes)} strokes", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        png = Path(folder) / "painting.png"
        paint_in_krita(strokes, png)
        save_jpeg(Image.open(png), options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

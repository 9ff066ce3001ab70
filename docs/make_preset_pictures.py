"""Paint the pictures of the docker's presets: each preset on the demo's photograph and painting.

    .uv/bin/uv run docs/make_preset_pictures.py     about two minutes of computing on one core

The built-in encoder, seed 0, 192 px, 100 iterations at most; of each a square around the temple, 128 px.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nst_server.demo import inputs
from nst_server.engine.builtin import build_encoder
from nst_server.engine.pyramid import resize
from nst_server.engine.stylize import stylize
from nst_server.wire.params import Params
from nst_server.wire.scales import fit_longest

PRESETS = Path(__file__).parent.parent / "krita_plugin" / "nst_krita" / "presets"
SIZE, SHOWN = 192, 128  # px: what is computed, and what is seen


def tensor(image: Image.Image) -> Tensor:
    """[3, H, W] in [0, 1], at most 192 px."""
    pixels = torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32) / 255)
    return resize(pixels.permute(2, 0, 1).contiguous(), fit_longest((image.width, image.height), SIZE))


def main() -> None:
    """Paint all of them."""
    content, style = tensor(inputs.content_photo("china")), tensor(inputs.style_painting())
    encoder = build_encoder(content, [style])
    for preset in json.loads((PRESETS / "presets.json").read_text("utf-8")):
        values = {"encoder": "built-in", "iterations": 100, **preset["values"], "size": 0}
        *_, last = stylize(content, [style], encoder, Params.from_header(values), device=torch.device("cpu"))
        height = content.shape[1]
        square = resize(last.image[:, :, :height], (SHOWN, SHOWN))
        pixels = (square * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(PRESETS / preset["picture"], quality=88, optimize=True)
        print(preset["picture"], flush=True)


if __name__ == "__main__":
    main()

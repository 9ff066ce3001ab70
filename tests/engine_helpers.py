"""A small seeded encoder and small pictures for tests of the engine."""

import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate, relu

from nst_server.engine.stylize import stylize
from nst_server.wire.params import Params

QUICK = Params(iterations=12)
WIDTHS = {"conv1_1": 6, "conv2_1": 8, "conv3_1": 10}


class TinyEncoder(torch.nn.Module):
    """Three random convolutions, halving between them, with the interface of the engine's encoders."""

    name = "tiny"
    digest = "0" * 64
    default_content_layers = {"conv2_1": 1.0}  # noqa: RUF012
    default_style_layers = {"conv1_1": 1.0, "conv2_1": 1.0, "conv3_1": 1.0}  # noqa: RUF012

    def __init__(self, dtype=torch.float32):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        inputs = 3
        self.weights = {}
        for name, outputs in WIDTHS.items():
            weight = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
            self.weights[name] = weight.to(dtype)
            inputs = outputs
        self.passes = 0

    def features(self, image, layers, check=lambda: None, alpha=None):
        self.passes += 1
        x = image * 4 - 2
        found = {}
        for name, weight in self.weights.items():
            check()
            if found.keys() >= set(layers):
                break
            if name != "conv1_1":
                x = avg_pool2d(x, (min(2, x.shape[2]), min(2, x.shape[3])))
            # A bias, so that a black picture is not a dead one.
            x = relu(conv2d(x, weight, torch.full((len(weight),), 0.1).to(weight), padding=1))
            if name in layers:
                found[name] = x
        return found


def picture(width=40, height=32, seed=0, smooth=3):
    """A colourful cloudy image [3, height, width] in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, 3, height // smooth + 2, width // smooth + 2, generator=generator)
    clouds = interpolate(noise, size=(height, width), mode="bilinear", align_corners=False)
    return clouds[0].clamp(0, 1)


def stripes(width=32, height=32):
    """An orange and blue striped image [3, height, width]: a style with a direction."""
    wave = torch.sin(torch.arange(width + height).float() * 1.2) / 2 + 0.5
    index = torch.arange(height)[:, None] + torch.arange(width)
    t = wave[index]
    return torch.stack([0.9 * t, 0.3 + 0.2 * t, 0.9 - 0.8 * t])


def steps(content=None, styles=None, params=QUICK, **more):
    """The steps of a run on the CPU, of small pictures if none are given."""
    content = picture() if content is None else content
    styles = styles or [stripes()]
    return list(stylize(content, styles, TinyEncoder(), params, device=torch.device("cpu"), **more))


def difference(a, b):
    """Mean absolute difference of two images."""
    return float((a - b).abs().mean())

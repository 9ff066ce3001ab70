"""Gatys et al. 2016 as the public tutorials programme it, for comparison only; the engine uses none of it.

One size, from the content's own pixels, Gram matrices of five layers under one weight, torch.optim.LBFGS
without a line search, pixels clamped inside the closure. Only the convolutions come from the engine's
encoder, so that both see the same features.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from nst_server.engine.vgg import Encoder

STYLE_WEIGHT = 1e6  # against a content weight of 1, as in PyTorch's tutorial


def gram(features: Tensor) -> Tensor:
    """[C, C]: F Fᵀ / C h w for ``features`` [1, C, h, w]."""
    flat = features[0].flatten(1)
    return flat @ flat.T / flat.numel()


def paint(
    content: Tensor,
    style: Tensor,
    encoder: Encoder,
    evaluations: int,
    *,
    content_layer: str = "conv2_2",
    style_layers: tuple[str, ...] = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"),
    style_weight: float = STYLE_WEIGHT,
) -> tuple[Tensor, bool]:
    """The picture [3, H, W] after that many ``evaluations`` of loss and gradient, and whether it held.

    ``content`` [3, H, W] and ``style`` [3, h, w]: sRGB in [0, 1]. It has not held if its loss is no number,
    or more than ten times the lowest before: the loop has no line search, and no memory for its best.
    """
    layers = {content_layer, *style_layers}
    with torch.no_grad():
        wanted_content = encoder.features(content[None], [content_layer])[content_layer]
        wanted = {name: gram(f) for name, f in encoder.features(style[None], style_layers).items()}
    image = content[None].clone().requires_grad_()
    optimiser = torch.optim.LBFGS([image], max_iter=evaluations, max_eval=evaluations, history_size=100,
                                  tolerance_grad=0, tolerance_change=0)  # fmt: skip
    losses: list[float] = []

    def closure() -> Tensor:
        with torch.no_grad():
            image.clamp_(0, 1)
        optimiser.zero_grad()
        features = encoder.features(image, layers)
        loss = mse_loss(features[content_layer], wanted_content)
        for name in style_layers:
            loss = loss + style_weight * mse_loss(gram(features[name]), wanted[name])
        loss.backward()
        losses.append(float(loss.detach()))
        return loss

    optimiser.step(closure)
    held = losses[-1] <= 10 * min(losses)  # False for what is not a number, too
    return image.detach()[0].clamp(0, 1), held

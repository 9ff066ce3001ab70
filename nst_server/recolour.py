"""A finished picture in the colours of its content, without painting it again."""

from __future__ import annotations

import torch

from nst_server.engine.images import from_blob, to_blob
from nst_server.engine.palette import recoloured
from nst_server.engine.pyramid import resize, resize_map
from nst_server.wire.pixels import Pixels


def recolour(
    painted: tuple[Pixels, bytes],
    content: tuple[Pixels, bytes],
    keep_colours: str,
    luminance_space: str,
    profiles: tuple[bytes | None, bytes | None] = (None, None),
) -> bytes:
    """The pixels of ``painted`` as ``keep_colours`` has them, in its own format.

    Both images with their ICC profiles, if their ``colour_space`` is "icc". ``content`` of another size is
    brought to that of ``painted``. Transparent pixels count for no palette. Raises ImageError.
    """
    picture, original = (
        from_blob(*image, icc) for image, icc in zip((painted, content), profiles, strict=True)
    )
    size = (painted[0].width, painted[0].height)
    weight = original.alpha
    with torch.no_grad():
        made = recoloured(
            picture.filled,
            resize(original.filled, size, weight),
            keep_colours,
            luminance_space,
            picture.alpha,
            None if weight is None else resize_map(weight, size[1], size[0]),
        )
    return to_blob(picture.painted(made), painted[0], profiles[0])[1]

"""What each setting is called, in the docker and wherever else a painter reads of it."""

from __future__ import annotations

from ..translation import tr

LABELS = {
    "strength": tr("Strength"),
    "style_scale": tr("Stroke size"),
    "keep_colours": tr("Colours"),
    "luminance_space": tr("Lightness"),
    "quality": tr("Quality"),
    "layers": tr("Layers"),
    "size": tr("Size"),
    "iterations": tr("Iterations"),
    "frames": tr("Frames"),
    "encoder": tr("Encoder"),
    "start": tr("Start from"),
    "optimiser": tr("Optimiser"),
    "tv": tr("Smoothness"),
    "seed": tr("Seed"),
    "coarse_to_fine": tr("Coarse to fine"),
    "lock_frames": tr("Lock the frames' layers"),
    "frame_memory": tr("Frames may take"),
    "style_weights": tr("The shares of the styles"),
    "style_scales": tr("The sizes of the styles' strokes"),
}

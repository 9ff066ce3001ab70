"""The encoder that learns from the job's own images."""

import copy

import pytest
import torch

from nst_server.engine import memory
from nst_server.engine.builtin import build_encoder
from nst_server.engine.memory import bytes_per_pixel
from nst_server.engine.scene import Scene
from nst_server.engine.vgg import Encoder
from nst_server.engine.view import View
from nst_server.wire.params import Params


def image(seed: int, height: int = 40, width: int = 48) -> torch.Tensor:
    """Blobs and stripes: something with edges to learn from."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    stripes = torch.sin(torch.arange(width) * (1.1 + 0.3 * seed))
    return (smooth + 0.15 * stripes).clamp(0, 1)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return build_encoder(image(0), [image(1)], layers=["conv2_2"], seed=7)


def test_layers_of_the_smaller_picture_pull_at_the_whole(encoder, monkeypatch):
    layers = {
        "content_layers": {"conv2_1": 1, "conv1_2@2": 1},
        "style_layers": {"conv1_1": 1, "conv2_1@2": 3},
    }
    double = copy.deepcopy(encoder).double()
    influence = torch.ones(40, 48, dtype=torch.float64)
    influence[:, :10] = 0.5
    content, style = (image(seed)[0].double() for seed in (0, 1))
    scene = Scene(content, [style], double, Params.from_header(layers), influence=influence)
    loss = View(scene, scene.size).objective(scene.params, lambda: None, 10**9)
    x = image(2)[0].double().clamp(0.05, 0.95)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        v = torch.randn(x.shape, generator=generator, dtype=torch.float64)
        slope = (loss(x + 1e-8 * v).total - loss(x - 1e-8 * v).total) / 2e-8  # no kinks between
        assert float((loss(x).gradient * v).sum()) == pytest.approx(slope, rel=1e-3)
    monkeypatch.setattr(memory, "_GAPS", 0)  # what the heap cannot use is the same for both
    need = bytes_per_pixel(encoder, ["conv2_1", "conv2_1@2"], torch.device("cpu"))
    assert 1.1 < need / bytes_per_pixel(encoder, ["conv2_1"], torch.device("cpu")) < 1.5


def test_it_has_vggs_shape_down_to_the_deepest_layer(encoder):
    assert encoder.name == "built-in"
    assert encoder.pooling == "average"
    assert encoder.layers == ("conv1_1", "conv1_2", "conv2_1", "conv2_2")
    features = encoder.features(image(0), encoder.layers)
    assert [value.shape[1] for value in features.values()] == [64, 64, 128, 128]


def test_filters_answer_alike_and_differ(encoder):
    """No dead filters, mean activation about 1, and no two the same: what whitening and k-means are for."""
    for value in encoder.features(image(1), encoder.layers).values():
        assert 0.3 < float(value.mean()) < 3
        assert bool((value.amax(dim=(0, 2, 3)) > 0).all())
    filters = torch.nn.functional.normalize(encoder.features_state()["2.weight"].flatten(1), dim=1)
    likeness = filters @ filters.T - 2 * torch.eye(len(filters))
    assert float(likeness.max()) < 0.9999


def test_same_images_and_seed_give_the_same_bits(encoder):
    assert build_encoder(image(0), [image(1)], layers=["conv2_2"], seed=7).digest == encoder.digest
    assert build_encoder(image(0)[0], [image(1)[0]], layers=["relu2_2"], seed=7).digest == encoder.digest
    assert build_encoder(image(0), [image(1)], layers=["conv2_2"], seed=8).digest != encoder.digest
    assert build_encoder(image(0), [image(2)], layers=["conv2_2"], seed=7).digest != encoder.digest


def test_it_tells_its_images_apart_better_than_random_filters(encoder):
    """The relative Gram distance of two pictures is larger than random weights of the same shape see."""
    generator = torch.Generator().manual_seed(0)
    state = {key: torch.randn(v.shape, generator=generator) for key, v in encoder.features_state().items()}
    state = {key: value if "weight" in key else value * 0 for key, value in state.items()}

    def distance(network: Encoder) -> float:
        grams = []
        for seed in (0, 1):
            flat = network.features(image(seed), ["conv2_1"])["conv2_1"].flatten(2)[0]
            grams.append(flat @ flat.T / flat.shape[1])
        return float((grams[0] - grams[1]).norm() / grams[1].norm())

    assert distance(encoder) > 1.5 * distance(Encoder("built-in", state))


@pytest.mark.parametrize(
    "content",
    [
        torch.zeros(1, 3, 1, 1),
        torch.full((1, 3, 64, 64), 0.5),
        torch.rand(1, 1, 1, 900).expand(1, 3, 1, 900),
        torch.rand(1, 3, 900, 2),
    ],
    ids=["one black pixel", "flat", "grey line", "thin"],
)
def test_degenerate_images_give_finite_filters(content):
    encoder = build_encoder(content, [torch.ones(1, 3, 3, 3), content], layers=["conv2_1"])
    assert all(bool(value.isfinite().all()) for value in encoder.features_state().values())
    leaf = content.clone().requires_grad_()
    sum(value.mean() for value in encoder.features(leaf, encoder.layers).values()).backward()
    assert leaf.grad is not None
    assert bool(leaf.grad.isfinite().all())


def test_deep_layers_can_be_learned_from_few_patches():
    encoder = build_encoder(image(0), [image(1)], layers=["conv4_1"])
    value = encoder.features(image(0), ["conv4_1"])["conv4_1"]
    assert value.shape == (1, 512, 5, 6)
    assert bool(value.isfinite().all())


def test_without_a_style_it_learns_from_the_content_alone():
    assert build_encoder(image(0), [], layers=["conv1_1"]).layers == ("conv1_1",)


def test_unknown_layers_and_cancellation():
    with pytest.raises(ValueError, match="no layer 'conv9_9'"):
        build_encoder(image(0), [image(1)], layers=["conv9_9"])

    class Stop(Exception):
        pass

    calls = []

    def check():
        calls.append(1)
        if len(calls) > 12:
            raise Stop

    with pytest.raises(Stop):
        build_encoder(image(0), [image(1)], layers=["conv5_1"], check=check)
    assert len(calls) == 13


def test_a_change_that_nobody_sees_leaves_the_filters_as_they_are():
    content, style = image(1, 72, 96), image(2, 80, 96)
    touched = content.clone()
    touched[..., ::10, ::10] = (touched[..., ::10, ::10] + 1 / 255).clamp(0, 1)
    ours, theirs = (
        build_encoder(seen, [style], layers=["conv1_1"]).features(style, ["conv1_1"])["conv1_1"]
        for seen in (content, touched)
    )
    alike = torch.nn.functional.cosine_similarity(ours.flatten(2), theirs.flatten(2), dim=2)
    assert float(alike.mean()) > 0.95

"""Named-layer features."""

import numpy as np
import pytest
import torch
from plugin_parts import part
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from nst_server.engine.memory import bytes_per_pixel
from nst_server.engine.vgg import Encoder, convolve, default_layers, halved, normalised, pool
from nst_server.weights import convolutions
from nst_server.wire.layers import layer_names, parted_layer


def random_state(name="vgg19", deepest=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for conv in convolutions(name)[:deepest]:
        shape = (conv.outputs, conv.inputs, 3, 3)
        spread = (2 / (9 * conv.inputs)) ** 0.5
        state[f"{conv.position}.weight"] = torch.randn(shape, generator=generator) * spread
        state[f"{conv.position}.bias"] = torch.randn(conv.outputs, generator=generator) * 0.1
    return state


@pytest.fixture(scope="module")
def encoder():
    return Encoder("vgg19", random_state(deepest=6))


@pytest.fixture(scope="module")
def whole_encoder():
    return Encoder("vgg19", random_state(deepest=13))


@pytest.mark.parametrize(("name", "configuration"), [("vgg19", "E"), ("vgg16", "D")])
def test_layer_names_lie_where_torchvision_has_them(name, configuration):
    layers = make_layers(cfgs[configuration][:3])  # conv1_1, conv1_2 and a pooling
    table = convolutions(name)
    assert tuple(conv.name for conv in table) == layer_names(name)
    assert [conv.position for conv in table[:3]] == [0, 2, 5]
    assert isinstance(layers[2], nn.Conv2d)
    assert [conv.name for conv in table if conv.pooled] == ["conv2_1", "conv3_1", "conv4_1", "conv5_1"]
    assert table[-1].position == (34 if name == "vgg19" else 28)


def test_features_are_torchvisions_away_from_the_border():
    state = random_state("vgg16", deepest=4)
    network = make_layers(cfgs["D"][:6])  # two blocks and both poolings
    network.load_state_dict(state)
    image = torch.rand(1, 3, 40, 36, generator=torch.Generator().manual_seed(1))
    found = Encoder("vgg16", state).features(image, ["conv1_2", "conv2_2"])
    with torch.no_grad():
        expected = {"conv1_2": network[:4](normalised(image)), "conv2_2": network[:9](normalised(image))}
    for name, value in expected.items():
        inner = (..., slice(4, -4), slice(4, -4))
        assert torch.allclose(found[name][inner], value[inner], atol=1e-5)


def test_layers_of_the_picture_at_half_its_size(encoder):
    image = torch.rand(1, 3, 24, 20, generator=torch.Generator().manual_seed(2))
    found = encoder.features(image, ["conv1_1", "relu2_1@2", "conv1_1@4"])
    half = halved(image)
    assert list(found) == ["conv1_1", "conv2_1@2", "conv1_1@4"]
    assert torch.equal(found["conv2_1@2"], encoder.features(half, ["conv2_1"])["conv2_1"])
    assert torch.equal(found["conv1_1@4"], encoder.features(halved(half), ["conv1_1"])["conv1_1"])


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (9, 5), (16, 16)])
def test_half_of_an_image(size):
    image = torch.rand(1, 3, *size, dtype=torch.float64, requires_grad=True)
    half = halved(image)
    assert half.shape[2:] == tuple(max(1, side // 2) for side in size)
    assert torch.allclose(halved(torch.full_like(image, 0.7)), torch.full_like(half, 0.7))
    assert torch.autograd.gradcheck(halved, image)


def test_half_of_a_partly_transparent_image(encoder):
    """Stripes of which every second is hardly to be seen are halved to the colour of the others."""
    columns = torch.arange(20) % 2 == 0
    image = torch.where(
        columns, torch.tensor([1.0, 0.0, 0.0])[:, None], torch.tensor([0.0, 1.0, 0.0])[:, None]
    )
    image = image[None, :, None].expand(1, 3, 24, 20)
    alpha = torch.where(columns, 1.0, 0.15).expand(24, 20)
    half = halved(image, alpha[None, None])
    assert torch.allclose(half[..., 2:-2].mean((0, 2, 3)), torch.tensor([0.87, 0.13, 0.0]), atol=0.01)
    found = encoder.features(image, ["conv1_1", "conv1_1@2", "conv1_1@4"], alpha=alpha)
    quarter = halved(half, halved(alpha[None, None]))
    for name, seen in {"conv1_1": image, "conv1_1@2": half, "conv1_1@4": quarter}.items():
        assert torch.equal(found[name], encoder.features(seen, ["conv1_1"])["conv1_1"])
    even = encoder.features(image, ["conv1_1@4"], alpha=torch.full((24, 20), 0.3))["conv1_1@4"]
    torch.testing.assert_close(even, encoder.features(image, ["conv1_1@4"])["conv1_1@4"])


def test_half_of_an_image_shows_no_squares():
    """Neighbours in one square of 2×2 and across two count alike."""
    image = torch.zeros(1, 1, 16, 16, requires_grad=True)
    ramp = torch.arange(8.0)
    (gradient,) = torch.autograd.grad((halved(image) * ramp).sum(), image)
    steps = gradient[0, 0, 8, 4:-4].diff()
    assert torch.allclose(steps, steps.mean().expand_as(steps))


def test_a_plain_image_has_no_border(encoder):
    found = encoder.features(torch.full((1, 3, 8, 8), 0.9), encoder.layers)
    for value in found.values():
        assert torch.allclose(value, value[:, :, :1, :1].expand_as(value), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "mode"), [((5, 4), "reflect"), ((2, 2), "reflect"), ((1, 4), "replicate")])
def test_beyond_the_border_lies_the_mirrored_image(size, mode):
    """Value and gradient are those that autograd finds for PyTorch's own padding."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(6, 4, 3, 3, dtype=torch.float64, generator=generator)
    bias = torch.randn(6, dtype=torch.float64, generator=generator)
    x = torch.randn(1, 4, *size, dtype=torch.float64, generator=generator).requires_grad_()
    expected = torch.relu(nn.functional.conv2d(nn.functional.pad(x, (1, 1, 1, 1), mode=mode), weight, bias))
    found = convolve(x, weight, bias)
    assert torch.allclose(found, expected)
    (wanted,) = torch.autograd.grad(expected.square().sum(), x)
    (got,) = torch.autograd.grad(found.square().sum(), x)
    assert torch.allclose(got, wanted)


def test_relu_names_and_unknown_layers(encoder):
    image = torch.rand(1, 3, 8, 8)
    assert set(encoder.features(image, ["relu2_1", "conv1_1"])) == {"conv2_1", "conv1_1"}
    assert encoder.features(image, []) == {}
    with pytest.raises(ValueError, match="vgg19 has no layer conv4_2"):
        encoder.features(image, ["conv4_2"])


def test_features_are_rectified_and_weights_frozen(encoder):
    image = torch.rand(1, 3, 12, 12, requires_grad=True)
    found = encoder.features(image, encoder.layers)
    assert all(float(value.detach().min()) >= 0 for value in found.values())
    sum(value.mean() for value in found.values()).backward()
    assert image.grad is not None
    assert float(image.grad.abs().sum()) > 0
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert all(buffer.grad is None for buffer in encoder.buffers())


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
def test_gradient_matches_finite_differences(pooling):
    encoder = Encoder("vgg19", random_state(deepest=3), pooling=pooling).double()
    generator = torch.Generator().manual_seed(2)
    image = torch.rand(1, 3, 6, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    layers = ["conv1_2", "conv2_1"]

    def value(x):
        return sum((feature**2).mean() for feature in encoder.features(x, layers).values())

    assert torch.autograd.gradcheck(value, (image,), eps=1e-7, atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (17, 1)])
def test_every_size_has_features(size, whole_encoder):
    found = whole_encoder.features(torch.rand(1, 3, *size), ["conv1_1", "conv5_1"])
    assert found["conv1_1"].shape == (1, 64, *size)
    assert min(found["conv5_1"].shape) >= 1
    assert bool(found["conv5_1"].isfinite().all())


def test_check_is_called_on_both_ways_and_ends_the_pass(encoder):
    class Stop(Exception):
        pass

    left = [1_000]

    def check():
        left[0] -= 1
        if left[0] < 0:
            raise Stop

    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    value = encoder.features(image, ["conv3_2"], check)["conv3_2"].sum()
    forward = 1_000 - left[0]
    assert forward >= 6
    left[0] = 2
    with pytest.raises(Stop):
        value.backward()
    left[0] = 2
    with pytest.raises(Stop):
        encoder.features(image, ["conv3_2"], check)


def test_pooling_shrinks_as_it_says():
    x = torch.tensor([[[[1.0, 3.0, 9.0], [5.0, 7.0, 9.0]]]])
    assert pool(x, "max").tolist() == [[[[7.0]]]]
    assert pool(x, "average", 2.0).tolist() == [[[[8.0]]]]
    assert pool(x, "l2", 2.0).item() == pytest.approx(2 * 21**0.5)
    assert Encoder("vgg19", random_state(deepest=1)).pooling == "max"
    assert Encoder("built-in", random_state(deepest=1)).pooling == "average"


def test_pooled_silence_has_a_gradient():
    x = torch.zeros(1, 2, 4, 4, requires_grad=True)
    pool(x, "l2", 1.2).sum().backward()
    assert x.grad.tolist() == torch.zeros(1, 2, 4, 4).tolist()


@pytest.mark.parametrize("pooling", ["average", "l2"])
def test_vgg_is_as_loud_behind_other_poolings(pooling):
    """Only the built-in encoder, learned behind the pooling that it has, needs no gain."""
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    state = random_state(deepest=3)
    first = Encoder("vgg19", state).features(image, ["conv1_2"])["conv1_2"]
    for name, gain in (("vgg19", {"average": 1.25, "l2": 1.2}[pooling]), ("built-in", 1.0)):
        found = Encoder(name, state, pooling=pooling).features(image, ["conv2_1"])["conv2_1"]
        expected = convolve(pool(first, pooling, gain), state["5.weight"], state["5.bias"])
        assert torch.allclose(found, expected, atol=1e-5)


def test_digest_names_what_features_depend_on():
    state = random_state(deepest=2)
    digest = Encoder("vgg19", state).digest
    assert len(digest) == 64
    assert Encoder("vgg19", dict(reversed(state.items()))).digest == digest
    assert Encoder("vgg19", state, pooling="average").digest != digest
    changed = dict(state)
    changed["0.bias"] = state["0.bias"] + 1e-6
    assert Encoder("vgg19", changed).digest != digest


def test_state_builds_the_encoder_again(encoder):
    again = Encoder("vgg19", encoder.features_state())
    assert again.digest == encoder.digest
    assert again.layers == encoder.layers == layer_names("vgg19")[:6]
    assert np.isfinite(again.features_state()["0.weight"].numpy()).all()


def test_unfit_state_is_refused():
    with pytest.raises(ValueError, match=r"lacks 0\.weight"):
        Encoder("vgg19", {})
    with pytest.raises(ValueError, match="conv1_1 of vgg19 has weights of shape"):
        Encoder("vgg19", {"0.weight": torch.zeros(64, 1, 3, 3), "0.bias": torch.zeros(64)})


def test_default_layers_exist():
    for name in ("vgg19", "vgg16", "built-in"):
        layers = default_layers(name)
        assert {parted_layer(layer)[0] for layer in (*layers.content, *layers.style)} <= set(
            layer_names(name)
        )


def test_memory_counts_the_places_that_max_pooling_keeps():
    state = random_state(deepest=3)
    most, average = (
        bytes_per_pixel(Encoder("vgg19", state, pooling=kind), ["conv2_1"], torch.device("cpu"))
        for kind in ("max", "average")
    )
    assert most - average == 64 * 8 / 4  # channels, bytes of an int64, pixels before pooling


@pytest.mark.parametrize(("name", "deepest"), [("vgg19", 13), ("vgg16", 11), ("built-in", 13)])
def test_the_docker_promises_no_less_memory_than_an_evaluation_takes(plugin, name, deepest):
    built_like = "vgg16" if name == "vgg16" else "vgg19"
    encoder = Encoder(name, random_state(built_like, deepest))
    layers = {**encoder.default_content_layers, **encoder.default_style_layers}
    need = bytes_per_pixel(encoder, layers, torch.device("cpu"))
    assert 0.9 < need / part("model.forecast").BYTES_PER_PIXEL <= 1

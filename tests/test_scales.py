"""The scales of a picture, and how iterations are shared over them."""

from dataclasses import replace
from itertools import pairwise

import pytest

from nst_server.wire.checks import InvalidParams
from nst_server.wire.params import MAX_SCALES, MAX_SIZE, Params
from nst_server.wire.scales import (
    check_layers,
    check_scales,
    fit_longest,
    scale_ladder,
    scales_of,
    share_iterations,
)


@pytest.mark.parametrize(
    ("size", "ladder"),
    [
        ((512, 384), [(128, 96), (256, 192), (512, 384)]),
        ((150, 100), [(150, 100)]),
        ((384, 2), [(96, 1), (192, 1), (384, 2)]),
        ((1, 1), [(1, 1)]),
    ],
)
def test_ladder_doubles_from_about_128(size, ladder):
    assert scale_ladder(size) == ladder


@pytest.mark.parametrize("longest", [1, 100, 128, 191, 192, 300, 511, 4096, 32768])
def test_ladder_ends_at_the_size_and_starts_near_128(longest):
    ladder = scale_ladder((37, longest))
    assert ladder[-1] == (37, longest)
    assert max(ladder[0]) < 193
    assert len(ladder) == 1 or max(ladder[0]) >= 96
    for small, large in pairwise(ladder):
        assert abs(large[1] - 2 * small[1]) <= 1


@pytest.mark.parametrize("iterations", [1, 3, 7, 8, 20, 300, 1_000_000])
@pytest.mark.parametrize("scales", [1, 3, 6])
def test_shares_add_up_and_leave_no_scale_undeveloped(iterations, scales):
    shares = share_iterations(iterations, scales)
    assert len(shares) == scales
    assert sum(shares) == iterations
    used = [n for n in shares if n]
    assert shares[-1] > 0
    assert shares[-len(used) :] == used
    assert used == sorted(used, reverse=True)
    assert len(used) == 1 or min(used) >= 4


def test_fit_longest_keeps_the_proportion():
    assert fit_longest((1000, 500), 250) == (250, 125)
    assert fit_longest((500, 1000), 0) == (500, 1000)
    assert fit_longest((1000, 1), 10) == (10, 1)


@pytest.mark.parametrize("step", [1.2, 1.414, 3.0, 4.0])
def test_ladders_of_other_steps(step):
    ladder = scale_ladder((1024, 512), step)
    assert ladder[-1] == (1024, 512)
    assert 128 * (1 + 1 / step) / 2 - 1 <= ladder[0][0] < 128 * (1 + step) / 2 + 1
    for small, large in pairwise(ladder):
        assert large[0] / small[0] == pytest.approx(step, rel=0.01)
    assert len(scale_ladder((MAX_SIZE, 1), 1.2)) <= MAX_SCALES


def test_finer_steps_spend_as_much_on_each_octave():
    by_two = share_iterations(300, 4)
    by_root = share_iterations(300, 7, 2**0.5)
    assert sum(by_root) == 300 and min(by_root) >= 4
    assert sum(by_root[:2]) == pytest.approx(by_two[0], rel=0.15)
    assert sum(by_root[2:4]) == pytest.approx(by_two[1], rel=0.15)


@pytest.mark.parametrize(
    ("numbers", "work"),
    [
        ((50, 20, 5), [((128, 96), 50), ((256, 192), 20), ((512, 384), 5)]),
        ((20, 5), [((256, 192), 20), ((512, 384), 5)]),
        ((50, 0, 5), [((128, 96), 50), ((512, 384), 5)]),
        ((50, 0, 0), [((128, 96), 50)]),
        ((1, 2, 3, 4), [((128, 96), 3), ((256, 192), 3), ((512, 384), 4)]),
    ],
)
def test_any_number_of_iterations_at_any_scale(numbers, work):
    params = Params(scale_iterations=numbers)
    assert params.iterations == sum(numbers)
    assert scales_of((512, 384), params) == work


def test_iterations_are_shared_where_nobody_gives_them():
    assert [n for _, n in scales_of((512, 384), Params())] == share_iterations(300, 3)
    assert scales_of((512, 384), Params(coarse_to_fine=False)) == [((512, 384), 300)]
    assert scales_of((512, 384), Params(start="image")) == [((512, 384), 300)]


WHOLE, HALF = {"conv1_1": 1.0, "conv2_1@2": 1.0}, {"conv3_1@2": 1.0, "conv1_1": 0.0}


@pytest.mark.parametrize(
    ("style", "content", "strength", "field"),
    [
        (HALF, HALF, 0.5, "style_layers"),
        (HALF, WHOLE, 0.01, "style_layers"),
        (HALF, {}, 1.0, "style_layers"),
        (WHOLE, HALF, 0.5, ""),
        ({}, HALF, 1.0, ""),
        (WHOLE, HALF, 0.0, "content_layers"),
        (HALF, WHOLE, 0.0, ""),
        ({}, {}, 0.5, ""),
    ],
)
def test_what_decides_how_it_looks_sees_the_whole_picture(style, content, strength, field):
    params = Params(style_layers=style, content_layers=content, strength=strength)
    if not field:
        check_layers(params)
        return
    with pytest.raises(InvalidParams, match="none of them looks at the whole picture") as refused:
        check_layers(params)
    assert refused.value.field == field
    check_layers(replace(params, iterations=0, keep_colours="moments"))


def test_more_numbers_than_scales_are_refused_where_the_size_is_known():
    params = Params(scale_iterations=(9, 9, 9))
    check_scales((512, 384), params)
    check_scales((1024, 768), replace(params, size=512))
    with pytest.raises(InvalidParams, match=r"3 numbers, but 300 px are worked at 2 scales.*at most 2"):
        check_scales((300, 200), params)
    with pytest.raises(InvalidParams, match="150 px are worked at 1 scale"):
        check_scales((2000, 200), replace(params, size=150))
    with pytest.raises(InvalidParams, match="1 scale"):
        check_scales((512, 384), replace(params, start="image"))


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"scale_iterations": [10, 10], "iterations": 30}, "add up to 20, but iterations is 30"),
        ({"scale_iterations": [0, 0]}, "add up to 0"),
        ({"scale_iterations": [1.5]}, "cannot be used"),
        ({"scale_iterations": [-1]}, "out of range"),
        ({"scale_iterations": "12"}, "must be a list"),
        ({"scale_iterations": [1] * (MAX_SCALES + 1)}, "One for each scale, at most 32"),
        ({"scale_step": 1.1}, "out of range"),
        ({"averaging": 1.0}, "out of range"),
        ({"deterministic": 1}, "must be true or false"),
    ],
)
def test_what_contradicts_is_refused_by_name(params, problem):
    with pytest.raises(InvalidParams, match=problem) as caught:
        Params(**params)
    assert caught.value.field.split("[")[0] in params


def test_on_the_wire_they_come_back_as_they_were():
    params = Params(scale_iterations=(20, 5), scale_step=1.414, averaging=0.5, deterministic=True)
    header = params.to_header()
    assert header["scale_iterations"] == [20, 5] and header["iterations"] == 25
    assert Params.from_header(header) == params

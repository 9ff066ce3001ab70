"""Going on from a frame of an earlier run as it would have, and with what has been painted over it."""

import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from engine_helpers import TinyEncoder, picture, stripes
from server_process import ServerProcess

from nst_server.broker.dispatch import Dispatcher
from nst_server.broker.submission import Rejected, job_of, request_of
from nst_server.engine.pyramid import fill_transparent
from nst_server.engine.regions import Regions
from nst_server.engine.state import Parts
from nst_server.engine.stylize import stylize
from nst_server.jobs import Jobs
from nst_server.store import Store
from nst_server.wire.messages import Message
from nst_server.wire.params import Params
from nst_server.wire.pixels import Pixels
from nst_server.worker import memory
from nst_server.worker.job import Run
from nst_server.worker.memory import Memory, OtherLoss, loss_of

CPU = torch.device("cpu")
#: Two scales, 130 and 260 px; at one the same size.
WHOLE, MORE = Params(scale_iterations=(10, 10)), Params(scale_iterations=(6,), start="image")


def run(params, encoder=None, **more):
    images = {"content": picture(260, 60), "styles": [stripes()], **more}
    return list(stylize(encoder=encoder or TinyEncoder(), params=params, device=CPU, **images))


def in_8_bits(image):
    return (image * 255).round() / 255


@pytest.fixture(scope="module", params=["lbfgs", "plain-lbfgs", "adam"])
def before(request):
    """A run that has ended: its parameters' optimiser, its last step, and where it would have gone."""
    params = replace(WHOLE, optimiser=request.param, learning_rate=0.005)
    longer = run(replace(params, iterations=26, scale_iterations=(10, 16)))
    return replace(MORE, optimiser=request.param, learning_rate=0.005), run(params)[-1], longer


def test_a_frame_goes_on_as_the_run_would_have(before):
    params, last, longer = before
    steps = run(params, start=in_8_bits(last.image), continues=True, earlier=last.state)
    assert steps[0].losses["total"] == pytest.approx(longer[20].losses["total"], rel=0.03)
    assert steps[-1].losses["total"] == pytest.approx(longer[-1].losses["total"], rel=0.03)
    went, would = steps[-1].image - last.image, longer[-1].image - last.image
    assert float((went - would).norm()) < 0.5 * float(would.norm())


def test_without_its_last_state_a_frame_still_holds_its_drawing():
    # So far that what it would do anyhow is little.
    last = run(replace(WHOLE, iterations=60, scale_iterations=(30, 30)))[-1]
    start = in_8_bits(last.image)
    held, anew = (run(MORE, start=start, continues=continues) for continues in (True, False))
    assert held[0].losses["total"] < 1.03 * last.losses["total"] < anew[0].losses["total"]
    assert float((held[-1].image - start).abs().mean()) < float((anew[-1].image - start).abs().mean())


def test_a_colour_that_no_style_has_is_not_held_to():
    last = run(WHOLE)[-1]
    edited = in_8_bits(last.image)
    edited[:, 20:40, 60:90] = torch.tensor([0.1, 1.0, 0.1])[:, None, None]
    steps = run(MORE, start=edited, continues=True, earlier=last.state)
    assert steps[-1].losses["content"] < 2 * last.losses["content"]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("scales", [(10, 10), (20,)])
def test_what_was_painted_over_a_frame_stays(known, scales):
    whole = replace(WHOLE, iterations=20, scale_iterations=scales)
    last = run(whole)[-1]
    edited = in_8_bits(last.image)
    place = (slice(None), slice(20, 44), slice(60, 100))
    edited[place] = edited[:, 20:44, 160:200]
    earlier = last.state if known else None
    held, anew = (run(MORE, start=edited, continues=yes, earlier=earlier if yes else None) for yes in (1, 0))
    ours, theirs = (float((steps[-1].image - edited)[place].abs().mean()) for steps in (held, anew))
    back = float((held[-1].image - last.image)[place].abs().mean())
    assert ours < 0.9 * theirs
    assert ours < 0.5 * back, "far nearer to what was painted than to what was there before"
    assert float((held[-1].image - edited)[place].abs().mean()) > 0.005, "it is woven in"


@pytest.mark.parametrize("scales", [(10, 10), (20,)])
@pytest.mark.parametrize("kept", ["no", "luminance"])
def test_where_the_start_is_transparent_the_earlier_picture_goes_on(scales, kept):
    """Strokes on a layer of their own: what colours would bleed in from them is painted nowhere."""
    last = run(replace(WHOLE, iterations=20, scale_iterations=scales, keep_colours=kept))[-1]
    strokes, alpha = torch.zeros(3, 60, 260), torch.zeros(60, 260)
    strokes[:2, 26:34, 60:100] = alpha[26:34, 60:100] = 1
    whole = torch.lerp(last.state.image, strokes, alpha)
    params = replace(MORE, keep_colours=kept)
    on, same, bled = (
        run(params, start=start, continues=True, earlier=last.state, start_alpha=given)[-1].image
        for start, given in ((strokes, alpha), (whole, None), (fill_transparent(strokes, alpha), None))
    )
    # In grey, whose three channels the run keeps apart, the frame is not quite its picture.
    assert float((on - same).abs().mean()) < (0.01 if kept == "no" else 0.03)
    assert float((bled - same).abs().mean()) > 0.05


def test_a_start_of_which_nothing_is_to_be_seen_is_the_earlier_picture_itself():
    last = run(WHOLE)[-1]
    hidden = {"start": torch.zeros(3, 60, 260), "start_alpha": torch.zeros(60, 260)}
    on, same = (
        run(MORE, continues=True, earlier=last.state, **start)
        for start in (hidden, {"start": last.state.image})
    )
    assert on[0].losses == same[0].losses and on[-1].image.equal(same[-1].image)


@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("fit", ["contain", "stretch"])
def test_without_an_earlier_picture_a_transparent_start_lies_over_the_content(continues, fit):
    start, alpha = picture(130, 60, seed=4), torch.zeros(60, 130)
    alpha[:, :40] = 1
    first, other = (
        run(replace(MORE, fit=fit), start=torch.where(alpha > 0, start, hidden), start_alpha=alpha,
            continues=continues)
        for hidden in (torch.zeros(()), torch.ones(()))
    )  # fmt: skip
    content = run(replace(MORE, start="content"))
    place = (slice(None), slice(None), slice(200, 260))
    assert first[-1].image.equal(other[-1].image)
    torch.testing.assert_close(first[0].image[place], content[0].image[place], atol=0.1, rtol=0)


def test_nothing_is_probed_again():
    last = run(WHOLE)[-1]
    fresh, knowing = TinyEncoder(), TinyEncoder()
    run(MORE, fresh, start=last.image, continues=True)
    run(MORE, knowing, start=last.image, continues=True, earlier=last.state)
    assert knowing.passes < fresh.passes - 8


def test_a_state_of_another_size_is_not_misused():
    last = run(replace(WHOLE, size=200))[-1]
    frame = torch.nn.functional.interpolate(last.image[None], (60, 260), mode="bilinear")[0]
    steps = run(MORE, start=frame, continues=True, earlier=last.state)
    assert steps[-1].losses["total"] < steps[0].losses["total"]


def test_what_an_earlier_run_has_learnt_is_let_go_where_it_is_of_no_use():
    last = run(replace(WHOLE, size=200))[-1]
    begin = {"start": last.image, "continues": True, "earlier": last.state}
    pair = weakref.ref(last.state.optimiser.tensors["s0"])
    steps = stylize(picture(260, 60), [stripes()], TinyEncoder(), MORE, device=CPU, **begin)
    del last, begin
    assert pair() is not None
    next(steps)
    assert pair() is None


def test_what_a_run_was_resumed_with_is_let_go_with_its_scale():
    kept = {"resume": run(WHOLE)[8].state}
    pair = weakref.ref(kept["resume"].optimiser.tensors["s0"])
    steps = stylize(picture(260, 60), [stripes()], TinyEncoder(), WHOLE, device=CPU, **kept)
    del kept
    assert max(next(steps).scale) == 130 and pair() is not None
    assert max(next(steps).scale) == 260 and pair() is None


def test_interrupted_it_goes_on_to_the_bit():
    last = run(WHOLE)[-1]
    more = {"start": in_8_bits(last.image), "continues": True, "earlier": last.state}
    whole = run(MORE, **more)
    rest = run(MORE, **{**more, "earlier": None}, resume=whole[2].state)
    assert [step.image.equal(other.image) for step, other in zip(rest, whole[3:], strict=True)] == [True] * 3


# -- what the worker remembers


def assigned(pixels):
    """The same bytes after another profile was assigned to them."""
    return replace(pixels, colour_space="icc", icc="f" * 64)


def test_only_the_same_loss_of_the_same_job_is_remembered(tmp_path):
    state = run(WHOLE)[-1].state
    images = content, _, style = [Pixels("c" * 64, 20, 20, 1600), None, Pixels("d" * 64, 20, 20, 1600)]
    mask = Pixels("e" * 64, 20, 20, 400, channels="MASK")
    loss = loss_of(WHOLE, "encoder", images)
    live = loss_of(replace(MORE, strength=0.7, tv=0.1, seed=3), "encoder", images)
    moved = loss_of(WHOLE, "encoder", [content, None, replace(style, x=1, y=-7)])
    others = [
        loss_of(replace(WHOLE, keep_colours="luminance"), "encoder", images),
        loss_of(WHOLE, "another", images),
        loss_of(WHOLE, "encoder", [content, mask, style]),
        loss_of(WHOLE, "encoder", [content, None, assigned(style)]),
        loss_of(WHOLE, "encoder", [content, None, replace(style, channels="BGRA")]),
    ]
    file = tmp_path / "learnt.npz"
    for job in ("another", None):
        kept = Memory()
        kept.keep("a", loss, state, file, 0)
        assert kept.take(job, loss, file) is None
        assert kept.take(job, loss, file) is None, "from the file"
    for its in others:
        kept = Memory()
        kept.keep("a", loss, state, file, 0)
        for _ in ("remembered", "from the file"):
            with pytest.raises(OtherLoss):
                kept.take("a", its, file)
    for its in (live, moved):
        kept = Memory()
        kept.keep("a", loss, state, file, 0)
        taken, again, later = (
            kept.take("a", its, file),
            kept.take("a", its, file),
            Memory().take("a", its, file),
        )
        assert taken is not None and taken.image.equal(state.image) and taken.optimiser == state.optimiser
        for known in (again, later):
            assert known.optimiser == Parts({}, {"image": known.image}), "of the optimiser the picture alone"
            assert known.image.equal(state.image) and known.previous.equal(state.previous)
            assert known.curvature.equal(state.curvature)


def test_a_disk_without_room_and_a_damaged_file_lose_nothing_else(tmp_path):
    state, loss, file = run(WHOLE)[-1].state, loss_of(WHOLE, "", []), tmp_path / "learnt.npz"
    kept = Memory()
    kept.keep("a", loss, state, file, 2**60)
    assert not file.exists() and kept.take("a", loss, file).image.equal(state.image)
    file.write_bytes(b"not an archive")
    assert kept.take("a", loss, file) is None


UNKNOWN = "nothing is known of job a: it went on from the picture alone"


@pytest.mark.parametrize(
    ("kept", "job", "recoloured", "notes"),
    [
        (None, "a", False, [UNKNOWN]),
        (None, "a", True, []),
        (None, None, False, []),
        ("damaged", "a", False, [UNKNOWN]),
        (WHOLE, "a", False, []),
        (replace(WHOLE, keep_colours="luminance"), "a", False,
         ["job a painted otherwise: it went on from the picture alone"]),
    ],
)  # fmt: skip
def test_only_of_another_loss_it_is_said_that_it_painted_otherwise(tmp_path, kept, job, recoloured, notes):
    """Of a job that was cancelled or has failed, or only recoloured, nothing is kept."""
    file, encoder = tmp_path / "learnt.npz", TinyEncoder()
    if kept == "damaged":
        file.write_bytes(b"not an archive")
    elif kept is not None:
        Memory().keep("a", loss_of(kept, encoder.digest, [None, None]), run(WHOLE)[-1].state, file, 0)
    going_on = Run.__new__(Run)
    going_on._memory, going_on._unsaid = Memory(), ""
    going_on._file, going_on._min_free = tmp_path / "checkpoint.npz", 0
    going_on._reins = SimpleNamespace(params=WHOLE, notes=[])
    going_on._task = {"content": None, "mask": None, "styles": [], "style_masks": [],
                      "learnt_before": job and str(file), "continues_recoloured": recoloured}  # fmt: skip
    earlier = going_on._before(job, encoder)
    assert (going_on._reins.notes, earlier is not None) == (notes, kept is WHOLE)


def test_what_was_noted_before_an_interruption_is_not_noted_again():
    resumed = Run.__new__(Run)
    resumed._unsaid, resumed._reins = "", SimpleNamespace(notes=["said"])
    for note in ("said", "new"):
        resumed._note(note)
    assert (resumed._reins.notes, resumed._unsaid) == (["said", "new"], "new")


def test_of_a_large_job_only_the_pictures_are_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_MOST_BYTES", 10**5)
    last = run(WHOLE)[-1]
    loss, kept = loss_of(WHOLE, "", []), Memory()
    kept.keep("a", loss, last.state, tmp_path / "learnt.npz", 0)
    taken = kept.take("a", loss, tmp_path / "learnt.npz")
    assert taken.optimiser == Parts({}, {"image": last.state.image})
    steps = run(MORE, start=last.image, continues=True, earlier=taken)
    assert steps[0].losses["total"] < 1.03 * last.losses["total"]


# -- from a client to the worker


RECOLOUR = {"iterations": 0, "keep_colours": "moments"}


def submitted(jobs, store, job, **more):
    """A job as the broker takes it, of a message with these fields."""
    image = Pixels("c" * 64, 20, 20, 1600).to_header()
    message = Message("submit", {"job": job, "params": {}, "content": image, "styles": [image], **more})
    return job_of(message, request_of(message), "client", jobs, store)


def test_a_job_of_another_manner_is_only_begun_from(tmp_path):
    jobs, store = Jobs(lambda change: None), Store(tmp_path)
    frame, style, same = (Pixels(name * 64, 20, 20, 1600).to_header() for name in "fdc")
    on = {"start": frame, "continues": "first"}
    jobs.accept(submitted(jobs, store, "first"))
    assert submitted(jobs, store, "a", **on).continues == "first"
    assert submitted(jobs, store, "b", **{**on, "continues": "forgotten"}).continues == "forgotten"
    assert submitted(jobs, store, "c", **on, styles=[style]).continues is None
    moved, recoloured = {**same, "x": 1, "y": -7}, assigned(Pixels.from_header(same)).to_header()
    assert submitted(jobs, store, "h", **on, styles=[moved]).continues == "first"
    assert submitted(jobs, store, "i", **on, styles=[recoloured]).continues is None
    assert submitted(jobs, store, "d", **on, params={"start": "image+noise"}).continues is None
    jobs.accept(submitted(jobs, store, "e", **on, params=RECOLOUR))
    assert submitted(jobs, store, "f", **{**on, "continues": "e"}, styles=[style]).continues == "e"
    for wrong in ({}, {"start": {"job": "e", "iteration": 1}}):
        with pytest.raises(Rejected) as rejected:
            submitted(jobs, store, "g", continues="first", **wrong)
        assert rejected.value.field == "continues"


def test_the_worker_is_told_what_the_continued_job_has_left(tmp_path):
    jobs, store = Jobs(lambda change: None), Store(tmp_path)
    dispatcher = Dispatcher(jobs, store, SimpleNamespace(wants_previews=lambda job: False), [])
    frame = Pixels("f" * 64, 20, 20, 1600).to_header()
    jobs.accept(submitted(jobs, store, "painted"))
    jobs.accept(submitted(jobs, store, "recoloured", start=frame, params=RECOLOUR))
    for name, is_recoloured in ((None, False), ("painted", False), ("recoloured", True), ("unknown", False)):
        more = {} if name is None else {"start": frame, "continues": name}
        task = dispatcher._task(submitted(jobs, store, "on", **more))
        learnt = name and str(store.learnt_path(name))
        assert (task["continues_recoloured"], task["learnt_before"]) == (is_recoloured, learnt)


def test_over_the_wire_the_losses_go_on_where_they_stood(tmp_path):
    def paint(job, **more):
        client.submit(job, size=208, frames="none", strength=0.6, **more)
        losses = [client.expect("progress", seconds=180, job=job)["losses"]["total"]]
        while (message := client.receive(60)).type != "done":
            losses += [message["losses"]["total"]] if message.type == "progress" else []
        return losses

    with ServerProcess(tmp_path) as server:
        client = server.client()
        images = {"content": client.image(208, 12, seed=1), "styles": [client.image(60, 60, seed=2)]}
        whole = paint("whole", scale_iterations=[12, 12], more=images)
        data = store_file(server, "whole")
        frame = client.image_of(data, 208, 12)
        on = paint("on", iterations=4, more={**images, "start": frame, "continues": "whole"})
        again = paint("again", iterations=4, more={**images, "start": {"job": "whole", "iteration": 24}})
        anew = paint("anew", iterations=4, more={**images, "start": frame})
    assert on[0] == pytest.approx(whole[-1], rel=0.03)
    assert again[0] == pytest.approx(whole[-1], rel=0.03), "not only the job that was the last"
    assert anew[0] > 1.2 * whole[-1]


def store_file(server, job):
    """The pixels of the only frame that is kept of ``job``."""
    (path,) = (server.data / "jobs" / job / "frames").glob("*.bin")
    return path.read_bytes()


@pytest.mark.parametrize("softness", [0, 8], ids=["hard", "soft"])
def test_a_frame_with_a_region_goes_on_where_it_stood(softness):
    content, style = picture(96, 64), stripes(96, 64)
    mask = torch.zeros(64, 96)
    mask[16:48, 24:72] = 1
    if softness:
        padded = torch.nn.functional.pad(mask[None, None], (softness,) * 4)
        mask = torch.nn.functional.avg_pool2d(padded, 2 * softness + 1, 1)[0, 0]
    found = Regions.of([mask], (96, 64))

    def painted(params, **more):
        return list(stylize(content, [style], TinyEncoder(), params, device=CPU, regions=found, **more))

    end = painted(Params(iterations=24))[-1]
    frame = found.composed(content, end.whole())
    onward = Params(iterations=4, start="image")
    first = painted(onward, start=frame, continues=True, earlier=end.state)[0]
    assert first.losses["total"] < 1.05 * end.losses["total"]
    assert float((found.composed(content, first.image) - frame)[:, mask > 0].abs().mean()) < 0.02

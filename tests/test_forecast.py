"""What the next job will take, from what earlier ones took; without Krita and Qt."""

from __future__ import annotations

from typing import Any

import pytest
from plugin_parts import part

pytestmark = pytest.mark.usefixtures("plugin")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def run_job(
    forecast: Any,
    clock: Clock,
    *,
    seconds: float,
    broken_by: str = "",
    begins: float = 0,
    prepares: float = 0,
    loads: float = 0,
    coarse_to_fine: bool = True,
    iterations: int = 100,
    unit: str = "",
    encoder: str = "built-in",
    **more: Any,
) -> None:
    """A job on 200 × 100 px that takes so many ``seconds`` to paint, told to ``forecast``; it ``begins``,
    ``prepares`` what it paints with until it runs, and paints after it ``loads``, each in s."""
    params = part("backend.wire").params.Params(iterations=iterations, coarse_to_fine=coarse_to_fine)
    job = part("model.jobs").Job("t", "s", params, part("model.options").Layers.EVERY, "d", "l")
    fields = {"device": "CPU", "encoder": encoder, "scale": [200, 100], "losses": {}, "total": iterations}
    done = {"reason": "completed", "iteration": iterations, "seconds": 1.0, "memory": 2**28}
    done = {**done, "notes": [], "plan": {}, **more}
    told: list[tuple[str, dict[str, Any]]] = [
        ("state", {"state": "queued"}),
        ("state", {"state": "preparing", "what": "starting"}),
        ("state", {"state": "preparing", "what": "reading the images", "unit": unit}),
        ("state", {"state": "preparing", "what": "learning the built-in encoder", "unit": unit}),
    ]
    told += [("state", {"state": "running"}), ("progress", {"iteration": 1})]
    told += [("state", {"state": broken_by}), ("state", {"state": "running"})] if broken_by else []
    told += [("progress", {"iteration": iterations}), ("done", done)]
    first = seconds / iterations
    waits = {1: loads + first, iterations: seconds - first}
    for kind, values in told:
        event = part("backend.wire").events.Event(kind, {**fields, **values, "job": job.id})
        clock.now += waits[values["iteration"]] if kind == "progress" else 0
        wait = values.get("what") or values.get("state")
        # It waits in the queue as well, for others.
        clock.now += {"starting": 1000, "reading the images": begins, "running": prepares}.get(wait, 0)
        job.handle(kind, event.fields)
        forecast.watch(job, event)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(part("model.forecast"), "time", made)
    return made


def a_forecast(options: Any, connection: Any = None) -> Any:
    connection = connection or part("model.connection").Connection()
    return part("model.forecast").Forecast(part("settings").Settings(), options, connection)


def a_connected_one() -> tuple[Any, Any, Any]:
    """A forecast for 100 iterations, its options, and its connection, with a server that is there."""
    options, connection = part("model.options").Options(), part("model.connection").Connection()
    options["iterations"] = 100
    forecast = a_forecast(options, connection)
    connection.link = part("model.connection").Link.CONNECTED
    return forecast, options, connection


def test_no_figure_before_there_is_one(clock: Clock) -> None:
    options = part("model.options").Options()
    forecast, unknown = a_forecast(options), "up to 92 MB · time not known yet"
    assert forecast.expect(0, 0).words == "", "no document"
    assert forecast.expect(200, 100).words == unknown, "memory can be told at once"
    run_job(forecast, clock, seconds=20, reason="stopped")
    run_job(forecast, clock, seconds=20, broken_by="paused")
    assert forecast.expect(200, 100).words == unknown, "neither a stopped nor a paused job says how long"


def test_the_forecast_follows_size_iterations_and_what_was_measured(clock: Clock) -> None:
    options = part("model.options").Options()
    run_job(a_forecast(options), clock, seconds=20)
    forecast = a_forecast(options)  # of the next session
    options["iterations"] = 100
    assert forecast.of(200, 100) == pytest.approx((20, 2**28))
    assert forecast.expect(200, 100).words == "256 MB · about 20 s"
    assert forecast.of(400, 200) == pytest.approx((80, 2**30))
    options["iterations"] = 300
    assert forecast.of(200, 100) == pytest.approx((60, 2**28))
    options["size"] = 100
    assert forecast.of(400, 200) == pytest.approx((15, 2**26)), "computed at 100 × 50"
    assert forecast.of(50, 25) is None, "too far from what was measured"
    assert forecast.of(0, 0) is None
    options["encoder"] = "vgg19"
    assert forecast.of(200, 100) is None, "never measured with that one"
    options["encoder"] = "built-in"
    assert forecast.of(200, 100) is not None


def test_of_measurements_of_one_size_the_newest_counts(clock: Clock) -> None:
    options = part("model.options").Options()
    forecast = a_forecast(options)
    options["iterations"] = 100
    for seconds in (500, 60, 50):
        run_job(forecast, clock, seconds=seconds)
    assert forecast.of(200, 100) == pytest.approx((50, 2**28))


def test_what_comes_before_the_first_iteration_counts_once(clock: Clock) -> None:
    options = part("model.options").Options()
    forecast = a_forecast(options)
    run_job(forecast, clock, seconds=50, loads=16)
    options["iterations"] = 100
    assert forecast.of(200, 100) == pytest.approx((66, 2**28)), "the same job again"
    options["iterations"] = 2000
    assert forecast.of(200, 100) == pytest.approx((1016, 2**28))
    run_job(forecast, clock, seconds=2, loads=16, iterations=2)
    assert forecast.of(200, 100) == pytest.approx((1016, 2**28)), "too short to tell"


def test_a_stopped_job_says_how_long_where_all_iterations_are_alike(clock: Clock) -> None:
    options = part("model.options").Options()
    options["coarse_to_fine"] = False
    forecast = a_forecast(options)
    run_job(forecast, clock, seconds=20, iterations=40, reason="stopped", coarse_to_fine=False)
    options["iterations"] = 100
    assert forecast.of(200, 100) == pytest.approx((50, 2**28))


def test_what_an_earlier_version_has_measured_counts(clock: Clock) -> None:
    known = {"device": "CPU", "encoder": "built-in", "coarse_to_fine": True, "pixels": 20_000}
    part("settings").Settings().set("speeds", [{**known, "seconds": 0.5, "memory": 2**28}])
    options = part("model.options").Options()
    options["iterations"] = 100
    assert a_forecast(options).of(200, 100) == pytest.approx((50, 2**28))


def test_another_device_has_its_own_figures(clock: Clock) -> None:
    connection = part("model.connection").Connection()
    forecast = a_forecast(part("model.options").Options(), connection)
    run_job(forecast, clock, seconds=20)
    connection.device = "NVIDIA"
    assert forecast.of(200, 100) is None
    connection.device = "CPU"
    assert forecast.of(200, 100) is not None


def test_the_first_job_also_waits_for_the_server_to_start(clock: Clock) -> None:
    link = part("model.connection").Link
    forecast, _options, connection = a_connected_one()
    run_job(forecast, clock, seconds=20, begins=15)
    assert forecast.expect(200, 100).words == "256 MB · about 20 s", "it is there now"
    run_job(forecast, clock, seconds=20, begins=1)
    connection.link = link.NONE
    assert forecast.expect(200, 100).words == "256 MB · about 35 s", "the next one has to start again"
    connection.link = link.CONNECTED
    run_job(forecast, clock, seconds=20, begins=300, unit="bytes")
    connection.link = link.NONE
    assert forecast.expect(200, 100).words == "256 MB · about 35 s", "a download comes once"
    connection.link = link.CONNECTED
    run_job(forecast, clock, seconds=20, begins=1)
    connection.link = link.NONE
    assert forecast.expect(200, 100).words == "256 MB · about 32 s", "somebody else had started that one"


def test_what_learning_an_encoder_takes_is_expected_of_a_server_that_is_there(clock: Clock) -> None:
    link = part("model.connection").Link
    forecast, options, connection = a_connected_one()
    run_job(forecast, clock, seconds=20, begins=5, prepares=10)
    assert forecast.expect(200, 100).words == "256 MB · about 30 s", "known from the first job on"
    assert forecast.of(400, 200) == pytest.approx((80, 2**30)), "it does not grow with the picture"
    run_job(forecast, clock, seconds=20, prepares=15)
    assert forecast.expect(200, 100).words == "256 MB · about 35 s"
    run_job(forecast, clock, seconds=20, prepares=300, unit="bytes")
    assert forecast.expect(200, 100).words == "256 MB · about 35 s", "a download comes once"
    run_job(forecast, clock, seconds=20, prepares=0.1)
    assert forecast.expect(200, 100).words == "256 MB · about 32 s", "the images may have been the same"
    run_job(forecast, clock, seconds=20, prepares=0.1, encoder="vgg19")
    assert forecast.expect(200, 100).words == "256 MB · about 20 s", "the next one gets that one, too"
    options["encoder"] = "built-in"
    assert forecast.expect(200, 100).words == "256 MB · about 32 s"
    connection.link = link.NONE
    assert forecast.expect(200, 100).words == "256 MB · about 35 s", "it begins and prepares once more"
    again = a_forecast(options, connection)  # of the next session
    connection.link = link.CONNECTED
    run_job(again, clock, seconds=20, prepares=0.1, broken_by="paused")
    assert again.expect(200, 100).words == "256 MB · about 32 s", "written down"


def test_one_hears_that_a_picture_does_not_fit_into_this_computer(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, connection = part("model.options").Options(), part("model.connection").Connection()
    forecast = part("model.forecast").Forecast(part("settings").Settings(), options, connection)
    monkeypatch.setattr(part("model.forecast"), "_machine_memory", lambda: 4_800_000_000)
    connection.device = "CPU, 2 threads"
    assert forecast.expect(1000, 900).advice == ""
    assert "painted smaller" in forecast.expect(1100, 1000).advice
    connection.remote = "studio"
    assert forecast.expect(1100, 1000).advice == "", "of another computer nothing is known"


def test_a_large_picture_on_a_processor_had_better_begin_with_a_draft(clock: Clock) -> None:
    options, connection = part("model.options").Options(), part("model.connection").Connection()
    forecast = part("model.forecast").Forecast(part("settings").Settings(), options, connection)
    assert forecast.expect(3000, 2000).advice == "", "the device is not known yet"
    connection.device = "NVIDIA"
    assert forecast.expect(3000, 2000).advice == ""
    connection.device = "CPU, 2 threads"
    assert forecast.expect(1000, 1500).advice == ""
    assert "long on a processor" in forecast.expect(2000, 3000).advice
    options.spend("draft")
    assert forecast.expect(2000, 3000) == ("up to 800 MB · time not known yet", "")


def test_damaged_measurements_are_passed_over(clock: Clock) -> None:
    settings = part("settings").Settings()
    settings.set("speeds", [1, {}, {"pixels": "x"}, {"device": "CPU", "coarse_to_fine": True, "pixels": 0}])
    options = part("model.options").Options()
    assert a_forecast(options).of(100, 100) is None

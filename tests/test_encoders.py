"""Which encoder a job gets."""

import pytest
import torch

from nst_server import weights
from nst_server.engine import encoders
from nst_server.engine.encoders import choose_encoder
from nst_server.weights import convolutions
from nst_server.wire.params import Params

CONTENT = torch.rand(3, 24, 20, generator=torch.Generator().manual_seed(0))
STYLES = [torch.rand(3, 16, 30, generator=torch.Generator().manual_seed(1))]
NOWHERE = "http://127.0.0.1:1/vgg19-00000000.pth"


def state(name):
    found = {}
    for conv in convolutions(name):
        found[f"{conv.position}.weight"] = torch.full((1,), 0.01).expand(conv.outputs, conv.inputs, 3, 3)
        found[f"{conv.position}.bias"] = torch.zeros(1).expand(conv.outputs)
    return found


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(encoders, "_failed", {})


def chosen(params=None, **more):
    return choose_encoder(params or Params(), CONTENT, STYLES, **{"url": NOWHERE, **more})


def test_auto_without_network_learns_the_built_in_encoder():
    told = []
    encoder = chosen(report=lambda what, done, total, unit: told.append(what))
    assert encoder.name == "built-in"
    assert encoder.layers[-1] == "conv3_1"
    assert told == ["downloading VGG19", "learning the built-in encoder"]


def test_auto_does_not_try_again_at_once(monkeypatch):
    chosen()
    told = []
    chosen(report=lambda what, *rest: told.append(what))
    assert told == ["learning the built-in encoder"]
    monkeypatch.setattr(encoders, "_TRY_AGAIN", 0.0)
    chosen(report=lambda what, *rest: told.append(what))
    assert told[1] == "downloading VGG19"


def test_each_job_is_told_why_it_has_no_vgg19():
    told = []
    for fetch in (True, True, False):
        chosen(fetch=fetch, note=told.append)
    assert told[0].startswith("VGG19 could not be had, the built-in encoder took its place: ")
    assert told == [told[0]] * 2, "where nothing may be downloaded, nothing has failed"


def test_auto_downloads_only_where_it_may():
    told = []
    assert chosen(fetch=False, report=lambda what, *rest: told.append(what)).name == "built-in"
    assert told == ["learning the built-in encoder"]


def test_auto_takes_kept_weights_and_falls_back_where_they_are_damaged():
    file = weights.keep(weights.Weights("vgg19", state("vgg19")))
    encoder = chosen(Params(pooling="average"))
    assert (encoder.name, encoder.pooling) == ("vgg19", "average")
    file.write_bytes(b"damaged")
    assert chosen().name == "built-in"
    with pytest.raises(weights.WeightsError, match="is damaged"):
        chosen(Params(encoder="vgg19"))


def test_what_was_learnt_before_is_taken_only_where_it_would_be_learnt_again():
    told, learnt = [], chosen()
    again = chosen(learnt=learnt, note=told.append)
    assert again is learnt
    assert [note.startswith("VGG19 could not be had") for note in told] == [True]
    weights.keep(weights.Weights("vgg19", state("vgg19")))
    assert chosen(learnt=learnt).name == "vgg19"


def test_given_weights_come_first(tmp_path):
    weights.keep(weights.Weights("vgg19", state("vgg19")))
    file = tmp_path / "own.pth"
    torch.save(state("vgg16"), file)
    assert chosen(weights_path=file).name == "vgg16"
    assert chosen(Params(encoder="vgg16"), weights_path=file).name == "vgg16"
    assert chosen(Params(encoder="built-in"), weights_path=file).name == "built-in"
    with pytest.raises(weights.WeightsError, match="holds vgg16, and vgg19 is asked for"):
        chosen(Params(encoder="vgg19"), weights_path=file)
    with pytest.raises(weights.WeightsError, match="cannot be read"):
        chosen(weights_path=tmp_path / "nowhere.pth")


@pytest.mark.parametrize("fetch", [False, True])
def test_named_encoder_that_cannot_be_had_is_an_error_with_a_hint(fetch):
    with pytest.raises(weights.WeightsError) as caught:
        chosen(Params(encoder="vgg16"), fetch=fetch)
    assert "nst weights" in caught.value.hint


def test_built_in_reaches_the_layers_asked_for_and_follows_seed_and_pooling():
    params = {"encoder": "built-in", "content_layers": ["conv2_1"], "style_layers": ["conv1_2"]}
    encoder = chosen(Params(**params))
    assert encoder.layers[-1] == "conv2_1"
    assert chosen(Params(**params)).digest == encoder.digest
    assert chosen(Params(**params, seed=1)).digest != encoder.digest
    assert chosen(Params(**params, pooling="max")).pooling == "max"


def test_check_ends_the_work():
    class Stop(Exception):
        pass

    def check():
        raise Stop

    for encoder in ("built-in", "vgg19"):
        with pytest.raises(Stop):
            chosen(Params(encoder=encoder), check=check)

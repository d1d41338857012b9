"""A training may start from the weights of another, and says what became of each."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from small_climax import OPTIONS as OPTIONS_OF_CLIMAX
from small_climax import authors_weights
from small_stores import weather, write_store
from small_training import OPTIONS, TRAINER, convolution

from climbench.errors import UserError
from climbench.models.climate_model_heads import ClimateModelHeads
from climbench.models.climax_forecasting import ClimaX
from climbench.models.climax_projection import ClimaXProjection
from climbench.tasks import DirectForecasting
from climbench.testing.model_contract import GLOBAL
from climbench.training import load_checkpoint, train
from climbench.training.initial_weights import load_initial_weights, read_report

SMALL = {"patch_size": 2, "embed_dim": 8, "depth": 2, "num_heads": 2}
CNN = {"_target_": "climbench.models.cnn_lstm.CNNLSTM", "filters": 4, "hidden": 4}


def saved(path, network, signature):
    record = {"signature": signature.to_dict()}
    torch.save({"climbench": record, "state_dict": network.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    times = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
    store = write_store(tmp_path_factory.mktemp("stores") / "planet", weather(times))
    return DirectForecasting(store=store, **OPTIONS, lead_times=(6,))


def test_training_starts_from_a_checkpoint(task, tmp_path):
    first = train(task, convolution(epochs=1), TRAINER, tmp_path / "first")
    slow = convolution(epochs=1, rate=1e-9).model_copy(update={"initial_weights": first})
    second = train(task, slow, TRAINER.model_copy(update={"seed": 7}), tmp_path / "second")
    first.unlink()  # the second checkpoint does not need it any more
    again = load_checkpoint(second).network.state_dict()
    for name, weight in torch.load(second, weights_only=True)["state_dict"].items():
        torch.testing.assert_close(weight, again[name])
    start = train(task, convolution(epochs=1), TRAINER, tmp_path / "third")
    for name, weight in load_checkpoint(start).network.state_dict().items():
        torch.testing.assert_close(weight, again[name], rtol=0, atol=1e-6)


def test_the_report_says_what_became_of_every_weight(tmp_path):
    theirs = authors_weights(variables=48, patches=(2, 4))  # the network has 4 x 8
    theirs["net.other"] = torch.zeros(1)
    theirs["net.norm.bias"] = torch.zeros(3)
    torch.save({"state_dict": theirs, "epoch": 3}, tmp_path / "climax.ckpt")
    network = ClimaX(GLOBAL, decoder_depth=1, **OPTIONS_OF_CLIMAX)
    report = load_initial_weights(network, tmp_path / "climax.ckpt")
    lines = {line.weight: line for line in report.lines}
    assert set(lines) == set(theirs)
    assert lines["net.blocks.1.norm1.weight"].became == "matched"
    assert lines["net.blocks.1.norm1.weight"].name == "encoder.blocks.1.attention.0.weight"
    assert lines["net.pos_embed"].became == "adapted"
    assert lines["net.pos_embed"].how.startswith("interpolated from 2 x 4 to the places of 4 x 8")
    token = lines["net.token_embeds.7.proj.weight"]
    assert (token.became, token.name) == ("adapted", "encoder.tokens.weight")
    assert token.how.endswith("new: carbon_dioxide, toa_incident_solar_radiation")
    assert lines["net.other"].how == "the network has no such weight"
    assert lines["net.norm.bias"].how == "[3] in the file, [16] in the network"
    assert {n for n, line in lines.items() if line.became == "not matched"} == {
        "net.other",
        "net.norm.bias",
    }
    assert {"encoder.names", "encoder.norm.bias", "earlier", "later"} == set(report.new)
    own = len(network.state_dict())
    assert report.text().startswith(f"initial weights of climax.ckpt: {own - 4} of {own} taken\n")
    blocks = "net.blocks.*.mlp.fc1.weight -> encoder.blocks.*.perceptron.*.weight (2)"
    assert f"  matched      {blocks}\n" in report.text()
    report.write(tmp_path / "report.json")
    assert read_report(tmp_path / "report.json") == report


def test_a_super_emulator_is_fine_tuned_to_an_unseen_climate_model(tmp_path):
    old = replace(GLOBAL, climate_models=("CanESM5", "MIROC6"))
    known = ClimateModelHeads(old, CNN, kind="embedding", size=2)
    known.embedding.data = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    path = saved(tmp_path / "super.ckpt", known, old)
    network = ClimateModelHeads(replace(old, climate_models=("NorESM2-LM",)), CNN, "embedding", 2)
    report = load_initial_weights(network, path)
    adapted = [line.weight for line in report.lines if line.became == "adapted"]
    assert (adapted, report.new) == (["embedding"], ())
    assert network.embedding.tolist() == [[2.0, 4.0]]
    assert torch.equal(network.backbone.head.weight, known.backbone.head.weight)


def test_files_that_cannot_be_used_are_refused(tmp_path):
    network = ClimaXProjection(GLOBAL, **SMALL)
    with pytest.raises(UserError, match="'initial_weights': there is no file"):
        load_initial_weights(network, tmp_path / "nothing.ckpt")
    torch.save({"state_dict": {"other.weight": torch.zeros(2)}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match=r"no weight in .* has the name and size"):
        load_initial_weights(network, tmp_path / "other.ckpt")
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(UserError, match="no file of plain tensors"):
        load_initial_weights(network, tmp_path / "text.ckpt")

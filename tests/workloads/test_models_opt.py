"""OPT: transformers gives the same logits, one token at a time gives them too, faults are named."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from seneca_sim.errors import InputError
from workloads.models import Opt, OptShape, Rwkv4, load_any, load_model, opt_site_names
from workloads.models.opt_reader import load_opt, opt_tensor_shapes
from workloads.models.sites import Tap
from workloads.sparsity.evaluate import evaluate

SHAPE = OptShape(layers=2, width=24, ffn=40, vocab=50, heads=3, positions=48)
TOKENS = torch.randint(0, 50, (2, 40), generator=torch.Generator().manual_seed(5))
FC1 = "model.decoder.layers.1.fc1.weight"


def random_opt(shape: OptShape = SHAPE) -> dict[str, Tensor]:
    gen = torch.Generator().manual_seed(1)
    sizes = opt_tensor_shapes(shape)
    return {name: 0.3 * torch.randn(size, generator=gen) for name, size in sizes.items()}


def save_opt(path: Path, weights: dict[str, Tensor], heads: str | None = "3") -> Path:
    save_file(weights, path, {} if heads is None else {"num_attention_heads": heads})
    return path


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tensor]:
    """A folder saved by transformers, and the logits of the module that it came from."""
    from transformers import OPTConfig, OPTForCausalLM

    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=50, hidden_size=24, word_embed_proj_dim=24, ffn_dim=40, num_hidden_layers=2,
        num_attention_heads=3, max_position_embeddings=48, init_std=0.3,
    )  # fmt: skip
    model = OPTForCausalLM(config)
    model.train(False)
    with torch.no_grad():
        for parameter in model.parameters():  # its norms and biases start at one and zero
            parameter.add_(0.1 * torch.randn_like(parameter))
        logits = model(TOKENS).logits
    folder = tmp_path_factory.mktemp("opt")
    model.save_pretrained(folder)
    return folder, logits


def test_transformers_agrees_and_its_folder_can_be_read(oracle: tuple[Path, Tensor]) -> None:
    folder, expected = oracle
    model = load_any(folder)
    assert isinstance(model, Opt)
    assert model.shape == SHAPE
    ours, _ = model.sequence(TOKENS)
    assert expected.std() > 0.5
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_a_file_gives_what_the_folder_gives(oracle: tuple[Path, Tensor], tmp_path: Path) -> None:
    weights = load_file(oracle[0] / "model.safetensors")
    short = {name.removeprefix("model."): tensor for name, tensor in weights.items()}
    for renamed in (weights, short):
        model = load_any(save_opt(tmp_path / "opt.safetensors", renamed))
        assert isinstance(model, Opt)
        torch.testing.assert_close(model.sequence(TOKENS)[0], oracle[1], atol=1e-5, rtol=0)


def test_step_and_sequence_see_the_same_at_every_site() -> None:
    model = Opt(SHAPE, random_opt())
    whole: dict[str, Tensor] = {}
    model.sequence(TOKENS[:1, :9], tap=whole.setdefault)
    assert set(opt_site_names(2)) < set(whole)
    state = None
    for t in range(9):
        seen: dict[str, Tensor] = {}
        logits, state = model.step(int(TOKENS[0, t]), state, seen.setdefault)
        assert seen.keys() == whole.keys()
        for name, x in seen.items():
            torch.testing.assert_close(x, whole[name][0, t], atol=2e-5, rtol=1e-5)
        torch.testing.assert_close(logits, whole["logits"][0, t], atol=2e-5, rtol=1e-5)


def test_a_sequence_goes_on_from_its_state() -> None:
    model = Opt(SHAPE, random_opt())
    whole, _ = model.sequence(TOKENS)
    first, state = model.sequence(TOKENS[:, :13])
    second, state = model.sequence(TOKENS[:, 13:], state)
    assert state.length == 40
    torch.testing.assert_close(torch.cat((first, second), 1), whole, atol=2e-5, rtol=1e-5)


def silencer(name: str) -> Tap:
    return lambda at, x: torch.zeros_like(x) if at == name else x


def test_what_a_tap_returns_goes_on() -> None:
    model = Opt(SHAPE, random_opt())
    plain, _ = model.sequence(TOKENS)
    for name in opt_site_names(2):
        silenced, _ = model.sequence(TOKENS, tap=silencer(name))
        assert not torch.allclose(silenced, plain, atol=1e-3), name


def test_tokens_and_positions_have_limits() -> None:
    model = Opt(SHAPE, random_opt())
    with pytest.raises(InputError, match=r"^model: 49 tokens in a sequence, and there are 48 pos"):
        model.sequence(torch.zeros(1, 49, dtype=torch.int64))
    with pytest.raises(InputError, match=r"^model: token 50 is not in the vocabulary 0 \.\. 49$"):
        model.step(50)
    with pytest.raises(InputError, match=r"^model: no token given"):
        model.sequence(torch.zeros(1, 0, dtype=torch.int64))


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (None, r"nothing tells the number of heads; expected 'num_attention_heads' in"),
        ("5", r"num_attention_heads is 5, which does not divide the width 24$"),
        ("three", r"num_attention_heads is 'three', expected a whole number$"),
    ],
)
def test_heads_that_are_not_told_or_do_not_fit(
    tmp_path: Path, heads: str | None, message: str
) -> None:
    path = save_opt(tmp_path / "opt.safetensors", random_opt(), heads)
    with pytest.raises(InputError, match=message):
        load_any(path)


def test_a_pickled_file_tells_no_heads(tmp_path: Path) -> None:
    torch.save(random_opt(), tmp_path / "opt.pth")
    with pytest.raises(InputError, match=r"opt\.pth: nothing tells the number of heads"):
        load_any(tmp_path / "opt.pth")


def broken(fault: str) -> dict[str, Tensor]:
    weights = random_opt()
    if fault == "missing":
        del weights[FC1]
    elif fault == "block":
        weights = {n: t for n, t in weights.items() if ".layers.0." not in n}
    elif fault == "extra":
        weights["model.decoder.project_in.weight"] = torch.zeros(24, 24)
    elif fault == "shape":
        weights[FC1] = torch.zeros(41, 24)
    elif fault == "nan":
        weights[FC1][3, 4] = torch.nan
    elif fault == "head":
        weights["lm_head.weight"] = torch.zeros(50, 24)
    return weights


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", rf"missing tensor '{FC1}'$"),
        ("block", r"no tensor 'model\.decoder\.layers\.0\.fc1\.weight', so this is not an OPT"),
        ("extra", r"unknown tensor 'model\.decoder\.project_in\.weight'"),
        ("shape", rf"'{FC1}' has shape \(41, 24\), expected \(40, 24\)$"),
        ("nan", rf"'{FC1}' holds NaN or infinity \(1 of 960\)$"),
        ("head", r"'lm_head\.weight' is not the embedding; OPT has one for both$"),
    ],
)
def test_unsound_weights_are_named(tmp_path: Path, fault: str, message: str) -> None:
    path = save_opt(tmp_path / "opt.safetensors", broken(fault))
    with pytest.raises(InputError, match=message):
        load_any(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("do_layer_norm_before", False),
        ("activation_function", "gelu"),
        ("hidden_size", 32),
        ("max_position_embeddings", 64),
    ],
)
def test_a_config_of_another_model(tmp_path: Path, key: str, value: object) -> None:
    save_opt(tmp_path / "model.safetensors", random_opt(), None)
    config = {"model_type": "opt", "num_attention_heads": 3, key: value}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=rf"config\.json: {key} is .*; the model that can be read"):
        load_opt(tmp_path)


def test_what_simulates_refuses_an_opt(tmp_path: Path) -> None:
    path = save_opt(tmp_path / "model.safetensors", random_opt())
    with pytest.raises(InputError, match=r"an OPT checkpoint; expected RWKV-4"):
        load_model(path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "opt"}))
    with pytest.raises(InputError, match=r"model_type is 'opt', expected 'rwkv'$"):
        load_model(tmp_path)


def test_other_families_go_through_the_same_door(
    tmp_path: Path, small_weights: dict[str, Tensor]
) -> None:
    save_file(small_weights, tmp_path / "small.safetensors")
    assert isinstance(load_any(tmp_path / "small.safetensors"), Rwkv4)
    with pytest.raises(InputError, match=r"no such file or folder$"):
        load_any(tmp_path / "none.pth")


def test_thresholds_work_on_it() -> None:
    """Each site zeroed by a huge threshold; nothing else is, but by the ReLU."""
    model = Opt(OptShape(2, 24, 40, 256, 3, 48), random_opt(OptShape(2, 24, 40, 256, 3, 48)))
    text = bytes(range(97))
    for name in opt_site_names(2):
        zeros = evaluate(model, text, {name: 1e9}, window=48).zeros
        assert zeros[name].zeros == zeros[name].total == 96 * model.shape.site_width(name[9:])
        others = [zeros[n].zeros for n in zeros if n != name and not n.endswith("fc2")]
        assert max(others) == 0

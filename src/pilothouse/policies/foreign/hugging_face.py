"""Folders of language models in the layout of Hugging Face: Llama, Mistral, Qwen2 and Qwen3, as our own transformer.

Three files are read: `config.json`, the weights (`model.safetensors`, or shards with their index) and `tokenizer.json`;
and, where they are there, `generation_config.json` (what ends a text), `tokenizer_config.json` and
`chat_template.jinja`. Nothing in such a folder is run but the chat template, in Jinja's sandbox; pickled weights
(`.bin`) are not opened.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core import trees
from pilothouse.core.errors import MissingExtraError, PolicyError
from pilothouse.networks.transformer import LongerContext, Transformer, TransformerConfig
from pilothouse.policies.host import brief
from pilothouse.policies.language_model import LanguageModel

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
LARGEST_TEMPLATE = 100_000
"""Characters of a chat template at most."""


def is_language_model(folder: Path) -> bool:
    """Whether the folder's `config.json` is one of a model of Hugging Face."""
    path = folder / "config.json"
    if not path.is_file():
        return False
    found = _json(path)
    return isinstance(found, dict) and "model_type" in found


def read_language_model(folder: Path) -> LanguageModel:
    """The model and the words of a folder. Computes in float32, whatever the weights are stored in.

    Raises `PolicyError` in one line for what is missing, damaged, or a kind of model that is none of ours, and
    `MissingExtraError` without `tokenizers`.
    """
    given = _json(folder / "config.json")
    config = transformer_config(given, folder)
    model = _model(config, _Weights(folder), folder)
    words = TokenizerWords(folder)
    return LanguageModel(model, words, _ends(folder, given, words), _context(given), folder.name)


def transformer_config(given: Any, folder: Path) -> TransformerConfig:
    """Our sizes for a `config.json`. Raises `PolicyError` for anything that would be computed otherwise than it says."""
    if not isinstance(given, dict) or given.get("model_type") not in FAMILIES:
        kind = given.get("model_type") if isinstance(given, dict) else None
        raise PolicyError(f"{folder} is a model of the family {kind!r}; those that can be read: {', '.join(FAMILIES)}.")

    def refuse(what: str) -> PolicyError:
        return PolicyError(f"{folder / 'config.json'} has {what}, which is not computed here. Give another model.")

    def size(name: str, default: int | None = None) -> int:
        value = given.get(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 2**24:
            raise PolicyError(
                f"{folder / 'config.json'}: {name} is {brief(value)}; expected a whole number, 1 or more."
            )
        return value

    if given.get("quantization_config"):
        raise refuse("quantised weights")
    if given.get("hidden_act", "silu") != "silu":
        raise refuse(f"hidden_act={brief(given['hidden_act'])}")
    if given.get("mlp_bias") or (given["model_type"] != "qwen2" and given.get("attention_bias")):
        raise refuse("biases (attention_bias or mlp_bias)")
    heads = size("num_attention_heads")
    base, longer = _rotary(given, refuse)
    try:
        return TransformerConfig(
            vocabulary=size("vocab_size"),
            width=size("hidden_size"),
            layers=size("num_hidden_layers"),
            heads=heads,
            key_value_heads=size("num_key_value_heads", heads),
            feedforward=size("intermediate_size"),
            rotary_base=base,
            head_width=None if given.get("head_dim") is None else size("head_dim"),
            epsilon=float(given.get("rms_norm_eps", 1e-6)),
            tied=bool(given.get("tie_word_embeddings", False)),
            normed_heads=given["model_type"] == "qwen3",
            longer=longer,
        )
    except (TypeError, ValueError) as fault:
        raise PolicyError(f"{folder / 'config.json'}: {brief(fault)}") from fault


def _rotary(given: Mapping[str, Any], refuse: Any) -> tuple[float, LongerContext | None]:
    """Base of the rotary positions and their form for longer contexts; written in one of two ways, by age."""
    scaling = given.get("rope_parameters") or given.get("rope_scaling") or {}
    if not isinstance(scaling, dict):
        raise refuse(f"rope_scaling={brief(scaling)}")
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    try:
        base = float(scaling.get("rope_theta", given.get("rope_theta", 10_000.0)))
        if kind == "default":
            return base, None
        if kind == "llama3":
            low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
            original = int(scaling["original_max_position_embeddings"])
            return base, LongerContext(float(scaling["factor"]), low, high, original)
    except (KeyError, TypeError, ValueError) as fault:
        raise refuse(f"rotary positions that lack something ({brief(fault)})") from fault
    raise refuse(f"rotary positions of the type {brief(kind)}")


def _context(given: Mapping[str, Any]) -> int | None:
    """Places that the model was made for: all that it can attend to, or the window that it attends to, if shorter."""
    windowed = given["model_type"] == "mistral" or given.get("use_sliding_window")
    found = [given.get("max_position_embeddings"), given.get("sliding_window") if windowed else None]
    return min((int(each) for each in found if isinstance(each, int)), default=None)


def _ends(folder: Path, given: Mapping[str, Any], words: "TokenizerWords") -> tuple[int, ...]:
    """The tokens that end a text: what generation stops at, or the model's, or the tokenizer's."""
    generation = folder / "generation_config.json"
    stated = _json(generation).get("eos_token_id") if generation.is_file() else None
    stated = given.get("eos_token_id") if stated is None else stated
    stated = words.special("eos_token") if stated is None else stated
    found = stated if isinstance(stated, list) else [stated]
    ends = tuple(each for each in found if isinstance(each, int) and not isinstance(each, bool))
    if not ends or len(ends) < len(found):
        raise PolicyError(f"{folder} does not say which token ends a text (eos_token_id is {brief(stated)}).")
    return ends


class _Weights:
    """Tensors by name, read one at a time from one file or from shards."""

    def __init__(self, folder: Path):
        self.folder = folder
        index, whole = folder / "model.safetensors.index.json", folder / "model.safetensors"
        if whole.is_file():
            self.files = {name: whole for name in _names(whole)}
        elif index.is_file():
            given = _json(index)
            placed = given.get("weight_map") if isinstance(given, dict) else None
            if not isinstance(placed, dict):
                raise PolicyError(f"{index} has no weight_map.")
            for shard in set(map(str, placed.values())):
                if Path(shard).name != shard or not shard.endswith(".safetensors"):
                    raise PolicyError(f"{index} names {brief(shard)}; expected .safetensors files of this folder.")
            self.files = {name: folder / str(shard) for name, shard in placed.items()}
        else:
            others = any(folder.glob("*.bin"))
            more = " Its .bin weights are pickles, which may run anything: save it as safetensors." if others else ""
            raise PolicyError(f"{folder} has no model.safetensors.{more}")

    def take(self, name: str, *shape: int) -> np.ndarray:
        """A tensor as float32. Raises `PolicyError` for one that is missing, damaged or of another shape."""
        from safetensors import SafetensorError, safe_open

        if name not in self.files:
            raise PolicyError(f"{self.folder} has no weights called {name}.")
        try:
            with safe_open(str(self.files[name]), framework="numpy") as opened:
                found = opened.get_tensor(name)
        except (SafetensorError, OSError, TypeError) as fault:
            raise PolicyError(f"{self.files[name]} cannot be read ({brief(fault)}).") from fault
        if found.shape != shape:
            raise PolicyError(f"{self.folder}: {name} has the shape {found.shape}; by config.json expected {shape}.")
        return np.asarray(found, np.float32)

    def has(self, name: str) -> bool:
        return name in self.files


def _names(path: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as opened:
            return list(opened.keys())
    except (SafetensorError, OSError) as fault:
        raise PolicyError(f"{path} is no whole safetensors file ({brief(fault)}).") from fault


def _model(config: TransformerConfig, weights: _Weights, folder: Path) -> Transformer:
    """The transformer of these weights. Theirs are (outputs, inputs), ours the other way round and joined."""
    width, head, feedforward = config.width, config.head, config.feedforward
    queries, shared = config.heads * head, config.key_value_heads * head
    found: dict[str, np.ndarray] = {
        "embedding": weights.take("model.embed_tokens.weight", config.vocabulary, width),
        "final": weights.take("model.norm.weight", width),
    }
    if not config.tied:
        found["readout"] = weights.take("lm_head.weight", config.vocabulary, width)

    for number in range(config.layers):
        theirs, ours = f"model.layers.{number}", f"blocks/{number}"

        def across(name: str, outputs: int, inputs: int, at: str = theirs) -> np.ndarray:
            return weights.take(f"{at}.{name}.weight", outputs, inputs).T

        def bias(name: str, outputs: int, at: str = theirs) -> np.ndarray:
            full = f"{at}.self_attn.{name}_proj.bias"
            return weights.take(full, outputs) if weights.has(full) else np.zeros(outputs, np.float32)

        found |= {
            f"{ours}/before_attention": weights.take(f"{theirs}.input_layernorm.weight", width),
            f"{ours}/query": across("self_attn.q_proj", queries, width),
            f"{ours}/query_bias": bias("q", queries),
            f"{ours}/key_value": np.concatenate([across(f"self_attn.{k}_proj", shared, width) for k in "kv"], 1),
            f"{ours}/key_value_bias": np.concatenate([bias("k", shared), bias("v", shared)]),
            f"{ours}/output": across("self_attn.o_proj", width, queries),
            f"{ours}/before_feedforward": weights.take(f"{theirs}.post_attention_layernorm.weight", width),
            f"{ours}/gate_up": np.concatenate([across(f"mlp.{k}_proj", feedforward, width) for k in ("gate", "up")], 1),
            f"{ours}/down": across("mlp.down_proj", width, feedforward),
        }
        if config.normed_heads:
            for place, name in enumerate("qk"):
                found[f"{ours}/head_norms/{place}"] = weights.take(f"{theirs}.self_attn.{name}_norm.weight", head)

    blank = jax.eval_shape(lambda: Transformer(config, key=jax.random.key(0)))
    leaves = [jnp.asarray(found.pop(name)) for name in trees.named_leaves(blank)]
    left = sorted(found)
    if left:
        raise PolicyError(f"{folder}: {', '.join(left[:3])} found no place in the model.")
    return jax.tree.unflatten(jax.tree.structure(blank), leaves)


class TokenizerWords:
    """A `tokenizer.json`, through the library that writes them, and the chat template beside it."""

    def __init__(self, folder: Path):
        try:
            from tokenizers import Tokenizer
        except ModuleNotFoundError as missing:
            raise MissingExtraError(f"Reading the words of {folder}", "language") from missing
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise PolicyError(
                f"{folder} has no tokenizer.json. Save it with a fast tokenizer: tokenizer.save_pretrained."
            )
        self.folder = folder
        try:
            self.tokenizer = Tokenizer.from_file(str(path))
        except Exception as fault:  # the library raises bare exceptions
            raise PolicyError(f"{path} is no tokenizer that can be read ({brief(fault)}).") from fault
        beside = folder / "tokenizer_config.json"
        found = _json(beside) if beside.is_file() else {}
        self.config: dict[str, Any] = found if isinstance(found, dict) else {}

    def encode(self, text: str, *, whole: bool = False) -> list[int]:
        """Tokens of a text, with what the tokenizer sets before every text unless it is `whole`."""
        return self.tokenizer.encode(text, add_special_tokens=not whole).ids

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; special tokens are left out."""
        return self.tokenizer.decode(list(tokens), skip_special_tokens=True)

    def special(self, name: str) -> int | None:
        """The token of a name such as `eos_token`, if there is one."""
        given = self.config.get(name)
        given = given.get("content") if isinstance(given, dict) else given
        return self.tokenizer.token_to_id(given) if isinstance(given, str) else None

    def chat(self, messages: Sequence[dict[str, str]]) -> str:
        """The messages by the chat template, up to where the assistant is to answer.

        Raises `PolicyError` where there is no template, or it fails, and `MissingExtraError` without `jinja2`.
        """
        try:
            from jinja2.exceptions import TemplateError
            from jinja2.sandbox import ImmutableSandboxedEnvironment
        except ModuleNotFoundError as missing:
            raise MissingExtraError("Writing a chat", "language") from missing
        names = {name: self._text_of(name) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refused
        try:
            made = environment.from_string(self._template)
            return made.render(messages=list(messages), add_generation_prompt=True, **names)
        except (TemplateError, TypeError, ValueError) as fault:
            raise PolicyError(f"The chat template of {self.folder} fails: {brief(fault)}") from fault

    @cached_property
    def _template(self) -> str:
        path = self.folder / "chat_template.jinja"
        given = path.read_text(encoding="utf-8") if path.is_file() else self.config.get("chat_template")
        if isinstance(given, list):  # several, by name
            given = next((row.get("template") for row in given if row.get("name") == "default"), None)
        if not isinstance(given, str):
            raise PolicyError(
                f"{self.folder} has no chat template: it is no model for conversations. Leave out --chat."
            )
        if len(given) > LARGEST_TEMPLATE:
            raise PolicyError(f"The chat template of {self.folder} has {len(given)} characters; expected fewer.")
        return given

    def _text_of(self, name: str) -> str:
        given = self.config.get(name)
        given = given.get("content") if isinstance(given, dict) else given
        return given if isinstance(given, str) else ""


def _refused(message: str) -> None:
    """What templates call where a conversation is none of theirs."""
    raise ValueError(message)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as fault:
        raise PolicyError(f"{path} cannot be read ({brief(fault)}).") from fault

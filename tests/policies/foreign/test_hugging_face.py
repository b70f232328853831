"""Language models of Hugging Face: what Transformers answers, tokens, logits and texts; and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import DataError, PolicyError
from pilothouse.policies.foreign.hugging_face import is_language_model, read_language_model, transformer_config
from pilothouse.policies.language_model import LanguageModel

FOLDER = Path(__file__).parent / "language"
ANSWERS = json.loads((FOLDER / "transformers.json").read_text())
MODELS = {name: read_language_model(FOLDER / name) for name in ANSWERS["models"]}


def logits_of(model: LanguageModel, tokens: Any) -> np.ndarray:
    """What the model expects behind each token of a text."""
    return np.asarray(model.model(jnp.asarray(tokens, jnp.int32), jnp.ones(len(tokens), bool)))


@pytest.fixture(params=sorted(MODELS))
def family(request: pytest.FixtureRequest) -> tuple[LanguageModel, list[dict[str, Any]]]:
    return MODELS[request.param], ANSWERS["models"][request.param]


def test_tokens_and_texts_are_those_of_the_library(family: tuple[LanguageModel, list[dict[str, Any]]]) -> None:
    model, rows = family
    for text, row in zip(ANSWERS["texts"], rows, strict=True):
        assert model.prompt(text) == row["tokens"]
        assert model.words.decode(row["tokens"]) == row["decoded"] == text
    assert model.words.chat(ANSWERS["chat"]) == ANSWERS["chat_text"]


def test_logits_are_those_of_the_library(family: tuple[LanguageModel, list[dict[str, Any]]]) -> None:
    model, rows = family
    for row in rows:
        logits = np.asarray(logits_of(model, row["tokens"]), np.float64)
        np.testing.assert_allclose(logits[:, :24], row["logits"], atol=2e-4)
        np.testing.assert_allclose(np.logaddexp.reduce(logits, axis=-1), row["total"], atol=2e-4)


def test_greedy_completions_are_those_of_the_library(family: tuple[LanguageModel, list[dict[str, Any]]]) -> None:
    model, rows = family
    found = model.write(ANSWERS["texts"], longest=10, temperature=0.0)
    assert [list(row[0].tokens) for row in found] == [row["greedy"] for row in rows]
    for (written,), row in zip(found, rows, strict=True):
        logits = logits_of(model, [*row["tokens"], *written.tokens])
        known = np.asarray(jax.nn.log_softmax(logits, axis=-1))[len(row["tokens"]) - 1 : -1]
        of_tokens = known[np.arange(len(written.tokens)), list(written.tokens)]
        np.testing.assert_allclose(written.log_probs, of_tokens, atol=2e-4)


def test_a_text_ends_where_the_model_ends_it() -> None:
    model = MODELS["qwen2"]
    first = model.write(["12 plus 7 is"], longest=10, temperature=0.0)[0][0]
    ending = LanguageModel(model.model, model.words, (first.tokens[3],), model.context)
    written = ending.write(["12 plus 7 is"], longest=10, temperature=0.0)[0][0]
    assert written.ended and written.tokens == first.tokens[:4]
    assert written.text == model.words.decode(first.tokens[:3])
    assert not first.ended and first.text == model.words.decode(first.tokens)


def test_draws_follow_the_temperature_and_the_seed() -> None:
    model = MODELS["qwen3"]
    one, again = (model.write(["one plus two is"], samples=4, longest=5, seed=3) for _ in range(2))
    assert one == again
    assert len({written.tokens for written in one[0]}) > 1
    assert one != model.write(["one plus two is"], samples=4, longest=5, seed=4)
    many = model.write(["one"], samples=400, longest=1, temperature=0.5)[0]
    known = np.asarray(jax.nn.log_softmax(logits_of(model, model.prompt("one"))[-1]), np.float64)
    drawn = np.exp(2 * known) / np.exp(2 * known).sum()  # temperature 1/2 squares the probabilities
    mean = float(drawn @ known)
    error = np.sqrt(drawn @ (known - mean) ** 2 / 400)
    assert abs(np.mean([written.log_prob for written in many]) - mean) < 4 * error
    assert abs(float(np.exp(known) @ known) - mean) > 8 * error


def test_prompts_that_do_not_fit_are_refused() -> None:
    model = MODELS["qwen2"]
    with pytest.raises(DataError, match="256 places"):
        model.write(["one"], longest=300)
    with pytest.raises(DataError, match="no tokens"):
        model.write([""])


def changed(folder: Path, **values: Any) -> Path:
    shutil.copytree(FOLDER / "qwen2", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))
    return folder


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "gpt2"}, "family 'gpt2'"),
        ({"hidden_size": 24}, r"embed_tokens.weight has the shape \(288, 16\)"),
        ({"num_hidden_layers": 3}, "no weights called model.layers.2"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"num_attention_heads": 3}, "width=16, heads=3"),
        ({"hidden_act": "gelu"}, "hidden_act=gelu"),
        ({"quantization_config": {"bits": 4}}, "quantised"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}, "rope_parameters": None}, "of the type yarn"),
        ({"rms_norm_eps": "small"}, "could not convert"),
    ],
)
def test_models_that_would_be_computed_otherwise_are_refused(
    values: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(PolicyError, match=message):
        read_language_model(changed(tmp_path / "model", **values))


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    folder = changed(tmp_path / "model")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(PolicyError, match="no whole safetensors file"):
        read_language_model(folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(PolicyError, match="pickles"):
        read_language_model(folder)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}))
    with pytest.raises(PolicyError, match="of this folder"):
        read_language_model(folder)
    (folder / "model.safetensors.index.json").unlink()
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(PolicyError, match="no tokenizer"):
        read_language_model(folder)
    assert is_language_model(folder) and not is_language_model(tmp_path)


def test_chat_templates_stay_in_their_sandbox(tmp_path: Path) -> None:
    folder = changed(tmp_path / "model")
    for template in ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ raise_exception('no system turn') }}"):
        (folder / "chat_template.jinja").write_text(template)
        with pytest.raises(PolicyError, match="chat template"):
            read_language_model(folder).words.chat([{"role": "user", "content": "hello"}])
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(PolicyError, match="no chat template"):
        read_language_model(folder).prompt("hello", chat=True)


def test_what_stands_before_every_text_stands_there_once(tmp_path: Path) -> None:
    # As Llama's: the tokenizer sets a token before every text, and the chat template writes it too.
    folder = changed(tmp_path / "model")
    words = json.loads((folder / "tokenizer.json").read_text())
    words["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<|start|>": {"id": "<|start|>", "ids": [1], "tokens": ["<|start|>"]}},
    }
    (folder / "tokenizer.json").write_text(json.dumps(words))
    (folder / "chat_template.jinja").write_text("<|start|>{{ messages[0]['content'] }}")
    model = read_language_model(folder)
    assert model.prompt("one") == model.prompt("one", chat=True) == [1, *model.words.encode("one", whole=True)]


def test_old_and_new_ways_to_write_rotary_positions() -> None:
    given = json.loads((FOLDER / "llama" / "config.json").read_text())
    new = transformer_config(given, FOLDER)
    scaling = given.pop("rope_parameters")
    given |= {"rope_theta": scaling.pop("rope_theta"), "rope_scaling": scaling}
    assert transformer_config(given, FOLDER) == new

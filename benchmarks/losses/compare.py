"""Ours beside what a peer computed: our objectives, on its weights, batch and draws, against its losses and gradients.

Nothing here imports a peer; `compare(method, arrays)` takes what its script wrote.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from sizes import CLIP, DISCOUNT, DIVERGENCE, ENTROPY, EXPECTILE, NOISE, NOISE_CLIP, SHARPNESS, TETHER, VALUE

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.actors import actor_and_value, deterministic_actor, gaussian_actor, squashed_gaussian
from pilothouse.networks.critics import state_value, twin_critic
from pilothouse.networks.mlp import MLP
from pilothouse.networks.transformer import Transformer, TransformerConfig, transformer
from pilothouse.objectives.cloning import clone_by_advantage, td3_bc
from pilothouse.objectives.expectile import value_expectile
from pilothouse.objectives.group_advantages import (
    less_group_mean,
    mean_over_tokens_then_sequences,
    over_group_deviation,
)
from pilothouse.objectives.policy_gradient import deterministic_policy, entropy_towards, soft_policy
from pilothouse.objectives.temporal_difference import q_on_value, soft_td, td3_td
from pilothouse.objectives.terms import clipped, evaluate, negative_entropy, squared_value_error, terms
from pilothouse.objectives.tokens import evaluate_tokens, k3_to_beside

Arrays = dict[str, np.ndarray]
Differences = dict[str, float]

CONVENTIONS = {
    "sac": [
        "The peer adds 1e-6 inside the logarithm of the squashing's slope; compared with that set to 0, and the peer's "
        "losses with it are given beside."
    ],
    "td3": ["None: the sum over critics of mean squared errors, minus the first critic's mean value."],
    "ppo": [
        "The peer clips gradients at a global norm inside its update; compared before clipping. Ours clips in the "
        "optimiser, at the same norm."
    ],
    "iql": [
        "The peer's log standard deviation is -5 + 7 sigmoid(p), ours the parameter itself clipped to [-5, 2]: its "
        "gradient for p is divided by 7 sigmoid(p) (1 - sigmoid(p)).",
        "The peer sums its critic's and its value's loss before one backward pass; their gradients do not overlap.",
    ],
    "td3bc": ["None: the sum over critics of mean squared errors; the tether is a mean over rows and entries."],
    "grpo": [
        "The peer's default loss type is dapo (a mean over all tokens); compared with its grpo (a mean over tokens, then "
        "over completions), which is what ours is.",
        "The peer's default multiplies the divergence by the policy's ratio, after DeepSeek-V3.2; compared with that off: "
        "ours follows GRPO's own paper.",
        "The peer's embedding passes no gradient to the padding token where it is read, ours does: no completion holds it.",
    ],
}


def compare(method: str, given: Arrays) -> Differences:
    """By name of a loss or a gradient's leaf: the greatest difference over the greatest size of the peer's."""
    return COMPARISONS[method](given)


def sac(given: Arrays) -> Differences:
    spec, width = _sizes(given)
    parts = {
        "actor": _filled(squashed_gaussian(spec, width, 2), given, "weights/actor"),
        "critic": _filled(twin_critic(spec, width, 2), given, "weights/critic"),
        "critic/slow": _filled(twin_critic(spec, width, 2), given, "weights/critic/slow"),
        "log_alpha": jnp.asarray(given["weights/log_alpha"][0]),
    }
    target = entropy_towards(-float(spec.action.size))
    losses = {"critic": (soft_td, "critic"), "actor": (soft_policy, "actor"), "log_alpha": (target, "log_alpha")}
    return _differences(losses, parts, given)


def td3(given: Arrays, actor_loss: Any = deterministic_policy) -> Differences:
    spec, width = _sizes(given)
    actor, critic = deterministic_actor(spec, width, 2), twin_critic(spec, width, 2)
    parts = {
        "actor": _filled(actor, given, "weights/actor"),
        "actor/slow": _filled(actor, given, "weights/actor/slow"),
        "critic": _filled(critic, given, "weights/critic"),
        "critic/slow": _filled(critic, given, "weights/critic/slow"),
    }
    losses = {"critic": (td3_td(NOISE, NOISE_CLIP), "critic"), "actor": (actor_loss, "actor")}
    return _differences(losses, parts, given)


def td3bc(given: Arrays) -> Differences:
    return td3(given, td3_bc(TETHER))


def iql(given: Arrays) -> Differences:
    spec, width = _sizes(given)
    given = dict(given)
    given["gradient/actor/actor/log_std"] = given["gradient/actor/actor/log_std"] / given["factor/actor/log_std"]
    # The peer's one backward pass fills the gradients of both; ours are two objectives.
    given |= {k.replace("gradient/critic/", "gradient/value/"): v for k, v in given.items() if "/critic/value/" in k}
    critic = twin_critic(spec, width, 2)
    parts = {
        "actor": _filled(gaussian_actor(spec, width, 2), given, "weights/actor"),
        "critic": _filled(critic, given, "weights/critic"),
        "critic/slow": _filled(critic, given, "weights/critic/slow"),
        "value": _filled(state_value(spec, width, 2), given, "weights/value"),
    }
    losses = {
        "value": (value_expectile(EXPECTILE), "value"),
        "critic": (q_on_value, "critic"),
        "actor": (clone_by_advantage(SHARPNESS), "actor"),
    }
    return _differences(losses, parts, given)


def ppo(given: Arrays) -> Differences:
    spec, width = _sizes(given, "weights/agent/policy/0/bias")
    parts = {"agent": _filled(actor_and_value(spec, width, 2), given, "weights/agent")}
    surrogate = ((clipped(CLIP), 1.0), (squared_value_error, VALUE), (negative_entropy, ENTROPY))
    return _differences({"agent": (terms(evaluate("agent"), *surrogate, name="ppo"), "agent")}, parts, given)


def grpo(given: Arrays) -> Differences:
    policy, reference = _decoder(given, "weights/policy"), _decoder(given, "weights/ref")
    valid, tries = given["batch/valid"], int(given["batch/tries"])
    reward = np.zeros(valid.shape, np.float32)
    reward[:, 0] = given["batch/reward"]
    rollout = Batch(reward=jnp.asarray(reward.T), valid=jnp.asarray(valid.T))
    for stage in (less_group_mean(tries), over_group_deviation(tries), mean_over_tokens_then_sequences):
        rollout = stage(rollout)
    batch = Batch(
        action=jnp.asarray(given["batch/action"]),
        log_prob=jnp.asarray(given["batch/log_prob"]),
        advantage=rollout.advantage.T,
        weight=rollout.weight.T,
        valid=jnp.asarray(valid),
        task={"prompt": jnp.asarray(given["batch/prompt"])},
    )
    forward = evaluate_tokens("policy", beside="ref")
    loss = terms(forward, (clipped(CLIP, normalise=False), 1.0), (k3_to_beside, DIVERGENCE), name="grpo")
    found = _differences({"policy": (loss, "policy")}, {"policy": policy, "ref": reference}, given, batch, _decoder)
    advantage = np.asarray(rollout.advantage[0])
    return {"advantage": _relative(advantage, given["batch/advantage"]), **found}


COMPARISONS: dict[str, Callable[[Arrays], Differences]] = {
    "sac": sac,
    "td3": td3,
    "ppo": ppo,
    "iql": iql,
    "td3bc": td3bc,
    "grpo": grpo,
}


def _sizes(given: Arrays, bias: str = "weights/actor/0/bias") -> tuple[Spec, int]:
    obs, action = given["batch/obs"].shape[1], given["batch/action"].shape[1]
    return Spec(Box((obs,)), Box((action,), -1.0, 1.0)), len(given[bias])


def _transitions(given: Arrays) -> Batch:
    fields = {name.removeprefix("batch/"): jnp.asarray(x) for name, x in given.items() if name.startswith("batch/")}
    if "terminated" not in fields:
        return Batch(**fields)
    return Batch(**fields, discount=DISCOUNT * (1.0 - fields["terminated"].astype(jnp.float32)))


def _differences(
    losses: dict[str, tuple[Any, str]],
    parts: dict[str, Any],
    given: Arrays,
    batch: Batch | None = None,
    read: Callable[[Arrays, str], Any] | None = None,
) -> Differences:
    """Each loss is (objective, the part that it trains)."""
    rows = _transitions(given) if batch is None else batch
    found: Differences = {}
    for name, (objective, part) in losses.items():
        with _drawing(given.get(f"draw/{name}")):
            value, gradient = _loss_and_gradient(objective, parts, part, rows)
        found[f"{name}: loss"] = _relative(value, given[f"loss/{name}"])
        where = f"gradient/{name}/{part}"
        theirs = read(given, where) if read else _filled(lambda _, part=part: parts[part], given, where)
        ours = jax.tree_util.tree_leaves_with_path(gradient)
        for (path, leaf), other in zip(ours, jax.tree.leaves(theirs), strict=True):
            found[f"{name}: gradient{jax.tree_util.keystr(path)}"] = _relative(leaf, other)
    return found


def _loss_and_gradient(objective: Any, parts: dict[str, Any], part: str, batch: Batch) -> tuple[Any, Any]:
    def loss(trained: Any) -> Any:
        return objective({**parts, part: trained}, batch, jax.random.key(0))[0]

    return eqx.filter_jit(jax.value_and_grad(loss))(parts[part])


def _relative(ours: Any, theirs: Any) -> float:
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@contextmanager
def _drawing(noise: np.ndarray | None) -> Iterator[None]:
    """The peer's normal draws in place of ours: the two generators are not the same."""
    normal = jax.random.normal

    def given_noise(key: Any, shape: tuple[int, ...] = (), dtype: Any = jnp.float32) -> Any:
        if noise is None or noise.shape != tuple(shape):
            raise RuntimeError(f"A draw of shape {shape}, and the peer's was {None if noise is None else noise.shape}.")
        return jnp.asarray(noise, dtype)

    jax.random.normal = given_noise
    try:
        yield
    finally:
        jax.random.normal = normal


def _filled(initialise: Callable[[Any], Any], given: Arrays, prefix: str) -> Any:
    """A network of ours holding the arrays under `prefix`, be they the peer's weights or its gradients."""
    network = initialise(jax.random.key(0))
    if f"{prefix}" in given:
        return jnp.asarray(given[prefix][0])
    if hasattr(network, "stack"):
        members = [_dense(given, f"{prefix}/{index}") for index in range(network.stack.count)]
        stacked = [tuple(np.stack(each) for each in zip(*layers, strict=True)) for layers in zip(*members, strict=True)]
        return eqx.tree_at(lambda n: n.stack.members, network, _holding(network.stack.members, stacked))
    if hasattr(network, "policy"):
        network = eqx.tree_at(lambda n: n.policy, network, _holding(network.policy, _dense(given, f"{prefix}/policy")))
        network = eqx.tree_at(lambda n: n.critic, network, _holding(network.critic, _dense(given, f"{prefix}/value")))
    else:
        network = eqx.tree_at(lambda n: n.body, network, _holding(network.body, _dense(given, prefix)))
    if getattr(network, "log_std", None) is not None:
        network = eqx.tree_at(lambda n: n.log_std, network, jnp.asarray(given[f"{prefix}/log_std"]))
    return network


def _dense(given: Arrays, prefix: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Layers as (inputs, outputs) weights and biases; torch keeps the transpose."""
    count = sum(name.startswith(f"{prefix}/") and name[len(prefix) + 1 :].count("/") == 1 for name in given) // 2
    return [(given[f"{prefix}/{i}/weight"].T, given[f"{prefix}/{i}/bias"]) for i in range(count)]


def _holding(network: MLP, layers: list[tuple[np.ndarray, np.ndarray]]) -> MLP:
    """The perceptron with these weights; where there is a layer too many, the last two are heads of one layer of ours."""
    if len(layers) == len(network.layers) + 1:
        (mean, mean_bias), (log_std, log_std_bias) = layers[-2:]
        heads = np.concatenate([mean, log_std], axis=-1), np.concatenate([mean_bias, log_std_bias], axis=-1)
        layers = [*layers[:-2], heads]
    for index, (weight, bias) in enumerate(layers):
        network = eqx.tree_at(
            lambda n, i=index: (n.layers[i].weight, n.layers[i].bias), network, (jnp.asarray(weight), jnp.asarray(bias))
        )
    return network


def _decoder(given: Arrays, prefix: str) -> Transformer:
    """Our transformer holding the arrays of a Qwen2 model under `prefix`."""

    def of(name: str) -> Any:
        return jnp.asarray(given[f"{prefix}/{name}"])

    config = TransformerConfig(**{name: int(given[f"config/{name}"]) for name in CONFIG})
    model = transformer(config)(jax.random.key(0))
    for index in range(config.layers):
        layer = f"layers.{index}"
        attention, feedforward = f"{layer}.self_attn", f"{layer}.mlp"
        values = {
            "before_attention": of(f"{layer}.input_layernorm.weight"),
            "query": of(f"{attention}.q_proj.weight").T,
            "query_bias": of(f"{attention}.q_proj.bias"),
            "key_value": jnp.concatenate([of(f"{attention}.k_proj.weight"), of(f"{attention}.v_proj.weight")]).T,
            "key_value_bias": jnp.concatenate([of(f"{attention}.k_proj.bias"), of(f"{attention}.v_proj.bias")]),
            "output": of(f"{attention}.o_proj.weight").T,
            "before_feedforward": of(f"{layer}.post_attention_layernorm.weight"),
            "gate_up": jnp.concatenate([of(f"{feedforward}.gate_proj.weight"), of(f"{feedforward}.up_proj.weight")]).T,
            "down": of(f"{feedforward}.down_proj.weight").T,
        }
        names = tuple(values)
        model = eqx.tree_at(
            lambda m, i=index, names=names: tuple(getattr(m.blocks[i], n) for n in names), model, tuple(values.values())
        )
    return eqx.tree_at(lambda m: (m.embedding, m.final), model, (of("embed_tokens.weight"), of("norm.weight")))


CONFIG = ("vocabulary", "width", "layers", "heads", "key_value_heads", "feedforward")

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
from sizes import (
    CLIP,
    CONSERVATIVE,
    DISCOUNT,
    DIVERGENCE,
    DRAWS,
    ENTROPY,
    EXPECTILE,
    NOISE,
    NOISE_CLIP,
    SHARPNESS,
    TEMPERATURE,
    TETHER,
    VALUE,
)

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.actors import actor_and_value, deterministic_actor, gaussian_actor, squashed_gaussian
from pilothouse.networks.critics import state_value, twin_critic
from pilothouse.networks.mlp import MLP
from pilothouse.networks.sequence_actor import SequenceActor, sequence_actor
from pilothouse.networks.transformer import Transformer, TransformerConfig, transformer
from pilothouse.objectives.cloning import clone_by_advantage, td3_bc
from pilothouse.objectives.conservative import conservative_td
from pilothouse.objectives.expectile import value_expectile
from pilothouse.objectives.group_advantages import (
    less_group_mean,
    mean_over_tokens_then_sequences,
    over_group_deviation,
)
from pilothouse.objectives.policy_gradient import deterministic_policy, entropy_towards, soft_policy
from pilothouse.objectives.return_conditioned import ReturnScale, clone_sequences
from pilothouse.objectives.sampled_actions import clone_by_drawn, softmax_weights, td_at_drawn
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
    "decision-transformer": [
        "The peer's loss is a sum over an action's entries and a mean over padding too, ours is a mean over entries and over "
        "what is no padding: its loss and gradients are divided by the one factor between the two.",
        "The peer's keys have a bias, ours none: a softmax does not see it, and its gradient is 0 but for rounding.",
        "The peer's layer normalisation adds 0.003 to the variance in its blocks, ours 1e-5 everywhere; compared with 1e-5. "
        "Dropout is off on both sides.",
    ],
    "awac": [
        "The peer's target counts the policy's entropy at temperature 1, the paper's does not: compared with that at 0.",
        "The peer's next action is drawn from a squashed normal, ours from the plain one that clones: compared at the "
        "peer's next action.",
        "The peer sums its actor's loss over the batch, ours is the mean: its loss and gradient are divided by the rows.",
        "The peer's log standard deviation is -6 + 6 sigmoid(p), ours the parameter itself clipped to [-6, 0]: its "
        "gradient for p is divided by 6 sigmoid(p) (1 - sigmoid(p)).",
    ],
    "cql": [
        "The peer's target takes the likeliest next action, ours draws one, as the authors' code does: compared at the "
        "likeliest.",
        "The peer adapts the weight of the gap by default; compared with it fixed, as ours is.",
        "Compared in double precision: in single, the slopes of the gap nearly cancel in the last layer, and 4e-5 of what "
        "is left there is rounding.",
    ],
    "grpo": [
        "The peer's default loss type is dapo (a mean over all tokens); compared with its grpo (a mean over tokens, then "
        "over completions), which is what ours is.",
        "The peer's default multiplies the divergence by the policy's ratio, after DeepSeek-V3.2; compared with that off: "
        "ours follows GRPO's own paper.",
        "The peer's embedding passes no gradient to the padding token where it is read, ours does: no completion holds it.",
    ],
}


def compare(method: str, given: Arrays) -> Differences:
    """By name of a loss or a gradient's leaf: the greatest difference over the greatest size of the peer's.

    In the precision of what the peer wrote.
    """
    with jax.enable_x64(given["loss/actor"].dtype == np.float64 if "loss/actor" in given else False):
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


def decision_transformer(given: Arrays) -> Differences:
    def read(arrays: Arrays, prefix: str) -> SequenceActor:
        obs, action = arrays["batch/obs"].shape[-1], arrays["batch/action"].shape[-1]
        longest, width = arrays["weights/actor/_position_encoding._embed.weight"].shape
        spec, sizes = (
            Spec(Box((obs,)), Box((action,), -1.0, 1.0)),
            (int(arrays[f"config/{n}"]) for n in ("layers", "heads")),
        )
        return _sequence_actor(sequence_actor(spec, width, *sizes, longest)(jax.random.key(0)), arrays, prefix)

    scaled = {k: v / given["factor"] if k.startswith(("loss/", "gradient/")) else v for k, v in given.items()}
    parts = {"actor": read(given, "weights/actor"), "returns": ReturnScale(*map(jnp.asarray, (0.0, 1.0, 0.0)))}
    batch = Batch(**{n.removeprefix("batch/"): jnp.asarray(x) for n, x in given.items() if n.startswith("batch/")})
    return _differences({"actor": (clone_sequences(0.0), "actor")}, parts, scaled, batch, read)


def awac(given: Arrays) -> Differences:
    spec, width = _sizes(given)
    rows = np.float32(len(given["batch/reward"]))
    given = {k: v / rows if k.startswith(("gradient/actor/", "loss/actor")) else v for k, v in given.items()}
    given["gradient/actor/actor/log_std"] = given["gradient/actor/actor/log_std"] / given["factor/actor/log_std"]
    parts = {
        "actor": _filled(gaussian_actor(spec, width, 2, bounds=(-6.0, 0.0)), given, "weights/actor"),
        "critic": _filled(twin_critic(spec, width, 2), given, "weights/critic"),
        "critic/slow": _filled(twin_critic(spec, width, 2), given, "weights/critic/slow"),
    }
    actor = clone_by_drawn(softmax_weights(TEMPERATURE), DRAWS)
    return _differences({"critic": (td_at_drawn(), "critic"), "actor": (actor, "actor")}, parts, given)


def cql(given: Arrays) -> Differences:
    spec, width = _sizes(given)
    parts = {
        "actor": _filled(squashed_gaussian(spec, width, 2), given, "weights/actor"),
        "critic": _filled(twin_critic(spec, width, 2), given, "weights/critic"),
        "critic/slow": _filled(twin_critic(spec, width, 2), given, "weights/critic/slow"),
        "log_alpha": jnp.asarray(given["weights/log_alpha"][0]),
    }
    losses = {"critic": (conservative_td(CONSERVATIVE, DRAWS), "critic"), "actor": (soft_policy, "actor")}
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
    "decision-transformer": decision_transformer,
    "awac": awac,
    "cql": cql,
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
        with _drawing(_draws(given, name), given.get(f"uniform/{name}")):
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


def _draws(given: Arrays, name: str) -> list[np.ndarray]:
    """The peer's normal draws of one objective, in the order that ours asks for them."""
    if f"draw/{name}" in given:
        return [given[f"draw/{name}"]]
    return [given[key] for key in sorted(key for key in given if key.startswith(f"draw/{name}/"))]


@contextmanager
def _drawing(normals: list[np.ndarray], uniform: np.ndarray | None = None) -> Iterator[None]:
    """The peer's draws in place of ours: the two generators are not the same."""
    ours, left = (jax.random.normal, jax.random.uniform), list(normals)

    def given(noise: np.ndarray | None, shape: tuple[int, ...], dtype: Any) -> Any:
        if noise is None or noise.shape != tuple(shape):
            raise RuntimeError(f"A draw of shape {shape}, and the peer's was {None if noise is None else noise.shape}.")
        return jnp.asarray(noise, dtype)

    def normal(key: Any, shape: tuple[int, ...] = (), dtype: Any = jnp.float32) -> Any:
        return given(left.pop(0) if left else None, shape, dtype)

    def flat(key: Any, shape: tuple[int, ...] = (), dtype: Any = jnp.float32, *_: Any, **__: Any) -> Any:
        return given(uniform, shape, dtype)

    jax.random.normal, jax.random.uniform = normal, flat
    try:
        yield
    finally:
        jax.random.normal, jax.random.uniform = ours


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


def _sequence_actor(network: SequenceActor, given: Arrays, prefix: str) -> SequenceActor:
    """Our sequence actor holding the arrays of a decision transformer of d3rlpy's under `prefix`."""

    def linear(name: str) -> tuple[Any, Any]:
        return jnp.asarray(given[f"{prefix}/{name}.weight"]).T, jnp.asarray(given[f"{prefix}/{name}.bias"])

    def norm(name: str) -> tuple[Any, Any]:
        return jnp.asarray(given[f"{prefix}/{name}.weight"]), jnp.asarray(given[f"{prefix}/{name}.bias"])

    def dense(part: Any) -> tuple[Any, Any]:
        return part.weight, part.bias

    def scale(part: Any) -> tuple[Any, Any]:
        return part.scale, part.shift

    def put(where: Callable[[Any], Any], value: Any) -> None:
        nonlocal network
        network = eqx.tree_at(where, network, value)

    put(lambda n: n.embed_step, jnp.asarray(given[f"{prefix}/_position_encoding._embed.weight"]))
    names = {"embed_return": "_rtg_embed", "embed_obs": "_encoder._layers.0", "embed_action": "_action_embed"}
    for ours, theirs in {**names, "head": "_output"}.items():
        put(lambda n, ours=ours: dense(getattr(n, ours)), linear(theirs))
    for ours, theirs in {"embed_norm": "_embed_ln", "final_norm": "_gpt2._layer_norm"}.items():
        put(lambda n, ours=ours: scale(getattr(n, ours)), norm(theirs))
    inner = {"query": "_attention._q", "value": "_attention._v", "output": "_attention._proj"}
    for i in range(len(network.blocks)):
        block = f"_gpt2._transformer.{i}"
        for ours, theirs in {**inner, "widen": "_mlp._l1", "narrow": "_mlp._l2"}.items():
            put(lambda n, i=i, ours=ours: dense(getattr(n.blocks[i], ours)), linear(f"{block}.{theirs}"))
        put(lambda n, i=i: n.blocks[i].key, linear(f"{block}._attention._k")[0])
        for ours, theirs in {"before_attention": "_layer_norm1", "before_dense": "_layer_norm2"}.items():
            put(lambda n, i=i, ours=ours: scale(getattr(n.blocks[i], ours)), norm(f"{block}.{theirs}"))
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

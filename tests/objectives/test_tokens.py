import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.transformer import Transformer, TransformerConfig
from pilothouse.objectives.terms import clipped, terms
from pilothouse.objectives.tokens import clone_answers, evaluate_tokens, k3_to_beside, token_logits
from pilothouse.policies.language import Decoding
from pilothouse.rollout.collect import collect_fresh
from pilothouse.rollout.episodes import tasks_for
from pilothouse.worlds.arithmetic import Arithmetic

WORLD = Arithmetic(digits=1, operations="+")
MODEL = Transformer(
    TransformerConfig(vocabulary=17, width=16, layers=1, heads=2, key_value_heads=1, feedforward=16),
    key=jax.random.key(0),
)


def rollout() -> Batch:
    """Eight drawn completions, episodes first, as a sampler of whole episodes hands them over."""
    tasks = tasks_for(WORLD, 8, jax.random.key(1))
    rows, _ = collect_fresh(Decoding(MODEL, 1.0, 3), WORLD, tasks, 8, 3, jax.random.key(2))
    turned = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), rows.without("task", "obs", "next_obs"))
    weight = turned.valid / turned.valid.sum()
    return turned.replace(task=tasks, weight=weight, advantage=jnp.ones(weight.shape))


def test_what_was_remembered_when_drawing_is_what_one_pass_says() -> None:
    batch = rollout()
    output = evaluate_tokens("policy")({"policy": MODEL}, batch, jax.random.key(0))
    np.testing.assert_allclose(
        np.where(batch.valid, output.log_prob, 0), np.where(batch.valid, batch.log_prob, 0), atol=1e-5
    )


def test_on_policy_the_surrogate_has_the_policy_gradient() -> None:
    # At ratio one the gradient of ratio × advantage is that of log-probability × advantage, weight for weight.
    batch = rollout()

    def surrogate(model: Transformer) -> jax.Array:
        loss = terms(evaluate_tokens("policy"), (clipped(0.2, normalise=False), 1.0))
        return loss({"policy": model}, batch, jax.random.key(0))[0]

    def plain(model: Transformer) -> jax.Array:
        log_prob = evaluate_tokens("policy")({"policy": model}, batch, jax.random.key(0)).log_prob
        return -jnp.sum(jnp.where(batch.valid, batch.weight * log_prob, 0.0))

    for one, other in zip(*(jax.tree.leaves(jax.grad(f)(MODEL)) for f in (surrogate, plain)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_divergence_from_oneself_is_nothing_and_from_another_is_positive() -> None:
    batch = rollout()
    forward = evaluate_tokens("policy", beside="ref")
    same, _ = k3_to_beside(forward({"policy": MODEL, "ref": MODEL}, batch, jax.random.key(0)), batch)
    np.testing.assert_allclose(same, 0.0, atol=1e-6)
    other = jax.tree.map(lambda x: 3 * x, MODEL)
    apart, said = k3_to_beside(forward({"policy": MODEL, "ref": other}, batch, jax.random.key(0)), batch)
    assert (apart >= 0).all() and said["kl"] > 0


def test_cloning_by_hand() -> None:
    # One answer "5": two tokens count, "5" and the end, each with its log-probability from one pass.
    task = jax.tree.map(lambda x: jnp.asarray(x)[None], WORLD.task("2+3=", "5"))
    loss, _ = clone_answers({"policy": MODEL}, task, jax.random.key(0))
    logits = jax.nn.log_softmax(token_logits(MODEL, task.prompt, jnp.array([[8, 2, 0]]))[0])
    np.testing.assert_allclose(loss, -(logits[0, 8] + logits[1, 2]) / 2, rtol=1e-5)

"""Being drawn to the better of the data's action and a proposal."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Deterministic
from pilothouse.objectives.advantage_guided import better_than_value, guide, guided_policy, value_of_slow_actor
from pilothouse.objectives.cloning import td3_bc


def test_the_guide_by_hand() -> None:
    action, proposal = jnp.array([[0.0], [0.0], [0.0], [0.0]]), jnp.array([[1.0], [1.0], [1.0], [1.0]])
    q_action, q_proposal = jnp.array([1.0, 3.0, 2.0, 1.0]), jnp.array([3.0, 1.0, 2.0, 0.5])
    target, good = guide(action, proposal, q_action, q_proposal, jnp.array([2.0, 2.0, 2.0, 2.0]))
    np.testing.assert_array_equal(target[:, 0], [1, 0, 1, 0])  # ties go to the proposal
    np.testing.assert_array_equal(good, [True, True, True, False])  # the last: both are below the state's value


class Halving(eqx.Module):
    """Reconstructs half of any action."""

    latent: int = eqx.field(static=True, default=2)

    def reconstruct(self, obs, action, noise):
        return action / 2, jnp.zeros(2), jnp.zeros(2)


BATCH = Batch(
    obs=jnp.zeros((1, 1)), next_obs=jnp.zeros((1, 1)), action=jnp.array([[-1.0]]), reward=jnp.array([1.0]),
    discount=jnp.array([0.5]),
)  # fmt: skip


def parts(slope: float, value: float, at: jax.Array | float = 0.8) -> dict:
    """A critic that likes large actions by `slope`, and an actor that does `at`."""
    critic = lambda obs, action: jnp.stack([slope * action[0] + 10.0, slope * action[0] + 20.0])  # noqa: E731
    actor = lambda obs: Deterministic(jnp.asarray(at, jnp.float32)[None])  # noqa: E731
    model, worth = Halving(), lambda obs: jnp.float32(value)
    return {"critic": critic, "critic/slow": critic, "actor": actor, "actor/slow": actor, "value": worth,
            "autoencoder": model}  # fmt: skip


def test_the_actor_loss_by_hand() -> None:
    # Liking large actions, the proposal 0.4 is better than the data's -1: error (0.8 - 0.4)^2 = 0.16, times 0.5.
    # q = 10.8 and 2.5 q / |q| = 2.5.
    key = jax.random.key(0)
    np.testing.assert_allclose(guided_policy()(parts(1.0, 0.0), BATCH, key)[0], 0.08 - 2.5, rtol=1e-5)
    # Liking small ones, the data's -1 is: (1.8)^2 / 2 = 1.62.
    np.testing.assert_allclose(guided_policy()(parts(-1.0, 0.0), BATCH, key)[0], 1.62 - 2.5, rtol=1e-5)
    # Neither above the state's value: no pull.
    np.testing.assert_allclose(guided_policy()(parts(1.0, 99.0), BATCH, key)[0], -2.5, rtol=1e-5)
    gradient = jax.grad(lambda at: guided_policy()(parts(0.0, 0.0, at), BATCH, key)[0])(jnp.float32(0.8))
    # Ties go to the proposal a/2: 0.5 (a/2)^2, so a / 4 = 0.2, and no slope in q.
    np.testing.assert_allclose(gradient, 0.2, rtol=1e-5)


def test_only_rows_above_the_value_are_modelled() -> None:
    np.testing.assert_array_equal(better_than_value()(parts(1.0, 8.0), BATCH), [1.0])  # q = 9
    np.testing.assert_array_equal(better_than_value()(parts(1.0, 9.0), BATCH), [0.0])


def test_the_value_goes_to_the_lowest_member() -> None:
    # Without noise: 1 + 0.5 * (0.8 + 10) = 6.4; from 6: 0.16, whose slope in the value is -0.8.
    loss = value_of_slow_actor(noise=0.0)
    np.testing.assert_allclose(loss(parts(1.0, 6.0), BATCH, jax.random.key(0))[0], 0.16, rtol=1e-4)
    slope = jax.grad(lambda v: loss(parts(1.0, 0.0) | {"value": lambda obs: v}, BATCH, jax.random.key(0))[0])(6.0)
    np.testing.assert_allclose(slope, -0.8, rtol=1e-4)


def test_the_pull_turns_from_the_data_to_the_proposal_and_td3_bc_does_not() -> None:
    """A2PR's mechanism: fails where TD3+BC's loss stands in for it."""

    # The critic likes large actions: the data did -1, the model proposes half of what the actor does.
    def pull(loss, at: float) -> float:
        return float(loss(parts(0.01, 0.0, at), BATCH, jax.random.key(0))[0]) + 2.5

    at = np.array([0.2, 0.8])
    np.testing.assert_allclose([pull(guided_policy(), a) for a in at], 0.5 * (at / 2) ** 2, atol=1e-5)
    np.testing.assert_allclose([pull(td3_bc(2.5), a) for a in at], (at + 1) ** 2, atol=1e-5)

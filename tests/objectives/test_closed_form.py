"""Improvement in closed form: by hand, and against the best of many feasible actions."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.mixtures import Mixture, mixture_actor
from pilothouse.objectives.closed_form import behaviour_td, fit_density, furthest, joined, lower_bound, radii

KEY = jax.random.key(0)
TWO = Mixture(
    jnp.log(jnp.array([0.8, 0.2])), jnp.array([[0.0, 0.0], [0.3, -0.2]]), jnp.log(jnp.array([[1.0, 0.5], [0.5, 0.5]]))
)


def densities(action: np.ndarray) -> np.ndarray:
    """log N_i at many actions `(n, 2)` -> `(n, 2)`."""
    z = (action[:, None] - np.asarray(TWO.means)) / np.exp(np.asarray(TWO.log_stds))
    return (-0.5 * z**2 - np.asarray(TWO.log_stds) - 0.5 * np.log(2 * np.pi)).sum(-1)


def test_density_of_a_mixture() -> None:
    action = np.array([[0.4, 0.1], [-1.0, 2.0]])
    expected = np.log(np.exp(densities(action)) @ np.array([0.8, 0.2]))
    np.testing.assert_allclose([TWO.log_prob(jnp.asarray(a, jnp.float32)) for a in action], expected, rtol=1e-5)


def test_the_furthest_action_is_the_best_within_the_ball() -> None:
    # By hand: g = (3, 4), variances (1, 4): g' S g = 9 + 64 = 73; mean + 2 (3, 16) / sqrt 73.
    mean, variance, slope = jnp.array([1.0, -1.0]), jnp.array([1.0, 4.0]), jnp.array([3.0, 4.0])
    found = np.asarray(furthest(mean, variance, slope, 2.0))
    np.testing.assert_allclose(found, [1 + 6 / np.sqrt(73), -1 + 32 / np.sqrt(73)], rtol=1e-5)
    angle = np.linspace(0, 2 * np.pi, 10_000)
    edge = np.asarray(mean) + 2 * np.stack([np.cos(angle), 2 * np.sin(angle)], 1)
    assert (edge @ np.asarray(slope)).max() <= found @ np.asarray(slope) + 1e-4
    np.testing.assert_allclose(((found - np.asarray(mean)) ** 2 / np.asarray(variance)).sum(), 4.0, rtol=1e-5)
    np.testing.assert_allclose(furthest(mean, variance, jnp.zeros(2), 2.0), mean)  # nowhere to go


def test_at_its_radius_a_component_is_slack_below_the_highest_peak() -> None:
    log_weights = np.asarray(TWO.log_weights)
    peak = (log_weights + np.diag(densities(np.asarray(TWO.means)))).max()
    for slack in (0.3, 2.0):
        found = np.asarray(radii(TWO, slack))
        for i, radius in enumerate(found):
            edge = np.asarray(TWO.means)[i] + np.array([radius, 0.0]) * np.exp(np.asarray(TWO.log_stds))[i]
            height = log_weights[i] + densities(edge[None])[0, i]
            if radius > 0:
                np.testing.assert_allclose(height, peak - slack, rtol=1e-4)
            else:
                assert height < peak - slack
    assert (np.asarray(radii(TWO, 0.3)) > 0).tolist() == [True, False]
    np.testing.assert_allclose(
        radii(jax.tree.map(lambda x: x[:1], TWO), 0.5), [1.0]
    )  # one normal: the root of twice it


def test_the_joined_ball_holds_what_jensens_bound_allows() -> None:
    # sum_i w_i * (half squared distance to i) <= slack, on the edge with equality, for actions in any direction.
    weights, means, stds = np.array([0.8, 0.2]), np.asarray(TWO.means), np.exp(np.asarray(TWO.log_stds))
    mean, variance, square = (np.asarray(x) for x in joined(TWO, 1.5))
    assert square > 0
    for angle in (0.0, 1.0, 2.5):
        edge = mean + np.sqrt(square * variance) * np.array([np.cos(angle), np.sin(angle)])
        np.testing.assert_allclose(weights @ (0.5 * ((edge - means) / stds) ** 2).sum(-1), 1.5, rtol=1e-4)
    far = Mixture(TWO.log_weights, 5 * TWO.means, TWO.log_stds)
    assert joined(far, 0.1)[2] < 0  # no action is that near to both


def test_lower_bound_and_its_gradient_where_members_agree() -> None:
    np.testing.assert_allclose(lower_bound(jnp.array([1.0, 5.0]), 0.5), 3.0 - 0.5 * 2.0, rtol=1e-5)
    slope = jax.grad(lambda x: lower_bound(jnp.stack([x, x]), 1.0))(2.0)
    np.testing.assert_allclose(slope, 1.0)


class Line:
    """A critic of two members: weight times (obs + action), and twice that."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, obs: Any, action: Any) -> Any:
        return self.weight * (obs[0] + action[0]) * jnp.array([1.0, 2.0])


def test_each_member_follows_what_the_data_did_next() -> None:
    batch = Batch(
        obs=jnp.array([[0.1], [0.2], [0.3]]), next_obs=jnp.array([[0.3], [0.4], [0.5]]),
        action=jnp.array([[0.5], [-0.5], [9.0]]), next_action=jnp.array([[0.1], [7.0], [7.0]]),
        reward=jnp.array([1.0, 2.0, 3.0]), discount=jnp.array([0.5, 0.0, 0.5]),
        follows=jnp.array([True, False, False]),
    )  # fmt: skip
    loss, _ = behaviour_td()({"critic": Line(1.0), "critic/slow": Line(10.0)}, batch, KEY)
    # Row 1: targets 1 + 0.5 * (4, 8) = (3, 5), values (0.6, 1.2). Row 2 ends: targets (2, 2), values (-0.3, -0.6).
    # Row 3 is cut: nothing is known of it.
    expected = (2.4**2 + 3.8**2 + 2.3**2 + 2.6**2) / 3
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_the_loss_of_a_mixture_is_minus_its_mean_log_density() -> None:
    actor = mixture_actor(Spec(Box((1,)), Box((2,), -1.0, 1.0)), 3, 4, 1)(KEY)
    found = actor(jnp.array([0.3]))
    assert found.means.shape == (3, 2) and float(jnp.abs(found.means).max()) < 1
    np.testing.assert_allclose(jnp.exp(found.log_weights).sum(), 1.0, rtol=1e-5)
    batch = Batch(obs=jnp.array([[0.3], [0.1]]), action=jnp.array([[0.2, 0.1], [0.5, -0.5]]))
    loss, _ = fit_density()({"behaviour": actor}, batch, KEY)
    each = [actor(o).log_prob(a) for o, a in zip(batch.obs, batch.action, strict=True)]
    np.testing.assert_allclose(loss, -np.mean(each), rtol=1e-5)

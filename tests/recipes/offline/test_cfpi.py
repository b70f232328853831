"""CFPI: what no row did is done, where the critic says so, and no further than the behaviour's width."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.mixtures import Mixture
from pilothouse.policies.improved import ClosedForm
from pilothouse.recipes.offline.cfpi import cfpi

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))
OBS, KEY = jnp.zeros(1), jax.random.key(0)


class Behaviour:
    shape = (1,)

    def __init__(self, weights: list[float], means: list[float], std: float) -> None:
        self.mixture = Mixture(
            jnp.log(jnp.array(weights)), jnp.array(means)[:, None], jnp.full((len(means), 1), jnp.log(std))
        )

    def __call__(self, obs) -> Mixture:  # noqa: ANN001
        return self.mixture


def act(behaviour: Behaviour, critic, slack: float, pessimism: float = 0.0) -> float:  # noqa: ANN001
    return float(ClosedForm(behaviour, critic, slack, pessimism)(OBS, (), KEY)[0][0])


def test_the_policy_goes_uphill_by_the_slack_from_the_better_mode() -> None:
    # One normal at 0.2, deviation 0.1: uphill by 0.1 * sqrt(2 slack). Fails without the improvement (slack 0).
    def hill(obs, action):  # noqa: ANN001
        return jnp.stack([action[0], action[0]])

    one = Behaviour([1.0], [0.2], 0.1)
    found = [act(one, hill, slack) for slack in (0.0, 0.5, 2.0)]
    np.testing.assert_allclose(found, [0.2, 0.3, 0.4], atol=1e-4)
    two = Behaviour([0.5, 0.5], [-0.6, 0.6], 0.1)
    np.testing.assert_allclose(act(two, hill, 0.5), 0.7, atol=1e-4)
    np.testing.assert_allclose(act(two, lambda obs, action: -hill(obs, action), 0.5), -0.7, atol=1e-4)
    rare = Behaviour([0.98, 0.02], [-0.6, 0.6], 0.1)
    np.testing.assert_allclose(act(rare, hill, 0.5), -0.5, atol=1e-4)


def test_pessimism_keeps_away_from_where_the_members_differ() -> None:
    def unsure(obs, action):  # noqa: ANN001
        return jnp.stack([3 * action[0], -action[0]])  # mean a, deviation 2 |a|

    two = Behaviour([0.5, 0.5], [0.1, 0.8], 0.05)
    assert act(two, unsure, 0.5, 0.0) > 0.8 and act(two, unsure, 0.5, 1.0) < 0.1


def test_the_recipe_acts_by_its_parts() -> None:
    algorithm = cfpi(width=4, depth=1, members=2, components=2).build(SPEC)
    keys = dict(zip(("behaviour", "critic"), jax.random.split(KEY), strict=True))
    parts = {name: algorithm.parts[name](key) for name, key in keys.items()}  # type: ignore
    policy = algorithm.acts(parts)
    assert isinstance(policy, ClosedForm) and float(policy.slack) == 0.5
    action = policy(OBS, (), KEY)[0]
    assert action.shape == (1,) and bool(jnp.isfinite(action).all())

"""What OPO and BNPO do to a group's rewards that GRPO does not."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.objectives.group_advantages import less_group_mean, less_length_weighted_mean, over_group_deviation
from pilothouse.recipes.language import bnpo_beta, opo

KEY = jax.random.key(0)


def rollout(tries: int) -> Batch:
    """Two groups: one right of `tries`, and all but one right; the first completion is four tokens long, the rest one."""
    reward = np.zeros((4, 2, tries), np.float32)
    reward[0, 0, 1] = 1
    reward[0, 1, 1:] = 1
    valid = np.zeros((4, 2, tries), bool)
    valid[0] = True
    valid[:, :, 0] = True
    flat = lambda x: jnp.asarray(x.reshape(4, -1))  # noqa: E731
    return Batch(reward=flat(reward), valid=flat(valid))


def test_opo_takes_the_baseline_weighed_by_length() -> None:
    tries = opo.SIZES["tries"]
    found = opo.RULES["opo"].change({"rollout": rollout(tries)}, None, {}, KEY)["rollout"]  # type: ignore
    np.testing.assert_allclose(found.advantage, less_length_weighted_mean(tries)(rollout(tries)).advantage)
    # By hand, group one: lengths 4, 1, 1, …; only the second is right: baseline 1 / (4 + tries - 1).
    np.testing.assert_allclose(found.advantage[0, 1], 1 - 1 / (tries + 3), rtol=1e-6)
    assert not np.allclose(found.advantage, less_group_mean(tries)(rollout(tries)).advantage)


def test_bnpo_divides_by_a_density_that_depends_on_all_groups() -> None:
    tries = bnpo_beta.SIZES["tries"]
    change = bnpo_beta.RULES["bnpo"].change
    found = change({"rollout": rollout(tries)}, None, {}, KEY)["rollout"].advantage  # type: ignore
    fixed = over_group_deviation(tries)(less_group_mean(tries)(rollout(tries))).advantage
    # GRPO's division sees one group alone: the ratio of the two is not the same when the other group changes.
    other = rollout(tries)
    other = other.replace(reward=other.reward.at[0, tries:].set(jnp.arange(tries) < tries // 2))
    moved = change({"rollout": other}, None, {}, KEY)["rollout"].advantage  # type: ignore
    still = over_group_deviation(tries)(less_group_mean(tries)(other)).advantage
    assert not np.allclose(found[0, 1], moved[0, 1], rtol=1e-3)
    np.testing.assert_allclose(fixed[0, 1], still[0, 1], rtol=1e-6)

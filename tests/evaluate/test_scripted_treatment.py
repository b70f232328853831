"""The ward: a step by hand, and what the data hold."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.evaluate.scripted_treatment import FIRST, SECOND, WAIT, Ward, guideline, treated
from pilothouse.worlds.timed import Timed


def test_a_drug_helps_the_sick_and_the_favoured_one_a_little_more() -> None:
    place, key = Ward(), jax.random.key(0)
    noise = 0.1 * float(jax.random.normal(key))
    for severity, sign, action, change, reward in (
        (1.0, 1.0, FIRST, -0.7, -1.0),
        (1.0, 1.0, SECOND, -0.6, -1.0),
        (1.0, -1.0, SECOND, -0.7, -1.0),
        (1.0, 1.0, WAIT, 0.3, -1.0),
        (-0.5, 1.0, FIRST, 0.0, -0.5),
        (-0.5, 1.0, WAIT, 0.3, 0.0),
    ):
        state = Timed.at(jnp.zeros(6).at[0].set(severity).at[1].set(sign))
        _, said = place.step(state, jnp.int32(action), key)
        np.testing.assert_allclose(said.next_obs[0], severity + change + noise, atol=1e-6)
        np.testing.assert_allclose(said.reward, reward, atol=1e-6)


def test_the_data_follow_the_guideline_but_for_those_astray() -> None:
    rows = treated(200, astray=0.3)
    assert len(rows) == 2_000
    followed = np.asarray(guideline(jnp.asarray(rows.obs))) == rows.action
    np.testing.assert_allclose(followed.mean(), 0.7 + 0.3 / 3, atol=0.03)

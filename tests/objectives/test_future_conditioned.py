"""Luck in a choice by hand and at its known best, and a choice that is rid of it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.networks.distributions import Categorical
from pilothouse.objectives.future_conditioned import clone_what_can_be_controlled, luck_of_choices
from pilothouse.objectives.return_conditioned import ReturnScale


class ByReward:
    """An energy of two choices: the second is what the reward says, the first nothing."""

    def __init__(self, strength: float = 1.0):
        self.strength = strength

    def cause(self, obs, action):
        return jnp.array([[0.0], [self.strength]])

    def outcome(self, reward, next_obs):
        return reward[None]


def stretches(reward, action) -> Batch:
    """Stretches of one step."""
    count = len(reward)
    return Batch(
        obs=jnp.zeros((count, 1, 1)),
        next_obs=jnp.zeros((count, 1, 1)),
        action=jnp.asarray(action, jnp.int32)[:, None],
        reward=jnp.asarray(reward, jnp.float32)[:, None],
        return_to_go=jnp.asarray(reward, jnp.float32)[:, None],
        valid=jnp.ones((count, 1), bool),
    )


def test_luck_by_hand() -> None:
    # Rewards 1 and 0. The first choice scores everything 0: no luck. The second scores outcomes 1 and 0 whoever asks, so it
    # gives row 0: 1 - log((e + 1) / 2) = 0.379885, and row 1: -0.620115.
    rows = jax.tree.map(lambda x: x[:, 0], stretches([1.0, 0.0], [0, 0]))
    np.testing.assert_allclose(luck_of_choices(ByReward(), rows), [[0.0, 0.379885], [0.0, -0.620115]], atol=1e-6)


class Sure(ByReward):
    """The first choice is of reward 0, the second of reward 1: log of p(reward | choice) / p(reward), up to a constant."""

    def cause(self, obs, action):
        return jnp.array([[-40.0], [40.0]])

    def outcome(self, reward, next_obs):
        return reward[None] - 0.5


def test_at_the_best_energy_luck_is_the_mutual_information_and_none_of_it_where_choices_know_nothing() -> None:
    reward = np.arange(100) % 2
    lucky = luck_of_choices(Sure(), jax.tree.map(lambda x: x[:, 0], stretches(reward, np.zeros(100))))
    assert abs(float((jax.nn.one_hot(reward, 2) * lucky).sum(axis=1).mean()) - np.log(2)) < 1e-3
    assert float(lucky.mean()) < 0  # choices that know nothing: this energy is worse than one that says nothing, 0


def parts_of(weight: dict[str, float]) -> dict[str, Any]:
    """Parts in which every number is multiplied by its weight, 1 unless given."""
    by = {name: weight.get(name, 1.0) for name in ("future", "actor", "energy", "prior", "value")}
    first, second = jnp.array([0.25, 0.75]), jnp.array([0.75, 0.25])
    return {
        # Reads off the action: the choice is 1 with probability 3/4 where the action is 1, else with 1/4.
        "future": lambda obs, action, reward, valid: Categorical(
            by["future"] * jnp.log(jnp.where(action[0] == 1, first, second))
        ),
        # Told 1 it does 1 with probability 0.8, told 0 with 0.2.
        "actor": lambda seen: Categorical(
            by["actor"] * jnp.log(jnp.where(seen["choice"] == 1, jnp.array([0.2, 0.8]), jnp.array([0.8, 0.2])))
        ),
        "energy": ByReward(by["energy"]),
        "prior": lambda obs: Categorical(by["prior"] * jnp.log(jnp.array([0.6, 0.4]))),
        "value": lambda seen: by["value"] * seen["choice"],
        "returns": ReturnScale(jnp.asarray(0.5), jnp.asarray(0.5), jnp.asarray(1.0)),
    }


def test_the_loss_by_hand_and_what_moves_what() -> None:
    batch, key = stretches([1.0, 0.0], [1, 0]), jax.random.key(0)
    loss, aux = clone_what_can_be_controlled(2.0)(parts_of({}), batch, key)
    # Row 0: q = (1/4, 3/4); row 1: q = (3/4, 1/4). Cloning: -(3/4 log 0.8 + 1/4 log 0.2) = 0.569717 in both rows.
    # Luck: (0.75 * 0.379885 + 0.25 * -0.620115) / 2 = 0.064943. Prior: -(log 0.6 + log 0.4) / 2 = 0.713558.
    # Told returns are 1 and -1, values 0 and 1 by choice: (1/4 * 1 + 3/4 * 0 + 3/4 * 1 + 1/4 * 4) / 2 = 1.
    np.testing.assert_allclose(aux["actor/cloning_loss"], 0.569717, rtol=1e-5)
    np.testing.assert_allclose(aux["future/luck"], 0.064943, rtol=1e-4)
    np.testing.assert_allclose(aux["prior/cross_entropy"], 0.713558, rtol=1e-5)
    np.testing.assert_allclose(loss, 0.569717 + (2 - 1) * 0.064943 + 0.713558 + 1.0, rtol=1e-5)

    def slopes(constraint: float) -> dict[str, float]:
        names = ("future", "actor", "energy", "prior", "value")
        of = lambda weight: clone_what_can_be_controlled(constraint)(parts_of(weight), batch, key)[0]  # noqa: E731
        return {name: float(value) for name, value in jax.jit(jax.grad(of))(dict.fromkeys(names, 1.0)).items()}

    free, held = slopes(0.0), slopes(2.0)
    # A surer choice clones better, but it tells who won: held, the slope of the encoder is higher. Nobody else minds.
    assert free["future"] < held["future"]
    assert {name: free[name] for name in free if name != "future"} == {
        name: held[name] for name in held if name != "future"
    }
    # The energy ascends the luck that the encoder is held to descend. By its weight w, row 0 has w - log((e^w + 1) / 2) and row
    # 1 has -log((e^w + 1) / 2): slopes 1 - 0.731059 and -0.731059, of (3/4 and 1/4) / 2.
    np.testing.assert_allclose(held["energy"], -(0.375 * 0.268941 - 0.125 * 0.731059), rtol=1e-4)

"""Influence of data: against leaving out and learning again, which is what it says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.batch import Batch
from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.explain.data_influence import (
    by_group,
    curvature_influence,
    of_clone,
    ridge_influence,
    study_influence,
    traced_influence,
)
from pilothouse.networks.actors import actor
from pilothouse.objectives.cloning import clone

RNG = np.random.default_rng(0)
ROWS, EPISODES, RIDGE = 40, 10, 0.5
X = RNG.normal(size=(ROWS, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + RNG.normal(size=ROWS)
EPISODE = np.repeat(np.arange(EPISODES), ROWS // EPISODES)
ASKED = np.array([0.3, 1.0, -0.7])


def ridge_at(keep: np.ndarray) -> float:
    x, y = X[keep], Y[keep]
    return float(ASKED @ np.linalg.solve(x.T @ x + RIDGE * np.eye(3), x.T @ y))


def test_ridge_is_exact_for_rows_and_for_episodes() -> None:
    for groups in (np.arange(ROWS), EPISODE):
        found = ridge_influence(X, Y, ASKED, groups, ridge=RIDGE)
        whole = ridge_at(np.ones(ROWS, bool))
        left_out = [whole - ridge_at(groups != one) for one in np.unique(groups)]
        np.testing.assert_allclose(found, left_out, rtol=1e-9)


def test_ridge_by_hand() -> None:
    # Two rows of one feature 1, targets 0 and 4, ridge 0: the mean is 2; without the second it is 0, without the first 4.
    found = ridge_influence(np.ones((2, 1)), np.array([0.0, 4.0]), np.ones(1), np.arange(2), ridge=0.0)
    np.testing.assert_allclose(found, [-2.0, 2.0])


def squared(weights, row):
    x, y = row
    return 0.5 * (y - x @ weights) ** 2


def test_curvature_is_the_exact_answer_but_for_the_leverage() -> None:
    curvature = X.T @ X + RIDGE * np.eye(3)
    weights = np.linalg.solve(curvature, X.T @ Y)
    leverage = np.einsum("ni,ij,nj->n", X, np.linalg.inv(curvature), X)
    found = curvature_influence(
        squared, lambda w: jnp.asarray(ASKED, jnp.float32) @ w, jnp.asarray(weights, jnp.float32),
        (jnp.asarray(X, jnp.float32), jnp.asarray(Y, jnp.float32)), damping=RIDGE,
    )  # fmt: skip
    exact = ridge_influence(X, Y, ASKED, np.arange(ROWS), ridge=RIDGE)
    np.testing.assert_allclose(found, exact * (1 - leverage), rtol=1e-3, atol=1e-5)


# A cloned policy of two choices: a small network, trained by full steps on episodes, some of which are of a bad expert.
START = {
    "in": 0.5 * jax.random.normal(jax.random.key(1), (2, 6)),
    "out": 0.5 * jax.random.normal(jax.random.key(2), (6,)),
}
OBS = jnp.asarray(RNG.normal(size=(48, 2)), jnp.float32)
OF = np.repeat(np.arange(12), 4)
DONE = jnp.asarray(np.where(np.isin(OF, (3, 7)), OBS[:, 0] < 0, OBS[:, 0] > 0), jnp.float32)
STEPS, RATE = 60, 0.5


def logit(parameters, obs):
    return jnp.tanh(obs @ parameters["in"]) @ parameters["out"]


def loss(parameters, row):
    obs, done = row
    return jnp.logaddexp(0.0, -(2 * done - 1) * logit(parameters, obs))


def asked(parameters):
    return logit(parameters, jnp.array([1.0, 0.5]))


@jax.jit
def trained(weight):
    """Checkpoints before each step."""

    def step(parameters, _):
        mean = lambda p: (weight * jax.vmap(lambda row: loss(p, row))((OBS, DONE))).sum() / len(OBS)  # noqa: E731
        new = jax.tree.map(lambda p, g: p - RATE * g, parameters, jax.grad(mean)(parameters))
        return new, parameters

    return jax.lax.scan(step, START, None, STEPS)


@pytest.fixture(scope="module")
def network():
    last, path = trained(jnp.ones(len(OBS)))
    rates = jnp.full(STEPS, RATE / len(OBS))
    return last, path, traced_influence(loss, asked, path, rates, (OBS, DONE))


def without(left_out) -> float:
    return float(asked(trained(jnp.asarray(~np.isin(OF, left_out), jnp.float32))[0]))


def test_steps_add_up_to_what_was_learned(network) -> None:
    """All rows together moved the value from where it began to where it is, to first order in the rate."""
    last, _, found = network
    moved = float(asked(last) - asked(START))
    assert found.sum() == pytest.approx(moved, rel=0.1)


def test_one_small_step_is_exact() -> None:
    rows, rate = (OBS[:3], DONE[:3]), 1e-3
    one = jax.tree.map(lambda x: x[None], START)
    found = traced_influence(loss, asked, one, jnp.array([rate]), rows)
    for i in range(3):
        stepped = jax.tree.map(lambda p, g: p - rate * g, START, jax.grad(loss)(START, (OBS[i], DONE[i])))
        assert found[i] == pytest.approx(float(asked(stepped) - asked(START)), rel=0.02, abs=1e-7)


def test_leaving_out_and_learning_again_agrees(network) -> None:
    study = study_influence(by_group(network[2], OF), np.arange(12), without, tested=12)
    assert study.fidelity > 0.8 and study.sanity_passed and study.shuffled < 0.8
    assert all(study.influence[bad] < 0 for bad in (3, 7))  # they argue against what the others do
    assert list(study.most(1).values())[0] == study.influence[np.abs(study.influence).argmax()]
    assert len(study.as_json()["actual"]) == 12


def test_influences_on_another_question_do_not_pass(network) -> None:
    """What speaks for going right at the right speaks against it at the left: the answers there are others."""
    found = traced_influence(
        loss, lambda p: logit(p, jnp.array([-1.0, -0.5])), network[1], jnp.full(STEPS, RATE / len(OBS)), (OBS, DONE)
    )
    study = study_influence(by_group(found, OF), np.arange(12), without)
    assert study.fidelity < 0 and not study.sanity_passed


def test_a_cloned_actors_loss_is_that_which_cloned_it() -> None:
    spec = Spec(Box((3,)), Discrete(2))
    network = actor(spec, 4, 1)(jax.random.key(0))
    rows = Batch(obs=jnp.asarray(RNG.normal(size=(6, 3)), jnp.float32), action=jnp.array([0, 1, 1, 0, 1, 0], jnp.int32))
    cloned = of_clone(network)
    each = jax.vmap(lambda row: cloned.loss(cloned.parameters, row))(rows)
    assert float(each.mean()) == pytest.approx(float(clone({"actor": network}, rows, jax.random.key(0))[0]), rel=1e-5)
    weighed = rows.replace(weight=jnp.arange(6.0))
    again = jax.vmap(lambda row: cloned.loss(cloned.parameters, row))(weighed)
    np.testing.assert_allclose(again, each * np.arange(6), rtol=1e-5)
    asked = cloned.log_chance(rows.obs[1], rows.action[1])
    assert float(asked(cloned.parameters)) == pytest.approx(-float(each[1]), rel=1e-5)
    once = jax.tree.map(lambda x: x[None], cloned.parameters)
    found = traced_influence(cloned.loss, asked, once, jnp.ones(1), rows)
    assert found[1] > 0 and found[1] == found.max()  # nothing speaks for a row's action as the row itself does


def test_influences_must_fit_their_groups() -> None:
    with pytest.raises(DataError, match="at least 3 groups"):
        study_influence(np.zeros(2), np.arange(2), lambda left_out: 0.0)

"""What onlookers say of a frame depends on that frame and those before it; and, of graphs, not on how they are written down."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pilothouse.core.errors import SpaceError
from pilothouse.core.spaces import Box, Discrete, Spec
from pilothouse.networks.mlp import MLP
from pilothouse.networks.onlookers import GraphOnlooker, PooledOnlooker, Reminder

SPEC = Spec(Box((6, 4, 5)), Box((6, 2), -1.0, 1.0))


def session() -> jax.Array:
    """Six frames of four nodes on a plane, one of which is not there in the first three."""
    features = jax.random.normal(jax.random.key(0), (6, 4, 3))
    cells = jax.random.randint(jax.random.key(1), (6, 4, 2), -3, 4).astype(jnp.float32)
    return jnp.concatenate([features, cells], axis=-1).at[:3, 3].set(0.0)


@eqx.filter_jit
def told(onlooker: GraphOnlooker | PooledOnlooker, obs: jax.Array) -> jax.Array:
    return onlooker(obs).value


@pytest.fixture
def graph() -> GraphOnlooker:
    return GraphOnlooker(SPEC, 8, key=jax.random.key(2))


@pytest.mark.parametrize("kind", [GraphOnlooker, PooledOnlooker])
def test_what_comes_later_changes_nothing_and_what_came_before_does(kind: type) -> None:
    onlooker, obs = kind(SPEC, 8, key=jax.random.key(3)), session()
    said = told(onlooker, obs)
    np.testing.assert_allclose(told(onlooker, obs.at[4:].multiply(-2.0))[:4], said[:4], atol=1e-6)
    changed = np.abs(told(onlooker, obs.at[0, :, :3].multiply(-2.0)) - said).max(axis=1)
    assert (changed > 1e-6).all()


def test_a_graph_is_read_alike_wherever_it_lies_and_however_its_nodes_are_ordered(graph: GraphOnlooker) -> None:
    obs = session()
    said, there = told(graph, obs), (obs != 0).any(axis=-1, keepdims=True)
    moved = obs.at[..., -2:].add(jnp.array([4.0, -2.0])) * there
    np.testing.assert_allclose(told(graph, moved), said, atol=1e-5)
    np.testing.assert_allclose(told(graph, obs[:, jnp.array([0, 3, 1, 2])]), said, atol=1e-5)
    assert np.abs(told(graph, obs[:, jnp.array([1, 0, 2, 3])]) - said).max() > 1e-3  # the first is the agent


def test_nodes_that_are_not_there_say_nothing(graph: GraphOnlooker) -> None:
    wider = jnp.concatenate([session(), jnp.zeros((6, 2, 5))], axis=1)
    more = GraphOnlooker(Spec(Box((6, 6, 5)), SPEC.action), 8, key=jax.random.key(2))  # of the same weights
    np.testing.assert_allclose(told(more, wider), told(graph, session()), atol=1e-5)


def test_a_reminder_by_hand() -> None:
    # One head of width 1 and the same space for both: after norms everything is 1 or -1. The second frame's first node is
    # like the only earlier token (1 * 1), the other is unlike it (-1); against `nothing`, 0, they weigh e/(1+e) = 0.7311
    # and 1/(1+e) = 0.2689 of what the token says, 3 * 2 = 6. In the first frame there is nothing earlier.
    made = Reminder(1, 1, key=jax.random.key(0))
    made = eqx.tree_at(
        lambda one: (one.same, one.value.weight, one.value.bias),
        made,
        (jnp.ones((1, 1)), jnp.full((1, 1), 3.0), jnp.zeros(1)),
    )
    read, score = made(jnp.array([[[5.0], [-5.0]], [[5.0], [-5.0]]]), jnp.array([[2.0], [-7.0]]))
    np.testing.assert_allclose(read[:, :, 0], [[0.0, 0.0], [0.7311 * 6, 0.2689 * 6]], atol=1e-3)
    np.testing.assert_allclose(score[:, :, 0], [[0.0, 0.0], [np.log(1 + np.e), np.log(1 + 1 / np.e)]], atol=1e-4)
    slope = jax.grad(lambda one: made(one, jnp.array([[2.0], [-7.0]]))[1][1, 0, 0])(jnp.full((2, 2, 1), 1e-3))
    assert float(slope[1, 0, 0]) > 0  # the more like, the higher


def test_a_pooled_onlooker_is_the_mean_of_the_nodes_that_are_there_and_of_the_frames_so_far() -> None:
    made = PooledOnlooker(Spec(Box((2, 2, 3)), Box((2, 1))), 1, key=jax.random.key(0))

    def straight(inputs: int, weights: list[list[float]]) -> MLP:
        plain = MLP(inputs, 1, 1, 0, key=jax.random.key(0))
        return eqx.tree_at(
            lambda one: (one.layers[0].weight, one.layers[0].bias), plain, (jnp.array(weights), jnp.zeros(1))
        )

    # A node is the sum of its features; a frame's token twice that; said is the frame plus a hundred times the mean so far.
    made = eqx.tree_at(
        lambda one: (one.nodes, one.tokens, one.head),
        made,
        (straight(3, [[1.0]] * 3), straight(1, [[2.0]]), straight(2, [[1.0], [100.0]])),
    )
    obs = jnp.array([[[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]], [[1.0, 1.0, 1.0], [5.0, 1.0, 1.0]]])
    # Frames: 3, of the one node there is; (3 + 7) / 2 = 5. Means so far of the tokens: 6, and (6 + 10) / 2 = 8.
    np.testing.assert_allclose(made(obs).value[:, 0], [603.0, 805.0])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (Spec(Box((6, 4, 2)), Box((6, 2))), "features"),
        (Spec(Box((1, 6, 4, 5)), Box((1, 2))), "features"),
        (Spec(Box((6, 4, 5)), Box((2,))), "each of 6 frames"),
        (Spec(Box((6, 4, 5)), Discrete(2)), "boxes"),
    ],
)
def test_boxes_of_another_make_are_refused(spec: Spec, words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        GraphOnlooker(spec, key=jax.random.key(0))

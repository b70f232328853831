"""SMOSE: what is new beside SAC is a policy of linear laws, and a loss that keeps all of them in use."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.networks.critics import twin_critic
from pilothouse.networks.mlp import Linear
from pilothouse.networks.sparse_experts import SparseExperts
from pilothouse.objectives.expert_balance import balanced_soft_policy
from pilothouse.objectives.policy_gradient import soft_policy
from pilothouse.recipes.explain.smose import routing_tree, smose

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))


def parts(experts: int) -> dict:
    one, other = jax.random.split(jax.random.key(1))
    actor = SparseExperts(SPEC, experts, key=one)
    return {"actor": actor, "critic": twin_critic(SPEC, 8, 1)(other), "log_alpha": jnp.zeros(())}


def rows(count: int = 64) -> Batch:
    return Batch(obs=jax.random.normal(jax.random.key(2), (count, 2)))


def test_one_expert_is_a_linear_policy_under_sac_whatever_the_balance() -> None:
    mine, key = parts(1), jax.random.key(3)
    plain = soft_policy(mine, rows(), key)[0]
    for balance in (0.0, 1.0):
        np.testing.assert_allclose(balanced_soft_policy(balance)(mine, rows(), key)[0], plain, rtol=1e-5)


def test_without_balance_one_expert_takes_all_with_it_all_are_used() -> None:
    """The mechanism: the router alone, led by the balance or not, from a start at which one expert is favoured."""

    def usage(balance: float) -> float:
        mine = parts(4)
        loss = balanced_soft_policy(balance)

        def step(router: Linear, key: jax.Array) -> tuple[Linear, jax.Array]:
            def uneven(router: Linear) -> tuple[jax.Array, dict]:
                return loss({**mine, "actor": eqx.tree_at(lambda a: a.router, mine["actor"], router)}, rows(), key)

            grads, aux = jax.grad(uneven, has_aux=True)(router)
            return jax.tree.map(lambda x, g: x - 0.05 * g, router, grads), aux["actor/usage_entropy"]

        start = eqx.tree_at(lambda r: r.bias, mine["actor"].router, jnp.array([3.0, 0.0, 0.0, 0.0]))
        _, used = jax.lax.scan(step, start, jax.random.split(jax.random.key(4), 200))
        return float(used[-1])

    assert usage(10.0) > 1.2 > 0.8 > usage(0.0), "of at most log 4 = 1.39"


def test_a_tree_picks_as_the_router_does() -> None:
    actor, obs = parts(3)["actor"], np.asarray(jax.random.normal(jax.random.key(5), (400, 2)))
    tree = routing_tree(actor, obs, leaves=32)
    new = np.asarray(jax.random.normal(jax.random.key(6), (200, 2)))
    picked = np.asarray(jax.vmap(actor.scores)(new)).argmax(axis=1)
    assert (tree.predict(new) == picked).mean() > 0.9


def test_the_recipe_is_sac_with_another_actor() -> None:
    from pilothouse.recipes.online.sac import sac

    ours, plain = smose(width=4).build(SPEC), sac(width=4).build(SPEC)
    assert set(ours.parts) == set(plain.parts)
    assert isinstance(jax.eval_shape(ours.parts["actor"], jax.random.key(0)), SparseExperts)

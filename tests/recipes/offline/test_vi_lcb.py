"""A lucky rarity does not tempt whoever is pessimistic; with data enough it finds the exact optimum."""

import jax
import numpy as np

from pilothouse.evaluate.scripted_choices import choices_with_chance
from pilothouse.recipes.offline.vi_lcb import planned, share_of_best


def test_pessimism_keeps_the_expert_where_plain_planning_is_tempted() -> None:
    # Fails with a bonus of 0, which follows whatever won its one or two tries.
    made = [choices_with_chance(0.95, 600, seed=seed) for seed in range(6)]
    rows = jax.tree.map(lambda *x: np.stack(x), *(data.rows() for _, data in made))
    shares = {}
    for bonus in (0.1, 0.0):
        chosen = planned(rows, made[0][0].spec, bonus)
        shares[bonus] = [share_of_best(world, policy) for (world, _), policy in zip(made, chosen, strict=True)]
    assert np.mean(shares[0.1]) > 0.99 > np.mean(shares[0.0]) + 0.01


def test_with_many_rows_it_is_the_exact_optimum() -> None:
    world, data = choices_with_chance(0.25, 60_000, seed=1)
    chosen = planned(jax.tree.map(lambda x: np.asarray(x)[None], data.rows()), world.spec, 0.01)
    assert share_of_best(world, chosen[0]) > 0.99

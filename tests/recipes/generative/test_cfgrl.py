"""CFGRL: the further its policy is led past the better half, the better it acts, of one and the same network."""

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Box, Spec
from pilothouse.recipes.generative.cfgrl import cfgrl
from pilothouse.train.machine import Lanes, Machine

SPEC = Spec(Box((1,)), Box((1,), -1.0, 1.0))


def test_guidance_goes_on_improving_where_the_labelled_rows_end() -> None:
    # Actions are uniform and pay what they are. All rows average 0, those better than most 0.5. Fails without the labels
    # (extraction by weight), where the number given when acting changes nothing.
    draw = np.random.default_rng(0)
    action = draw.uniform(-1, 1, (512, 1)).astype(np.float32)
    rows = Batch(
        obs=jnp.zeros((512, 1)), next_obs=jnp.zeros((512, 1)), action=jnp.asarray(action),
        reward=jnp.asarray(action[:, 0]), terminated=jnp.ones(512, bool), truncated=jnp.zeros(512, bool),
        duration=jnp.ones(512, jnp.int32),
    )  # fmt: skip
    settings = {
        "width": 32,
        "depth": 2,
        "batch": 64,
        "steps": 8,
        "lr": 3e-3,
        "rate": 0.05,
        "expectile": 0.5,
        "hidden": 0.3,
    }
    bound = cfgrl(**settings)
    floats = {name: [value] for name, value in bound.floats.items()}
    machine = Machine(lambda floats: bound.build(SPEC, floats), Lanes.of([0], floats), fixed={"data": rows})
    machine.advance(400)
    parts = jax.tree.map(lambda x: x[0], machine.state.parts)
    keys = jax.random.split(jax.random.key(0), 256)

    def mean(guidance: float) -> float:
        policy = cfgrl(**settings, guidance=guidance).build(SPEC).acts(parts)
        return float(jax.vmap(lambda key: policy(jnp.zeros(1), (), key)[0])(keys).mean())

    plain, labelled, led = (mean(guidance) for guidance in (0.0, 1.0, 3.0))
    assert abs(plain) < 0.2 and 0.3 < labelled < 0.7 and led > labelled + 0.1

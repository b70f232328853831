"""DGN: demonstrations guide what is tried; what is learned is what RLPD learns, and the policy acts without noise."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pilothouse.algorithm.steps import Algorithm, Collect, Fit
from pilothouse.core.spaces import Box, Spec
from pilothouse.policies.policy import Mode
from pilothouse.recipes.offline.dgn import dgn
from pilothouse.recipes.offline.rlpd import rlpd

SPEC = Spec(Box((2,)), Box((1,), -1.0, 1.0))
SIZES = {"width": 4, "depth": 1, "batch": 6, "members": 2, "updates": 2, "capacity": 8}


def last(algorithm: Algorithm) -> tuple[Collect, list[Fit]]:
    collect, *fits = algorithm.stages[-1].cycle
    assert isinstance(collect, Collect)
    return collect, [fit for fit in fits if isinstance(fit, Fit)]


def test_what_is_tried_is_guided_less_and_less_and_what_is_done_in_the_end_is_not() -> None:
    algorithm = dgn(**SIZES, fade=0.5).build(SPEC)
    parts: dict[str, Any] = {name: algorithm.parts[name](jax.random.key(0)) for name in ("actor", "noise")}  # type: ignore
    obs, key = jnp.array([0.3, -0.2]), jax.random.key(2)
    tried = {}
    for progress in (0.0, 0.25, 0.5):
        policy = last(algorithm)[0].policy({**parts, "clock": {"progress": jnp.float32(progress)}})
        tried[progress] = float(policy(obs, (), key)[0][0])
    own = float(last(rlpd(**SIZES).build(SPEC))[0].policy(parts)(obs, (), key)[0][0])
    assert tried[0.5] == own != tried[0.0]
    assert abs(tried[0.0]) < 1  # not cut off at the bound
    np.testing.assert_allclose(tried[0.25] - own, 0.5 * (tried[0.0] - own), rtol=1e-4)
    assert isinstance(algorithm.acts(parts), Mode)


def test_only_the_covariance_learns_from_how_they_differ() -> None:
    *ours, noise = last(dgn(**SIZES).build(SPEC))[1]
    theirs = last(rlpd(**SIZES).build(SPEC))[1]
    assert noise.trains == ("noise",) and noise.batches.reads == ("data",)
    for mine, other in zip(ours, theirs, strict=True):  # no term of imitation in what actor and critics learn by
        assert [o.label for o in mine.objectives] == [o.label for o in other.objectives]
        assert mine.batches == other.batches

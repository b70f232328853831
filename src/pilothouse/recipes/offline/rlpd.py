"""Reinforcement learning with prior data (RLPD): a usual online learner, half of whose every batch is old data.

SAC from scratch, without any learning before it goes online: symmetric sampling of the data and of what is lived, layer
normalisation that keeps the critics from running away outside the data, many critics, and many updates a step.

Source: Ball, Smith, Kostrikov and Levine, "Efficient Online Reinforcement Learning with Offline Data",
arXiv:2302.02948. Departures: 1. In the update that moves both, the actor sees the critics from just before it. 2. Each of
the updates between two environment steps draws a batch of its own, as in the paper's algorithm; the authors' code cuts
one large batch. 3. `entropy` says whether the target counts the policy's entropy, which the paper chooses by task.
Without `layer_norm` and `symmetric`, and with two members, it is the usual learner with the data put into its replay.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.soft_actor_critic import critics_then_actor, soft_objectives, soft_parts
from pilothouse.algorithm.steps import Algorithm, Collect, Stage
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Pooled, half_and_half
from pilothouse.data.stores import ring
from pilothouse.policies.policy import mode_of, sampled, uniform_over


@recipe("rlpd", takes=Takes(source="continued"))
def rlpd(
    spec: Spec,
    *,
    discount: Fraction = 0.99,
    rate: Fraction = 0.005,
    lr: Positive = 3e-4,
    batch: Count = 256,
    width: Count = 256,
    depth: Count = 2,
    members: Count = 10,
    subset: Count = 2,
    updates: Count = 20,
    entropy: bool = True,
    layer_norm: bool = True,
    symmetric: bool = True,
    warmup: Count = 1_000,
    capacity: Count = 1_000_000,
) -> Algorithm:
    critic, *actors = soft_objectives(spec, subset, entropy=entropy)
    pooled = Pooled(("data", "replay"), batch, discount)
    rows = half_and_half("data", "replay", batch, discount) if symmetric else pooled
    fits = critics_then_actor((critic,), tuple(actors), rows, rate, updates)
    return Algorithm(
        parts={**soft_parts(spec, width, depth, members, layer_norm=layer_norm), "replay": ring(spec, capacity)},
        stages=(
            Stage((Collect("replay", 1, uniform_over(spec.action)),), cycles=warmup),
            Stage((Collect("replay", 1, sampled("actor")), *fits)),
        ),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )

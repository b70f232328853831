"""Decision Transformer: offline reinforcement learning as the continuation of a sequence.

A causal transformer reads the last steps of an episode, each as what was still to be earned, what was seen and what was
done, and clones what was done next. To act, it is told a high return, and what has been earned since is taken off.

Source: Chen et al., "Decision Transformer: Reinforcement Learning via Sequence Modeling", arXiv:2106.01345; figures of
the networks from the authors' code for Gym (kzl/decision-transformer).
Departures: 1. A policy here is shown no reward: what is still to be earned is lowered by what a regression of the reward
on observation and action, learned beside, expects. 2. The return to ask for is a quantile of the data's returns; theirs
is set for each task. 3. Returns-to-go are standardised; theirs are divided by a constant of each task. 4. Stretches end at
rows drawn uniformly and are padded in front, as in d3rlpy; theirs begin at such rows. 5. Adam at a constant rate without
weight decay; theirs decays weights by 1e-4 and warms the rate up over 10,000 updates. 6. Steps of an episode beyond
`longest` share a place.
"""

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.return_conditioning import note_returns
from pilothouse.algorithm.settings import Count, Fraction, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective, Stage
from pilothouse.core.spaces import Spec
from pilothouse.data.trajectories import Trajectories
from pilothouse.networks.critics import ensemble_critic
from pilothouse.networks.sequence_actor import sequence_actor
from pilothouse.objectives.learned_models import reward_error
from pilothouse.objectives.return_conditioned import clone_sequences, untrained_scale
from pilothouse.policies.return_conditioned import sequence_policy


@recipe("decision-transformer", takes=Takes(source="data", action=("Box", "Discrete")))
def decision_transformer(
    spec: Spec,
    *,
    quantile: Fraction = 1.0,
    dropout: Fraction = 0.1,
    lr: Positive = 1e-4,
    batch: Count = 64,
    length: Count = 20,
    block: Count = 100,
    width: Count = 128,
    layers: Count = 3,
    heads: Count = 1,
    longest: Count = 1000,
) -> Algorithm:
    fit = Fit(
        (Objective(clone_sequences(dropout), ("actor",)), Objective(reward_error(), ("reward",))),
        Trajectories("data", batch, length),
        times=block,
    )
    clipped = optax.chain(optax.clip_by_global_norm(0.25), optax.adam(lr))
    return Algorithm(
        parts={
            "actor": sequence_actor(spec, width, layers, heads, longest),
            "reward": ensemble_critic(spec, 1, width, 2),
            "returns": untrained_scale,
        },
        stages=(note_returns(quantile), Stage((fit,))),
        acts=sequence_policy(spec, length),
        optimizer={"actor": clipped, "reward": optax.adam(1e-3)},
    )

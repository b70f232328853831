"""ARLIN: interrogate a policy by its own latents, and find where it is vulnerable.

Watch the policy with its last hidden layer, values and confidence; cluster the steps by these and by what they earned;
make the graph of moves between clusters (an SAMDP); attach confidence, value, reward and termination to every cluster,
and flag those from which the graph soon leads to an end.

Source: Tapley, Gatesman, Robaina, Bissey and Weissman, "Utilizing Explainability Techniques for Reinforcement Learning
Model Assurance", arXiv:2311.15838, and the authors' code.
Departures: 1. Latents are cut to principal components, where theirs are laid out by t-SNE: a new step can then be placed
in the graph. 2. Columns are standardised, and choices one-hot. 3. First and last steps are in the same clusters as the
others, and termination is an end of the graph; theirs cluster first steps by value, and last ones by the total reward.
4. Which clusters are vulnerable is left to the reader's eye there; here those whose chance to terminate within 20 steps,
by the graph, is a standard deviation above the mean of all clusters.
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, not_worse
from pilothouse.explain.clusters import SOON, StateGraph, study_clusters
from pilothouse.explain.inside import with_told
from pilothouse.explain.interrogation import described
from pilothouse.explain.watched import Watched, watch
from pilothouse.explain.watcher import Watcher
from pilothouse.policies.actor_critic import SampledWithValue
from pilothouse.recipes.online.ppo import ppo
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource
from pilothouse.worlds.cartpole import CartPole


@recipe("arlin", takes=Takes(source="world", action=("Box", "Discrete", "MultiDiscrete"), obs=("Box",)))
def arlin(spec: Spec, *, clusters: Count = 20, components: Count = 2) -> Watcher:
    def interrogate(policy: Any, seen: Watched, seed: int = 0) -> StateGraph:
        seen = with_told(seen, policy)
        embedding = described(seen, components=components, seed=seed)
        return study_clusters(seen, number=clusters, embedding=embedding, seed=seed)

    return interrogate


PLACE = WorldSource("cartpole", CartPole(horizon=200))
POLICY = {"steps": 10_000, "lr": 1e-3}
EPISODES = 60


def ends_soon(seen: Watched) -> np.ndarray:
    """Whether the episode terminates within `SOON` steps of each row, the row's own step among them."""
    last = {
        one: (seen.step[mine].max(), seen.terminated[mine].any())
        for one in seen.episodes
        for mine in [seen.episode == one]
    }
    return np.array(
        [last[one][1] and last[one][0] - step < SOON for one, step in zip(seen.episode, seen.step, strict=True)]
    )


def lowest(values: np.ndarray, count: int) -> np.ndarray:
    """Which rows are the `count` of lowest value."""
    found = np.zeros(len(values), bool)
    found[np.argsort(values, kind="stable")[:count]] = True
    return found


def precision(flagged: np.ndarray, true: np.ndarray) -> float:
    """The share of flagged rows that are true; the share of all rows, where none is flagged."""
    return float(true[flagged].mean() if flagged.any() else true.mean())


def interrogated(agent: Any, seed: int) -> dict[str, float]:
    """Flags from half of the episodes, held against the ends of the other half; as many rows by each rule."""
    policy = SampledWithValue(agent)
    seen, unseen = (
        with_told(watch(policy, PLACE, EPISODES, s), policy) for s in (10_000 * seed, 10_000 * seed + 5_000)
    )
    graph = arlin().build(PLACE.spec)(policy, seen, seed)
    true = ends_soon(unseen)
    flagged = np.isin(graph.clustering.assign(unseen), graph.flagged("danger"))
    sure, count = unseen.extras["probabilities"].max(axis=1), int(flagged.sum())
    return {
        "flagged clusters": precision(flagged, true),
        "lowest values": precision(lowest(unseen.extras["value"], count), true),
        "least confidence": precision(lowest(sure, count), true),
        "chance": float(true.mean()),
        "transitions, graph": graph.log_likelihood,
        "transitions, shuffled": graph.shuffled,
        "flagged": float(flagged.mean()),
        "recall": float(flagged[true].mean()) if true.any() else 0.0,
        "stability": graph.stability,
    }


def measure(seeds: Sequence[int]) -> Measured:
    """PPO's half-trained policies on CartPole of 200 steps, each watched in 60 episodes and judged in 60 others."""
    run = learn(ppo(lr=POLICY["lr"]), PLACE, steps=int(POLICY["steps"]), seeds=seeds)
    agents = run.machine.state.parts["agent"]
    found = [interrogated(jax.tree.map(lambda x, lane=lane: x[lane], agents), seed) for lane, seed in enumerate(seeds)]
    diverged = np.asarray(run.diverged())
    values = {name: np.array([one[name] for one in found]) for name in found[0]}
    return Measured(values, dict.fromkeys(values, diverged))


CLAIM = Claim(
    recipe="arlin",
    statement=(
        "In episodes that were held out, the steps in clusters that the graph flags precede termination more often than "
        "steps do by chance, or those at which the policy is least sure, and no less often than those it values least; "
        "and the graph foretells the moves between clusters better than clusters in random order."
    ),
    basis="ours",
    source="code",
    measure=measure,
    relations=(
        greater("flagged clusters", "chance"),
        greater("flagged clusters", "least confidence"),
        not_worse("flagged clusters", "lowest values", margin=0.05),
        greater("transitions, graph", "transitions, shuffled"),
    ),
    unit={
        **dict.fromkeys(
            ("flagged clusters", "lowest values", "least confidence", "chance"), "share that ends in 20 steps"
        ),
        **dict.fromkeys(("transitions, graph", "transitions, shuffled"), "log-likelihood in nats a transition"),
    },
    settings={"policy": POLICY, "episodes": EPISODES, "arlin": {"clusters": 20, "components": 2}},
    tried={
        "flagged clusters": ["twice the average chance to end", "a standard deviation above the mean chance to end"],
        "lowest values": ["as many rows as the first rule flags", "as many as the second"],
        "least confidence": ["as many rows as the first rule flags", "as many as the second"],
    },
    seeds=8,
    notes=(
        "The paper's analysis is qualitative. Chosen on seeds 0 to 3: the rule for flags, and the policy, PPO's after "
        "10,000 steps in 8 environments (in 16, of half as many updates, it is too poor: every step is near the end). 20 "
        "clusters are the toolkit's. The policy draws its actions; values and confidence are its own."
    ),
)

"""AutoEnv and AutoEnv-36: environments made in layers from specifications, and how far one way of learning goes in them.

Every environment is a base layer of transitions and rewards, an observation layer and a skin of words, from a specification
of a few numbers; validators refuse those that cannot be solved in time, or in which chance does nearly as well as the best.
Thirty-six of them, each of other rules, ask of an agent that learns in each for some episodes: its score there between
chance and the best. A way of learning that suits one does not suit another, and choosing by environment helps.

Source: Zhang et al., "AutoEnv: Automated Environments for Measuring Cross-Environment Agent Learning", arXiv:2511.19304
(abstract).
Departures: 1. Specifications are drawn, where the paper lets a language model write environments as code. 2. One family of
small grids: four bases, three observation layers, three skins. 3. Agents are functions; the ways of learning are a model, a
table of values and a search for plans, in place of the paper's eight of prompts and code. 4. Validators are exact.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count
from pilothouse.core.errors import DataError
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.benchmark import Benchmark
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, slope
from pilothouse.evaluate.text_learners import (
    Agent,
    acts_at_random,
    mean_return,
    reads_directions,
    remembers_dynamics,
    remembers_values,
    searches_plans,
)
from pilothouse.worlds.layered import Layered, LayeredSpec, faults_of, thirty_six


@recipe("autoenv-autoenv-36", takes=Takes(source="text", action=("Tokens",), obs=("Dict", "Discrete")))
def autoenv_autoenv_36(spec: Spec, *, episodes: Count = 60, rollouts: Count = 20) -> Benchmark:
    del spec  # texts of any tokens

    def examine(
        agent: Agent, *, seed: int = 0, environments: Sequence[LayeredSpec] | None = None
    ) -> Mapping[str, float | int]:
        """The agent learns for `episodes` in each of the environments, by default thirty-six of this seed, and is scored by
        `rollouts` more: 0 is chance, 1 the best that one who sees everything can do. Means of all, and by layer."""
        held = thirty_six(np.random.default_rng(seed)) if environments is None else list(environments)
        for number, one in enumerate(held):
            if faults := faults_of(one):
                raise DataError(f"Environment {number}: {'; '.join(faults)}. Change its specification.")
        scores = np.array(
            [score(agent, one, episodes, rollouts, np.random.default_rng([seed, n])) for n, one in enumerate(held)]
        )
        found: dict[str, float | int] = {"environments": len(held), "score": float(scores.mean())}
        for layer in ("sees", "told"):
            kinds = np.array([getattr(one, layer) for one in held])
            found |= {f"score/{layer} {kind}": float(scores[kinds == kind].mean()) for kind in np.unique(kinds)}
        return found

    return Benchmark(examine, acts_at_random)


def score(agent: Agent, spec: LayeredSpec, episodes: int, rollouts: int, generator: np.random.Generator) -> float:
    """Between chance (0) and the best (1), of what the agent earns once it has learned."""
    environment = Layered(spec)
    chance, best = environment.bounds
    player = agent(environment, episodes, generator)
    return (mean_return(environment, player, rollouts, generator) - chance) / (best - chance)


EPISODES, ROLLOUTS, SUBSETS = 60, 20, 300
WAYS: Mapping[str, Agent] = {"dynamics": remembers_dynamics, "values": remembers_values, "plans": searches_plans}
COUNTS = (1, 2, 6, 18, 36)


def one_seed(seed: int) -> dict[str, float]:
    """Three ways to learn in thirty-six environments, what each gains over an agent that only reads, and what choosing
    does: by scores of other episodes than those that it is judged by."""
    generator = np.random.default_rng(seed)
    chosen_by, judged = np.empty((2, len(WAYS), 36))
    unlearned = np.empty(36)
    for number, spec in enumerate(thirty_six(generator)):
        environment = Layered(spec)
        chance, best = environment.bounds
        for way, agent in enumerate(WAYS.values()):
            player = agent(environment, EPISODES, np.random.default_rng([seed, number, way]))
            for scores in (chosen_by, judged):
                earned = mean_return(environment, player, ROLLOUTS, generator)
                scores[way, number] = (earned - chance) / (best - chance)
        reads = reads_directions(environment, 0, generator)
        unlearned[number] = (mean_return(environment, reads, ROLLOUTS, generator) - chance) / (best - chance)
    found = {f"{name} alone": float((judged[way] - unlearned).mean()) for way, name in enumerate(WAYS)}
    for count in COUNTS:
        gains = []
        for _ in range(SUBSETS):
            some = generator.choice(36, count, replace=False)
            fixed = chosen_by[:, some].mean(axis=1).argmax()  # one way for all of these
            gains.append((judged[fixed, some] - unlearned[some]).mean())
        found[f"one way for {count}"] = float(np.mean(gains))
    for ways, sets in {1: [(0,), (1,), (2,)], 2: [(0, 1), (0, 2), (1, 2)], 3: [(0, 1, 2)]}.items():
        gains = []
        for some in sets:
            pick = np.array(some)[chosen_by[list(some)].argmax(axis=0)]
            gains.append((judged[pick, np.arange(36)] - unlearned).mean())
        found[f"a way for each, of {ways}"] = float(np.mean(gains))
    added = [found[f"a way for each, of {ways}"] for ways in (1, 2, 3)]
    return found | {"the second way adds": added[1] - added[0], "the third way adds": added[2] - added[1]}


def measure(seeds: Sequence[int]) -> Measured:
    """Gains in score over an agent that only reads; other environments each seed."""
    found = [one_seed(seed) for seed in seeds]
    return Measured({name: np.array([one[name] for one in found]) for name in found[0]})


GAINS = (*(f"one way for {count}" for count in COUNTS), *(f"a way for each, of {ways}" for ways in (1, 2, 3)))

CLAIM = Claim(
    recipe="autoenv-autoenv-36",
    statement=(
        "What a single way of learning gains shrinks as there are more environments to learn in; choosing a way for each "
        "gains more than the best single one, and a third way to choose from adds less than a second."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(
        slope([f"one way for {count}" for count in COUNTS], -1),
        greater("a way for each, of 3", "one way for 36"),
        greater("the second way adds", "the third way adds"),
    ),
    unit={
        **dict.fromkeys(GAINS, "gain in score, chance 0 and the best 1, over an agent that only reads"),
        **dict.fromkeys(("the second way adds", "the third way adds"), "gain in score over one way fewer"),
    },
    settings={
        "environments": "thirty-six small grids: four bases, three observation layers, three skins",
        "ways": list(WAYS),
        "episodes": EPISODES,
        "chosen by": f"{ROLLOUTS} episodes after learning, and judged by as many others",
        "subsets": f"{SUBSETS} of each size",
    },
    tried={arm: ["as it stands"] for arm in ("a way for each, of 3", "one way for 36")},
    seeds=12,
    notes=(
        "Scripted learners in place of language models whose prompts and code are improved. That one choice for many cannot "
        "gain more than a choice for each is so by arithmetic, but for the noise of choosing; by how much is what is "
        "measured. Nothing was tuned; seeds 0 and 1 were looked at before."
    ),
)

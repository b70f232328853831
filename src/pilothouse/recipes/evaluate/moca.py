"""MoCa: does a judge of stories agree with people, and does it weigh what happens in them as they do.

Stories are annotated by factors that move people's causal and moral judgements. In all, a judge is held against people by
agreement, by the area under the curve and by the distance of its answers from the share who say yes. Factor by factor,
conjoint analysis says how much each adds to the chance of a yes, for people and for the judge, on the same stories: a judge
may agree often and yet for other reasons.

Source: Nie, Zhang, Amdekar, Piech, Hashimoto and Gerstenberg, "MoCa: Measuring Human-Language Model Alignment on Causal and
Moral Judgment Tasks", arXiv:2310.19677 (abstract).
Departures: 1. Stories are of ours, five factors and one question, where the paper annotates those of 24 studies; others are
read from a file. 2. Effects are by least squares on all factors at once, with intervals of the paired differences. 3. The
judge is any function of a story; asking a language model for its answer is whoever's who brings one.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count
from pilothouse.core.spaces import Spec
from pilothouse.evaluate.benchmark import TEXT, Benchmark
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater, less, within
from pilothouse.evaluate.scripted_vignettes import FACTORS, chance_of_yes, present_in, scripted_stories
from pilothouse.evaluate.vignettes import Judge, Story, alignment, answers_of, tendencies

WEIGHTS = dict(zip(FACTORS, (0.24, 0.16, 0.1, 0.06, 0.04), strict=True))
"""Of the people in our stories."""


def undecided(story: str) -> float:
    return 0.5


@recipe("moca", takes=Takes(source="text", action=("Tokens",), obs=("Dict", "Discrete")))
def moca(spec: Spec, *, stories: Count = 200) -> Benchmark:
    del spec  # texts of any tokens

    def examine(judge: Judge, *, seed: int = 0, told: Sequence[Story] | None = None) -> Mapping[str, float | int]:
        """`told` in place of ours, such as `evaluate.vignettes.read_stories` reads."""
        held = scripted_stories(stories, WEIGHTS, np.random.default_rng(seed)) if told is None else list(told)
        said = answers_of(judge, held)
        return {"stories": len(held), **alignment(said, held), **tendencies(said, held)}

    return Benchmark(examine, undecided)


STUDIES, STORIES = 100, 200


def one_study(generator: np.random.Generator) -> dict[str, float]:
    """People of one order of weights; a judge of the same weights and an unsteady hand, and one that is steady and weighs
    three of the five otherwise."""
    sizes = np.array(list(WEIGHTS.values()))
    sizes = sizes * generator.choice([-1, 1], len(sizes))
    places = generator.permutation(len(sizes))
    people = dict(zip(FACTORS, sizes[places], strict=True))
    # The third and the fifth change places, and the fourth turns round.
    altered = dict(zip(FACTORS, sizes[[0, 1, 4, 3, 2]][places] * np.array([1, 1, 1, -1, 1])[places], strict=True))
    held = scripted_stories(STORIES, people, generator)
    judges = {
        "unsteady": lambda text: chance_of_yes(present_in(text), people) + generator.uniform(-0.2, 0.2),
        "weighs otherwise": lambda text: chance_of_yes(present_in(text), altered),
    }
    found = {}
    for name, judge in judges.items():
        said = moca().build(TEXT)(judge, told=held)
        found[f"agreement, {name}"] = said["agreement"]
        flagged = np.array([abs(said[f"apart/{one}"]) > said[f"apart/{one}/half_width"] for one in FACTORS])
        changed = np.array([people[one] != altered[one] for one in FACTORS])
        if name == "unsteady":
            found["found apart, the same weights"] = flagged.mean()
            errors = [abs(said[f"people/{one}"] - people[one]) for one in FACTORS]
            found["error of people's effects"] = float(np.mean(errors))
        else:
            found["found apart, other weights"] = flagged[changed].mean()
    return found


def measure(seeds: Sequence[int]) -> Measured:
    """Means over a hundred studies a seed."""
    found = []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        studies = [one_study(generator) for _ in range(STUDIES)]
        found.append({name: float(np.mean([one[name] for one in studies])) for name in studies[0]})
    constant = {"one in twenty": 0.05, "a fortieth": 0.025}
    return Measured(
        {name: np.array([one[name] for one in found]) for name in found[0]}
        | {name: np.full(len(seeds), value) for name, value in constant.items()}
    )


AGREEMENT = ("agreement, weighs otherwise", "agreement, unsteady")
APART = ("found apart, other weights", "found apart, the same weights", "one in twenty")
ERROR = ("error of people's effects", "a fortieth")

CLAIM = Claim(
    recipe="moca",
    statement=(
        "Two judges who agree with people equally often weigh the factors of stories alike and otherwise: conjoint analysis "
        "recovers people's weights, finds the factors that are weighed otherwise, and finds others as seldom as it says."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(
        within(*AGREEMENT, 0.03),
        less(*ERROR),
        greater(*APART[:2], margin=0.5),
        within(*APART[1:], 0.02),
    ),
    unit={
        **dict.fromkeys(AGREEMENT, "share of stories on the side of most people"),
        **dict.fromkeys(APART, "share of factors whose 95% interval of the difference leaves 0 out"),
        **dict.fromkeys(ERROR, "distance from the true effect on the chance of a yes (mean over factors)"),
    },
    settings={
        "stories": STORIES,
        "people": "25 a story, who weigh five factors by 0.24 to 0.04, signs and order drawn",
        "judges": "the same weights and up to 0.2 more or less at random; or steady, two weights changed and one turned",
    },
    tried={name: ["as it stands"] for name in AGREEMENT},
    seeds=12,
    notes=(
        "Simulated people and judges. That language models weigh factors otherwise than people is the paper's finding about "
        "them and is not measured here. The noise of the one judge and the changes of the other were chosen once, before "
        "anything was measured; seeds 0 to 2 were looked at before, with a fifth of the studies, and the margin of agreement "
        "was set after it."
    ),
)

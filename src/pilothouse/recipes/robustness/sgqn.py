"""SGQN: a Q-network of pictures that looks where it has to look, so that what is new around it matters less.

Beside the temporal difference, two losses. The value of a picture must stay when only the pixels that speak most for it
(by guided backpropagation) are left; and a second network must tell, from the features of the picture mixed with another
pattern, which pixels those are.

Source: Bertoin, Zouitine, Zouitine and Rachelson, "Look where you look! Saliency-guided Q-networks for generalization in
visual Reinforcement Learning", arXiv:2209.09203, and the authors' code.
Departures: 1. On deep Q-learning; the authors build on soft actor-critic. 2. Grey pictures, and a mask for every frame.
3. The second network is a perceptron, where theirs is convolutional; it learns in every update. 4. Pictures are mixed with
random blotches, where theirs are mixed with photographs.
"""

from collections.abc import Sequence

import optax

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.rules import follow
from pilothouse.algorithm.settings import Count, Fraction, NotNegative, Positive
from pilothouse.algorithm.steps import Algorithm, Collect, Fit, Objective, Stage, copy_of
from pilothouse.core.spaces import Discrete, Spec
from pilothouse.data.augmentation import Overlaid, Shifted
from pilothouse.data.batches import Uniform
from pilothouse.data.stores import ring
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.evaluate.scripted_pictures import filmed, room
from pilothouse.networks.mlp import MLP
from pilothouse.networks.pictures import picture_of, picture_values
from pilothouse.objectives.saliency_guided import saliency_consistent_td, tell_saliency
from pilothouse.policies.exploration import epsilon_greedy, greedy
from pilothouse.policies.policy import uniform_over
from pilothouse.train.evaluation import evaluation
from pilothouse.train.session import learn
from pilothouse.train.sources import WorldSource


@recipe("sgqn", takes=Takes(source="world", action=("Discrete",), obs=("image",)))
def sgqn(
    spec: Spec,
    *,
    quantile: Fraction = 0.95,
    consistency: NotNegative = 0.5,
    attribution: NotNegative = 1.0,
    pad: Count = 4,
    discount: Fraction = 0.99,
    rate: Fraction = 0.01,
    epsilon: Fraction = 0.05,
    exploring: Positive = 0.3,
    lr: Positive = 1e-3,
    batch: Count = 128,
    width: Count = 256,
    depth: Count = 2,
    channels: Count = 32,
    features: Count = 100,
    warmup: Count = 200,
    block: Count = 4,
    capacity: Count = 100_000,
) -> Algorithm:
    assert isinstance(spec.action, Discrete)
    inputs, pixels = features + spec.action.n, picture_of(spec.obs).size
    fit = Fit(
        (
            Objective(saliency_consistent_td(quantile, consistency), ("critic",)),
            Objective(tell_saliency(quantile), ("critic", "saliency"), weight=attribution),
        ),
        Overlaid(Shifted(Uniform("replay", batch, discount), pad)),
        after=(follow("critic", "critic/slow", rate),),
    )
    return Algorithm(
        parts={
            "critic": picture_values(spec, channels, features, width, depth),
            "critic/slow": copy_of("critic"),
            "saliency": lambda key: MLP(inputs, pixels, width, 1, key=key),
            "replay": ring(spec, capacity),
        },
        stages=(
            Stage((Collect("replay", 1, uniform_over(spec.action)),), cycles=warmup),
            Stage((Collect("replay", block, epsilon_greedy("critic", 1.0, epsilon, exploring)), fit)),
        ),
        acts=greedy("critic"),
        optimizer=optax.adam(lr),
    )


SETTINGS = {"quantile": 0.9, "pad": 1, "discount": 0.9, "rate": 0.02, "lr": 3e-3, "batch": 32, "capacity": 20_000}
SIZES = {"width": 48, "depth": 1, "channels": 8, "features": 32}
WEIGHTS = {"sgqn": {"consistency": 0.5, "attribution": 1.0}, "dqn": {"consistency": 0.0, "attribution": 0.0}}
STEPS, EPISODES, STRENGTH = 8_000, 50, 0.5


def measure(seeds: Sequence[int]) -> Measured:
    """Both learned on a black background; what they earn there, and on backgrounds that neither has seen."""
    values, diverged = {}, {}
    source = WorldSource("room", filmed(room(), choices=True), 2)
    floats = {name: [own[name] for own in WEIGHTS.values() for _ in seeds] for name in WEIGHTS["sgqn"]}
    lanes = [*seeds] * len(WEIGHTS)
    run = learn(sgqn(**SETTINGS, **SIZES), source, steps=STEPS, seeds=lanes, floats=floats, episodes=0)
    for backdrop in ("plain", "shade", "waves"):
        place = WorldSource(backdrop, filmed(room(), choices=True, backdrop=backdrop, strength=STRENGTH), 1)
        judge = evaluation(run.build, place, run.source.scaling, episodes=EPISODES)
        returns = judge(run.machine.state.parts, run.machine.floats).mean(axis=1)
        for arm, own, lost in zip(WEIGHTS, returns.reshape(2, -1), run.diverged().reshape(2, -1), strict=True):
            values[f"{arm}, {backdrop}"], diverged[f"{arm}, {backdrop}"] = own, lost
    return Measured(values, diverged)


CLAIM = Claim(
    recipe="sgqn",
    statement=(
        "Learned on a plain background, a Q-network with the two losses of saliency earns more on backgrounds that it has "
        "never seen than the same network without them."
    ),
    basis="analogue",
    source="code",
    measure=measure,
    relations=(greater("sgqn, waves", "dqn, waves"), greater("sgqn, shade", "dqn, shade")),
    unit="return (point maze seen as pictures, one room)",
    settings={"sgqn": {**SETTINGS, **SIZES}, "weights": WEIGHTS, "steps": STEPS, "strength": STRENGTH},
    tried={f"{arm}, {backdrop}": ["lr=3e-3"] for arm in WEIGHTS for backdrop in ("waves", "shade")},
    seeds=8,
    notes=(
        "Two pictures of 12 by 12 pixels show a room of three by three cells with its goal in a corner; four pushes. The "
        "baseline is the same program with both weights at 0: deep Q-learning on pictures moved by a pixel at random. "
        "Backgrounds, up to half as bright as what matters: one grey for each episode, or a pattern of three waves. In "
        "learning, pictures are mixed with blotches, in one of the two losses: the baseline sees none of those. Nothing was "
        "tuned; two seeds of both arms were looked at after 6,000 steps before the task was fixed."
    ),
)

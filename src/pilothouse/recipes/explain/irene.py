"""IRENE: what an agent wants and how it goes about it, learned from watching, and surprise when it does otherwise.

A frame is a graph of what is in it, read by relational layers; a transformer carries what earlier trials showed into a
context; and what the agent does next is foretold from the two. Nobody says what a goal is. Whoever foretells well is more
surprised, in the step that was foretold worst, by an agent that goes for what it did not want, takes a way round that
nothing asks for or fetches a key that it does not need, than by one that goes on as before.

Source: Bortoletto, Shi and Bulling, "Neural Reasoning About Agents' Goals, Preferences, and Actions", arXiv:2312.07122;
written from the abstract and a summary of the method.
Departures: 1. Frames come as lists of things with their kind, identity and cell, and relations are where things are from one
another, up to two cells; relational matrices are mixtures of three. 2. Three frames of a trial are read, its first two and
its last, and a causal transformer reads all trials in a row: every trial is foretold from those before it, where the paper
has eight to get familiar with and foretells a ninth. 3. The things in a frame ask the tokens of earlier frames whether they
were about them and the agent, and the context that comes of it is each thing's own. 4. Surprise is the largest squared error
of a step in the test trial. 5. Scenes are made up after the benchmark's (`evaluate.scripted_intuitions`), on a small plane;
what is learned from and what is tested are of the same kinds, where the benchmark tests what its training does not show.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax
from jaxtyping import Float

from pilothouse.algorithm.recipe import Takes, recipe
from pilothouse.algorithm.settings import Count, Positive
from pilothouse.algorithm.steps import Algorithm, Fit, Objective
from pilothouse.core.batch import Batch
from pilothouse.core.spaces import Spec
from pilothouse.data.batches import Uniform
from pilothouse.evaluate.arms import learned_from
from pilothouse.evaluate.claim import Claim, Measured
from pilothouse.evaluate.relations import greater
from pilothouse.evaluate.scripted_intuitions import FRAMES, SPEC, TASKS, Sessions, endings, learning_sessions
from pilothouse.explain.expectation import more_surprised, surprise
from pilothouse.networks.onlookers import graph_onlooker, pooled_onlooker
from pilothouse.objectives.cloning import clone
from pilothouse.policies.policy import mode_of


@recipe("irene", takes=Takes(source="data", obs=("Box",)))
def irene(
    spec: Spec,
    *,
    relational: bool = True,
    lr: Positive = 3e-3,
    batch: Count = 32,
    block: Count = 50,
    width: Count = 32,
    layers: Count = 1,
) -> Algorithm:
    """Observations are sessions, `(frames, nodes, features)`, and actions what is done after each frame, `(frames, entries)`.

    Node 0 is the agent; the last two features of a node are its cell. Not `relational`: means of nodes and of frames.
    """
    onlooker = graph_onlooker(spec, width, layers) if relational else pooled_onlooker(spec, width)
    return Algorithm.of(
        parts={"actor": onlooker},
        cycle=(Fit((Objective(clone, ("actor",)),), Uniform("data", batch), times=block),),
        acts=mode_of("actor"),
        optimizer=optax.adam(lr),
    )


SESSIONS, PAIRS = 3_000, 200
SIZES = {"batch": 32, "width": 32}
UPDATES = 700
SETTINGS = {"irene": {"relational": True, "lr": 1e-2}, "pooled": {"relational": False, "lr": 5e-3}}
TRIED = [f"lr={lr:g}" for lr in (3e-3, 5e-3, 1e-2)]


@eqx.filter_jit
def _foretold(onlooker: Any, obs: Any) -> Any:
    return jax.vmap(lambda seen: onlooker(seen).mode())(obs)


def told_apart(onlooker: Any, expected: Sessions, unexpected: Sessions) -> float:
    """The share of pairs of sessions whose unexpected ending surprises an onlooker more."""

    def surprised(seen: Sessions) -> Float[np.ndarray, " session"]:
        return surprise(np.asarray(_foretold(onlooker, seen.obs)), seen.action, last=FRAMES)

    return more_surprised(surprised(unexpected), surprised(expected))


def measure(seeds: Sequence[int]) -> Measured:
    """How often each onlooker is more surprised by what is not to be expected; sessions and networks are a seed's own."""
    draws = [np.random.default_rng(seed) for seed in seeds]
    made = [learning_sessions(SESSIONS, draw) for draw in draws]
    rows = Batch(obs=np.stack([one.obs for one in made]), action=np.stack([one.action for one in made]))
    pairs = [{task: endings(task, PAIRS, draw) for task in TASKS} for draw in draws]
    values: dict[str, list[float]] = {"chance": [0.5] * len(seeds)}
    diverged = {}
    for arm, setting in SETTINGS.items():
        floats = {"lr": [setting["lr"]] * len(seeds)}
        bound = irene(**SIZES, relational=setting["relational"])
        machine = learned_from(bound, SPEC, {"data": rows}, updates=UPDATES, seeds=seeds, floats=floats)
        for lane, tests in enumerate(pairs):
            onlooker = jax.tree.map(lambda x, lane=lane: x[lane], machine.state.parts["actor"])
            found = {task: told_apart(onlooker, *pair) for task, pair in tests.items()}
            for name, value in {**found, "all tasks": float(np.mean(list(found.values())))}.items():
                values.setdefault(f"{name}, {arm}", []).append(value)
        faults = (machine.faults() >= 0).any(axis=1)
        diverged |= {f"{name}, {arm}": faults for name in (*TASKS, "all tasks")}
    return Measured({name: np.array(each) for name, each in values.items()}, diverged)


ARMS = tuple(SETTINGS)
MEASURED = (*TASKS, "all tasks")
CLAIM = Claim(
    recipe="irene",
    statement=(
        "Who reads frames as graphs and compares them with those of earlier trials is more surprised by unexpected endings "
        "than by expected ones, in every task more often than by chance; and more often than who averages nodes and frames "
        "where it matters what an agent prefers, which of two agents prefers it and whether the agent is a new one, and over "
        "all tasks."
    ),
    basis="analogue",
    source="abstract",
    measure=measure,
    relations=(
        *(greater(f"{name}, irene", f"{name}, pooled") for name in ("preference", "binding", "new agent", "all tasks")),
        *(greater(f"{task}, irene", "chance") for task in TASKS),
    ),
    unit={
        f"{name}, {arm}": "share of pairs in which the unexpected ending surprises more"
        for name in MEASURED
        for arm in ARMS
    }
    | {"chance": "share of pairs"},
    settings={f"{name}, {arm}": {**SIZES, **setting} for name in MEASURED for arm, setting in SETTINGS.items()},
    tried={f"all tasks, {arm}": TRIED for arm in ARMS},
    seeds=8,
    notes=(
        "Made-up sessions of nine trials, 3,000 a seed to learn from, of six kinds alike in number, in which agents "
        "do as they are; 700 updates of 32 sessions for either arm, of one width; 200 pairs a task. Endings: what an agent "
        "does not prefer (preference); the same where another, seen in turn, prefers it (binding); what a familiar agent did "
        "not want, by that agent rather than a stranger (new agent); a way round where there is no wall any more "
        "(efficiency), by one who went round walls only rather than one who always did (irrational); a key fetched that no "
        "cage asks for (instrumental); what is not preferred, though what is is in no cage (inaccessible). Tuned on seeds 0 "
        "and 1 at 600 updates for the mean over tasks, in the order of the settings tried: irene 0.959, 0.954, 0.969; pooled "
        "0.754, 0.769, 0.761. The rate chosen for irene is the highest tried. There the pooled onlooker was as good or better "
        "at telling irrational agents (1.00, irene 0.99) and about as good at efficiency (0.91, irene 0.93) and "
        "instrumental actions (0.99, irene 1.00): the paper says that IRENE tells rational from irrational agents and "
        "understands obstacles better than others do, which is not asserted here, since neither needs graphs in these scenes. "
        "Before the settings were fixed, seed 0 was looked at: twice for another network (context times nodes in place of "
        "nodes that ask, five frames a trial) that had not learned preference by 1,000 updates, and for this one at 500 (rates "
        "of 0.005 and 0.01) and 800 updates (the same, and two layers); for the pooled one at 500 and at 1,000 of five frames. "
        "Afterwards the whole measure was run once on seeds 2 and 3: over all tasks irene 0.98, pooled 0.73."
    ),
)

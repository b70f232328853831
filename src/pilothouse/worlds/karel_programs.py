"""Karel told by programs: a step is a whole program, run until it ends, and pays what was earned while it ran."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from pilothouse.core import trees
from pilothouse.core.keys import named
from pilothouse.core.spaces import MultiDiscrete, Spec
from pilothouse.worlds import drawing
from pilothouse.worlds.karel import ACTIONS, PERCEPTIONS, Karel, Yard
from pilothouse.worlds.karel_language import (
    CONDITIONS,
    ELSE,
    END,
    NUMBERS,
    REPEAT,
    WHILE,
    WORDS,
    Grammar,
    jumps,
)
from pilothouse.worlds.timed import outcome
from pilothouse.worlds.world import Outcome, Task


class Trace(eqx.Module):
    """The first actions of a run and what was perceived before each; after the last, what was perceived at the end.

    `acted` holds `len(ACTIONS)` where the program had ended; `valid` are the actions, and the first of those ends.
    """

    perceived: Float[Array, "steps perceptions"]
    acted: Int[Array, " steps"]
    valid: Bool[Array, " steps"]


class Running(eqx.Module):
    """A program being run: the word that comes next, how often each `repeat` has been, words and actions so far, the share
    of the task done, whether its world is over, and the trace."""

    yard: Yard
    at: Int[Array, ""]
    repeated: Int[Array, " length"]
    words: Int[Array, ""]
    actions: Int[Array, ""]
    done: Float[Array, ""]
    over: Bool[Array, ""]
    perceived: Float[Array, "steps perceptions"]
    acted: Int[Array, " steps"]


def run(
    world: Karel, program: Int[Array, " length"], yard: Yard, *, longest: int, depth: int, steps: int = 0
) -> Running:
    """Run a program from here until it ends, its world is over, or `longest` words have been gone through.

    Heads and ends of blocks count as words each time that they are come upon, so that what never acts ends too. The
    first `steps` actions are kept.
    """
    length, goes = program.shape[0], jumps(program, depth)
    first = Running(
        yard=yard,
        at=jnp.zeros((), jnp.int32),
        repeated=jnp.zeros(length, jnp.int32),
        words=jnp.zeros((), jnp.int32),
        actions=jnp.zeros((), jnp.int32),
        done=world.share_done(yard),
        over=jnp.zeros((), bool),
        perceived=jnp.zeros((steps, len(PERCEPTIONS))),
        acted=jnp.full(steps, len(ACTIONS), jnp.int32),
    )

    def more(now: Running) -> Bool[Array, ""]:
        return ~ended(now) & (now.words < longest) & ~now.over

    def ended(now: Running) -> Bool[Array, ""]:
        return (now.at >= length) | (program[jnp.minimum(now.at, length - 1)] == END)

    def one(now: Running) -> Running:
        word, place = program[now.at], jnp.arange(length) == now.at
        acts = word < WHILE
        seen = world.perceived(now.yard)
        yard = trees.where(acts, world.moved(now.yard, jnp.clip(word - 1, 0, len(ACTIONS) - 1)), now.yard)
        condition = jnp.concatenate([seen, ~seen])[(word - WHILE) % len(CONDITIONS)]
        repeats = (word >= REPEAT) & (word < ELSE)
        again = now.repeated[now.at] < jnp.asarray(NUMBERS)[jnp.clip(word - REPEAT, 0, len(NUMBERS) - 1)]
        goes_in = jnp.where(repeats, again, (word < REPEAT) & condition)
        repeated = jnp.where(place & repeats, jnp.where(again, now.repeated + 1, 0), now.repeated)
        at = jnp.where(acts | goes_in, now.at + 1, goes[now.at])
        done = world.share_done(yard)
        kept = acts & (jnp.arange(steps) == now.actions)
        return Running(
            yard=yard,
            at=at,
            repeated=repeated,
            words=now.words + 1,
            actions=now.actions + acts,
            done=done,
            over=world.over(yard, done),
            perceived=jnp.where(kept[:, None], seen, now.perceived),
            acted=jnp.where(kept, word - 1, now.acted),
        )

    found = jax.lax.while_loop(more, one, first)
    last = jnp.arange(steps) == found.actions
    perceived = jnp.where(last[:, None], world.perceived(found.yard), found.perceived)
    return eqx.tree_at(lambda now: now.perceived, found, perceived)


class Told(eqx.Module):
    """The yard, and how many programs were run in it."""

    yard: Yard
    time: Int[Array, ""]


@jax.tree_util.register_static
@dataclass(frozen=True)
class KarelPrograms:
    """Observation, task and pay: those of `worlds.karel.Karel`, seen between programs.

    Action: a program of at most `length` words (`worlds.karel_language`), whose blocks lie `depth` deep at most; a row that
    follows no grammar is run all the same, as far as it can be. A program that goes on is stopped after `longest` words.
    Truncated after `horizon` programs. `extra["actions"]`: how many actions the program came to.
    """

    task: str = "four-corners"
    side: int = 6
    length: int = 10
    depth: int = 2
    longest: int = 150
    horizon: int = 5

    def __post_init__(self) -> None:
        assert self.karel and self.grammar  # a wrong setting is refused by what it belongs to

    @property
    def karel(self) -> Karel:
        return Karel(self.task, self.side)

    @property
    def grammar(self) -> Grammar:
        return Grammar(self.length, self.depth)

    @property
    def spec(self) -> Spec:
        return Spec(self.karel.spec.obs, MultiDiscrete((len(WORDS),) * self.length))

    def reset(self, task: Task, key: PRNGKeyArray) -> tuple[Told, Float[Array, " cells"]]:
        yard, obs = self.karel.reset(task, key)
        return Told(yard, jnp.zeros((), jnp.int32)), obs

    def step(self, state: Told, action: Int[Array, " length"], key: PRNGKeyArray) -> tuple[Told, Outcome]:
        del key  # nothing is left to chance
        found = run(self.karel, action, state.yard, longest=self.longest, depth=self.depth)
        reward, time = found.done - self.karel.share_done(state.yard), state.time + 1
        told = outcome(self.karel.seen(found.yard), reward, found.over, time, self.horizon, actions=found.actions)
        return Told(found.yard, time), told

    def trace(self, program: Int[Array, " length"], steps: int, key: PRNGKeyArray) -> Trace:
        """The first `steps` actions of a program run from a start of the task's, drawn at random."""
        yard, _ = self.karel.reset((), named(key, "reset"))
        found = run(self.karel, program, yard, longest=self.longest, depth=self.depth, steps=steps)
        cut = found.words >= self.longest  # what was stopped had not ended
        valid = jnp.arange(steps) < found.actions + ~cut
        return Trace(found.perceived, found.acted, valid)

    def render(self, state: Told) -> drawing.Image:
        """The yard between programs, above a bar of the actions so far."""
        return self.karel.render(state.yard)

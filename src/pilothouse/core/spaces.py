"""Spaces: what is observed and what is done, as small hashable descriptions.

They are static everywhere (a recipe may depend on them), compare by value, and travel as JSON in every checkpoint.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

from pilothouse.core.errors import SpaceError


@dataclass(frozen=True)
class Box:
    """Real numbers (or `uint8` pixels) of a fixed shape within bounds; a bound may be infinite.

    `low` and `high` are one number for all entries, or a flat tuple with one number an entry.
    """

    shape: tuple[int, ...]
    low: float | tuple[float, ...] = -math.inf
    high: float | tuple[float, ...] = math.inf
    dtype: str = "float32"
    kind: ClassVar[str] = "Box"

    @property
    def size(self) -> int:
        """Number of entries; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        """Whether this is `(height, width, channels)` of `uint8`."""
        return self.dtype == "uint8" and len(self.shape) == 3

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value, each of the space's shape, float32."""
        low, high = (
            np.broadcast_to(np.asarray(b, np.float32), self.size).reshape(self.shape) for b in (self.low, self.high)
        )
        return low, high

    @property
    def bounded(self) -> bool:
        low, high = self.bounds()
        return bool(np.isfinite(low).all() and np.isfinite(high).all())

    def sample(self, key: PRNGKeyArray) -> Array:
        """Uniform within finite bounds, standard normal where a bound is infinite."""
        low, high = self.bounds()
        finite = np.isfinite(low) & np.isfinite(high)
        if np.issubdtype(self.dtype, np.integer):
            return jax.random.randint(key, self.shape, low.astype(int), high.astype(int) + 1).astype(self.dtype)
        uniform = jax.random.uniform(key, self.shape, minval=np.where(finite, low, 0), maxval=np.where(finite, high, 1))
        if finite.all():
            return uniform.astype(self.dtype)
        normal = jnp.clip(jax.random.normal(key, self.shape), low, high)
        return jnp.where(finite, uniform, normal).astype(self.dtype)

    def zeros(self) -> Array:
        return jnp.zeros(self.shape, self.dtype)


@dataclass(frozen=True)
class Discrete:
    """One of `n` choices, counted from 0."""

    n: int
    kind: ClassVar[str] = "Discrete"
    shape: ClassVar[tuple[int, ...]] = ()
    dtype: ClassVar[str] = "int32"

    @property
    def size(self) -> int:
        """Width of its one-hot form."""
        return self.n

    def sample(self, key: PRNGKeyArray) -> Array:
        return jax.random.randint(key, (), 0, self.n)

    def zeros(self) -> Array:
        return jnp.zeros((), jnp.int32)


@dataclass(frozen=True)
class MultiDiscrete:
    """Several choices at once; entry i is one of `nvec[i]`."""

    nvec: tuple[int, ...]
    kind: ClassVar[str] = "MultiDiscrete"
    dtype: ClassVar[str] = "int32"

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.nvec),)

    @property
    def size(self) -> int:
        """Width of its concatenated one-hot form."""
        return sum(self.nvec)

    def sample(self, key: PRNGKeyArray) -> Array:
        return jax.random.randint(key, self.shape, 0, jnp.array(self.nvec))

    def zeros(self) -> Array:
        return jnp.zeros(self.shape, jnp.int32)


@dataclass(frozen=True)
class DictSpace:
    """Named spaces, sorted by name. Values of it are dicts."""

    items: tuple[tuple[str, "Space"], ...]
    kind: ClassVar[str] = "Dict"

    @classmethod
    def of(cls, spaces: Mapping[str, "Space"]) -> "DictSpace":
        return cls(tuple(sorted(spaces.items())))

    @property
    def spaces(self) -> dict[str, "Space"]:
        return dict(self.items)

    @property
    def size(self) -> int:
        return sum(space.size for _, space in self.items)

    def sample(self, key: PRNGKeyArray) -> dict[str, Any]:
        keys = jax.random.split(key, len(self.items))
        return {name: space.sample(k) for (name, space), k in zip(self.items, keys, strict=True)}

    def zeros(self) -> dict[str, Any]:
        return {name: space.zeros() for name, space in self.items}


@dataclass(frozen=True)
class Tokens:
    """One token of a vocabulary; a completion holds at most `longest` of them, a prompt at most `prompt`."""

    vocabulary: int
    longest: int
    prompt: int
    kind: ClassVar[str] = "Tokens"
    shape: ClassVar[tuple[int, ...]] = ()
    dtype: ClassVar[str] = "int32"

    @property
    def size(self) -> int:
        return self.vocabulary

    def sample(self, key: PRNGKeyArray) -> Array:
        return jax.random.randint(key, (), 0, self.vocabulary)

    def zeros(self) -> Array:
        return jnp.zeros((), jnp.int32)


Space = Box | Discrete | MultiDiscrete | DictSpace | Tokens
MASK = "action_mask"
"""The observation entry that says which discrete actions are allowed (1) now."""


@dataclass(frozen=True)
class Spec:
    """What a policy observes and does.

    A `Dict` observation with an entry `action_mask` (a Box of one number per choice, 1 = allowed) masks the actions;
    the choices of several actions are joined in order, those of a Dict by name.
    """

    obs: Space
    action: Space
    extra: tuple[tuple[str, Any], ...] = field(default=())

    @property
    def masked(self) -> bool:
        return isinstance(self.obs, DictSpace) and MASK in self.obs.spaces

    def check_mask(self) -> None:
        """Raises `SpaceError` if there is a mask, and it does not have one number for each choice."""
        if not isinstance(self.obs, DictSpace) or MASK not in self.obs.spaces:
            return
        mask, choices = self.obs.spaces[MASK], choices_of(self.action)
        if not isinstance(mask, Box) or mask.size != choices or not choices:
            given = f"a Box of {mask.size} numbers" if isinstance(mask, Box) else f"a {mask.kind} space"
            expected = f"a Box of one number for each of their {choices} choices" if choices else "none"
            raise SpaceError(
                f"The {MASK!r} of the observations is {given}; {self.action.kind} actions take {expected}. "
                "Correct the mask, or give that entry another name."
            )

    def unit(self) -> "Spec":
        """The same, with bounded Box actions rescaled to [-1, 1]: what recipes see. The edges convert."""
        return replace(self, action=unit_action(self.action))


def unit_action(space: Space) -> Space:
    """Bounded float boxes become [-1, 1]; all else stays."""
    if isinstance(space, Box) and space.bounded and not np.issubdtype(space.dtype, np.integer):
        return Box(space.shape, -1.0, 1.0, space.dtype)
    if isinstance(space, DictSpace):
        return DictSpace(tuple((name, unit_action(inner)) for name, inner in space.items))
    return space


def choices_of(space: Space) -> int:
    """How many discrete choices an action of `space` has, those of several joined: the size of an action mask."""
    match space:
        case Discrete() | MultiDiscrete() | Tokens():
            return space.size
        case DictSpace():
            return sum(choices_of(inner) for _, inner in space.items)
        case _:
            return 0


def to_unit(space: Space, action: PyTree) -> PyTree:
    """Environment units to [-1, 1], by the affine map of the bounds; unbounded and discrete actions stay as they are."""
    return _rescale(space, action, towards_unit=True)


def from_unit(space: Space, action: PyTree) -> PyTree:
    """[-1, 1] to environment units. Inverse of `to_unit`. Works on NumPy and JAX arrays, with leading axes."""
    return _rescale(space, action, towards_unit=False)


def within(space: Space, action: PyTree) -> PyTree:
    """The action with every real box clipped to its bounds, the finite ones; choices stay. Traces under `jit`."""
    if isinstance(space, DictSpace):
        return {name: within(inner, action[name]) for name, inner in space.items}
    if not isinstance(space, Box) or np.issubdtype(space.dtype, np.integer):
        return action
    low, high = space.bounds()
    return action if np.isinf(low).all() and np.isinf(high).all() else jnp.clip(action, low, high)


def _rescale(space: Space, action: PyTree, *, towards_unit: bool) -> PyTree:
    if isinstance(space, DictSpace):
        return {name: _rescale(inner, action[name], towards_unit=towards_unit) for name, inner in space.items}
    if unit_action(space) == space:
        return action
    assert isinstance(space, Box)
    low, high = space.bounds()
    middle, half = (high + low) / 2, (high - low) / 2
    half = np.where(half == 0, 1.0, half).astype(np.float32)
    return (action - middle) / half if towards_unit else action * half + middle


def checked_value(what: str, space: Space, value: Any, start: Any = 0) -> PyTree:
    """`value` as NumPy arrays, if it has the structure, shape and kind of numbers of `space`.

    Choices must be in range, counted from `start` (a number, an array for several, a dict for a Dict). Bounds of boxes
    are not compared: simulators overstep them.

    **Raises:** `SpaceError`, one line that begins with `what`.
    """
    if isinstance(space, DictSpace):
        if not isinstance(value, Mapping) or set(value) != set(space.spaces):
            given = sorted(map(str, value)) if isinstance(value, Mapping) else f"one {type(value).__name__}"
            raise SpaceError(f"{what} is {given}; expected a dict of {sorted(space.spaces)}, as its space says.")
        starts = start if isinstance(start, Mapping) else dict.fromkeys(space.spaces, 0)
        return {
            name: checked_value(f"{what}[{name!r}]", inner, value[name], starts[name]) for name, inner in space.items
        }
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    whole = np.issubdtype(space.dtype, np.integer)
    if array.dtype.kind not in ("biu" if whole else "biuf"):
        given = f"one {type(value).__name__}" if array.dtype.kind == "O" else f"of {array.dtype}"
        raise SpaceError(f"{what} is {given}; expected {'whole ' if whole else ''}numbers, as its space says.")
    if array.shape != space.shape:
        raise SpaceError(f"{what} has shape {array.shape}; expected {space.shape}, as its space says.")
    if isinstance(space, Discrete | MultiDiscrete):
        sizes = np.asarray(space.n if isinstance(space, Discrete) else space.nvec)
        if ((array < start) | (array >= start + sizes)).any():
            first, last = np.broadcast_to(start, sizes.shape).tolist(), (start + sizes - 1).tolist()
            raise SpaceError(f"{what} is {array.tolist()}; expected choices from {first} to {last}, as its space says.")
    return array


def to_json(space: Space) -> dict[str, Any]:
    """A JSON-ready description; infinities become None."""
    match space:
        case Box():
            return {
                "kind": "Box",
                "shape": list(space.shape),
                "low": _finite(space.low),
                "high": _finite(space.high),
                "dtype": space.dtype,
            }
        case Discrete():
            return {"kind": "Discrete", "n": space.n}
        case MultiDiscrete():
            return {"kind": "MultiDiscrete", "nvec": list(space.nvec)}
        case DictSpace():
            return {"kind": "Dict", "items": {name: to_json(inner) for name, inner in space.items}}
        case Tokens():
            return {"kind": "Tokens", "vocabulary": space.vocabulary, "longest": space.longest, "prompt": space.prompt}


def from_json(data: Any) -> Space:
    """Inverse of `to_json`. Raises `SpaceError` for anything else."""
    try:
        match data["kind"]:
            case "Box":
                return Box(
                    tuple(int(n) for n in data["shape"]),
                    _bound(data["low"], -math.inf),
                    _bound(data["high"], math.inf),
                    str(np.dtype(data["dtype"])),
                )
            case "Discrete":
                return Discrete(int(data["n"]))
            case "MultiDiscrete":
                return MultiDiscrete(tuple(int(n) for n in data["nvec"]))
            case "Dict":
                return DictSpace.of({str(name): from_json(inner) for name, inner in data["items"].items()})
            case "Tokens":
                return Tokens(int(data["vocabulary"]), int(data["longest"]), int(data["prompt"]))
            case kind:
                raise SpaceError(
                    f"Unknown kind of space {kind!r}; expected Box, Discrete, MultiDiscrete, Dict or Tokens."
                )
    except (KeyError, TypeError, AttributeError) as fault:
        raise SpaceError(f"Not the description of a space: {str(data)[:80]!r} ({fault}).") from fault


def _finite(bound: float | tuple[float, ...]) -> Any:
    if isinstance(bound, tuple):
        return [b if math.isfinite(b) else None for b in bound]
    return bound if math.isfinite(bound) else None


def _bound(value: Any, missing: float) -> float | tuple[float, ...]:
    if isinstance(value, list):
        return tuple(missing if v is None else float(v) for v in value)
    return missing if value is None else float(value)


def box_from_bounds(low: np.ndarray, high: np.ndarray, dtype: str) -> Box:
    """A `Box` from two arrays; equal entries are stored once."""

    def shorten(bound: np.ndarray) -> float | tuple[float, ...]:
        flat = np.asarray(bound, np.float64).ravel()
        return float(flat[0]) if flat.size and (flat == flat[0]).all() else tuple(float(x) for x in flat)

    return Box(tuple(np.shape(low)), shorten(low), shorten(high), dtype)

"""`Batch`: named arrays that travel together, from a store to a loss."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import jax


@jax.tree_util.register_pytree_with_keys_class
class Batch(Mapping[str, Any]):
    """An immutable, ordered-by-name record of arrays (or pytrees of arrays), read as `batch.obs` or `batch["obs"]`.

    A *transition* holds `obs, action, reward, next_obs, terminated, truncated, valid, episode_id, duration`; what a
    policy remembered (log-probability, value) stands beside them under its own name. A batch handed to an objective
    also holds `discount`, the discount to the power of `duration`, 0 where `terminated`. `valid` is False on padding.
    """

    __slots__ = ("_fields",)

    def __init__(self, **fields: Any):
        object.__setattr__(self, "_fields", dict(sorted(fields.items())))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_fields":
            raise AttributeError(name)
        try:
            return self._fields[name]
        except KeyError:
            close = difflib.get_close_matches(name, self._fields, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise AttributeError(f"This batch has no {name!r}; it holds {', '.join(self._fields)}.{hint}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("A batch is immutable; use `batch.replace(name=value)`.")

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        shapes = jax.tree.map(
            lambda x: f"{getattr(x, 'dtype', type(x).__name__)}{list(getattr(x, 'shape', ()))}", self._fields
        )
        return f"Batch({', '.join(f'{name}={shape}' for name, shape in shapes.items())})"

    def replace(self, **fields: Any) -> "Batch":
        """A batch with these fields added or exchanged."""
        return Batch(**{**self._fields, **fields})

    def without(self, *names: str) -> "Batch":
        """A batch that lacks these fields."""
        return Batch(**{name: value for name, value in self._fields.items() if name not in names})

    def tree_flatten_with_keys(self) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        return tuple((jax.tree_util.DictKey(name), value) for name, value in self._fields.items()), tuple(self._fields)

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        return tuple(self._fields.values()), tuple(self._fields)

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], values: tuple[Any, ...]) -> "Batch":
        batch = object.__new__(cls)
        object.__setattr__(batch, "_fields", dict(zip(names, values, strict=True)))
        return batch

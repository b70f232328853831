"""Worlds: every place to act in, behind one face (`world.py`).

In this room: JAX worlds with exact dynamics (one file each, constants as fields, a time limit in the state, rendering
with plain NumPy), the text world of arithmetic, Gymnasium simulators on the host, and wrappers that stack frames or
rescale actions. Nothing here learns, holds a policy, or knows what is recorded. `registry.py` makes worlds by name.
May import: jax, equinox, jaxtyping, numpy, gymnasium (inside functions), pilothouse.core.
Imported by: policies and every room above. Never imports: networks, objectives, data, statistics.
"""

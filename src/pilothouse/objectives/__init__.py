"""Objectives: pure functions from parts, a batch and a key to one loss and its metrics.

In this room: loss kernels on arrays (their names end in `_loss`), return and advantage recursions, and the objectives
that feed them from networks. Nothing here steps an environment, holds state, owns an optimiser or knows which recipe
called it. Where a method says nothing else, an objective reads the parts `actor`, `critic`, `critic/slow`, `value`,
`log_alpha` and `agent`; other names are given by keyword.
May import: jax, equinox, jaxtyping, pilothouse.core, pilothouse.networks.
Imported by: recipes, explain, tests. Never imports: data, worlds, algorithm.
"""

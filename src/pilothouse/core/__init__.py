"""Core: spaces, batches, errors, keys and pytree helpers. Imports nothing of ours; everything imports it."""

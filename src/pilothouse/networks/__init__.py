"""Networks: building blocks and policy classes, one example in and `vmap` outside.

In this room: dense layers, encoders of any observation space, distributions, actors, critics, generative and recurrent
networks, the transformer. Parts are made by initialisers `(key) -> module`. Modules hold arrays as leaves and nothing
else; sizes, spaces and activations are static.
May import: jax, equinox, jaxtyping, pilothouse.core.
Imported by: objectives, policies and the rooms above. Never imports: data, worlds, algorithm.
"""

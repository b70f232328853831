"""Recipes of the generative wing: policies that are diffusion, flow, consistency or latent-variable models."""

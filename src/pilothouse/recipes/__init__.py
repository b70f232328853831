"""Recipes: one file per method, in wings. A recipe is wiring: pieces, paper, claim."""

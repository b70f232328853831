"""Explain: why a policy does what it does, and what would have to change for it to do otherwise.

In this room: what explanations are made of and measured by. An explanation that is itself learned is an ordinary
algorithm, wired in a recipe. The policy that is studied may have come from elsewhere.
May import: every room below (core to train). Imported by: recipes and above. Never imports: evaluate, guard.
"""

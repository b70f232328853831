"""Guard: policies made safer than they are, and what can be proved or measured of it.

In this room: transforms that stand between a policy and what it sees or does, certificates, and the adversaries that
guards are tried against. The policy that is guarded is a `Policy`, whatever made it.
May import: every room below (core to train). Imported by: recipes and above. Never imports: evaluate, explain.
"""

"""Policies: the protocol, acting with an actor or agent, exploration, scaling, and policies around policies."""

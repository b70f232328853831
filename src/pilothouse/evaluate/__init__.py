"""Evaluate: claims and their relations, off-policy estimates, and measuring one policy. Takes a `Policy` only."""

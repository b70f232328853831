"""Rollout: acting in a source and recording it. Knows policies and worlds; nothing here learns."""

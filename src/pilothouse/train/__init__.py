"""Train: drives cycles. Lanes, chunks, host steps, checkpoints, tracking, progress. Methods live in `recipes`."""

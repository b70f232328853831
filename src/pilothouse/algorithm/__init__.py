"""Algorithm: named parts, the four steps, bound recipes, and the one interpreter of cycles."""

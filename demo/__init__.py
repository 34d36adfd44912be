"""The shapes world (synthetic media with known truth) and the small model that is trained on it."""

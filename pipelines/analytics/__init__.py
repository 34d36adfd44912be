"""Tasks to prompts, answers to typed observations: caption, ask, ground."""

"""Continuous batching: transformers' own paged cache and scheduler, fed with multimodal prompts as plain ids."""

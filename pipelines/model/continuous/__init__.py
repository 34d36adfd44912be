"""Continuous batching: a loop and a cache of our own around the stock language model, and prompts of plain ids."""

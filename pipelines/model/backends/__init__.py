"""Backends that answer elsewhere: a server with the OpenAI interface, LMDeploy's pipeline."""

"""An InternVL checkpoint as a ViT, an MLP and a stock causal language model; prompts; the engine."""

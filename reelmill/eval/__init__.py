"""How well a model sees: labelled media through the mill, scores with intervals, and drift between two runs."""

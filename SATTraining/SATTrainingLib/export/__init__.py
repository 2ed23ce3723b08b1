"""From a training run to a model that the engine lists and runs, and that can be given away."""

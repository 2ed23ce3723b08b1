"""Training: the configuration of a run, the loss, checkpoints, and the process from its start to its end."""

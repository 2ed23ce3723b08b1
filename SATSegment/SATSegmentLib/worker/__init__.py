"""The process that holds the model, what it speaks, and who speaks to it.

Import what is needed from `client`, which does not load PyTorch.
"""

"""How well a model finds its terms on cases with a reference: scores, their means, two models compared, the report."""

"""What a training gave: curves, confusion matrices, scatter plots, weights, gradient norms, the report."""

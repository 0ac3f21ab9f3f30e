"""L-BFGS, Adam and the loop that minimises an objective."""

"""A kernel goes back to an earlier state, or another one goes on from it."""

"""Small problems with an exact answer: hulls, quadratic programs, trust regions, minimax."""

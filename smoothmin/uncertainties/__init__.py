"""How sure fitted parameters are: curvatures, covariances, profiles."""

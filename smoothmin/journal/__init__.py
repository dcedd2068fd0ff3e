"""A journal on disk of all evaluations, from which a run that was killed goes on."""

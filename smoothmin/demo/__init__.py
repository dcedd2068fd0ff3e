"""Three problems on real data, each beside SciPy's methods; see ``__main__``."""

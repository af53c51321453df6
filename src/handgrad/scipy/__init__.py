"""SciPy's functions that are no ufuncs, under SciPy's names, on arrays and on recorded arrays.

``scipy.special``'s ufuncs record as they are; ``handgrad.scipy.special`` has the rest, and ``stats`` the
densities of distributions. SciPy is needed for it, and not for the rest of handgrad.
"""

"""Rates, disparities and their intervals in groups, computed with NumPy. Nothing here writes sentences or draws figures."""

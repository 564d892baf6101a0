"""The checks of the pillar: options, requirements and the order of work. Importing them loads neither NumPy nor pandas."""

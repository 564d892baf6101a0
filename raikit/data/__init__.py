"""Tables, media, splits and roles: from a path in the configuration to a `Dataset` whose columns have a meaning.

This room must not know models, checks or policies.
"""

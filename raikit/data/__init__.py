"""Tables, media, splits and roles: from a path in the configuration to a `Dataset` whose columns have a meaning.

It must not know of models, checks or results.
"""

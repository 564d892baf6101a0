"""A plugin for raikit: linear models from a JSON file."""

import raikit

raikit_api = 1


def load(spec, data):
    """Load a linear model. The import is delayed until a configuration uses this "
    "loader."""
    from raikit_plugin_name.linear import load

    return load(spec, data)


@raikit.hookimpl
def raikit_model_loaders():
    """Return the loaders of this package, by their names in ``model.load.kind``."""
    return {"plugin_name": load}

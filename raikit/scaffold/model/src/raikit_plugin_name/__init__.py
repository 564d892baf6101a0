"""A plugin of raikit: linear models from a JSON file."""

import raikit

raikit_api = 1


def load(spec, data):
    """Load the model; what it takes is imported only when audit.yaml asks for it."""
    from raikit_plugin_name.linear import load

    return load(spec, data)


@raikit.hookimpl
def raikit_model_loaders():
    """The loaders of this package, by the name that ``model.load.kind`` says."""
    return {"plugin_name": load}

"""A plugin of raikit: how often a model is wrong where it is sure."""

import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_checks():
    """The checks of this package; imported only when raikit asks for them."""
    from raikit_plugin_name.selective import SelectiveRisk

    return [SelectiveRisk]

"""A plugin for raikit: error rate of confident decisions."""

import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_checks():
    """Return the checks of this package; they are imported only when raikit needs "
    "them."""
    from raikit_plugin_name.selective import SelectiveRisk

    return [SelectiveRisk]

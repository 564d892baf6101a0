"""A plugin for raikit: how often one small step along the gradient flips a decision."""

import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_checks():
    """Return the checks of this package; they are imported only when raikit needs "
    "them."""
    from raikit_saliency_flips.flips import Flips

    return [Flips]

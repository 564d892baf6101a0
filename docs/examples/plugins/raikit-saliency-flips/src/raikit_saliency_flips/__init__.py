"""A plugin of raikit: how often one small step along the gradient flips a decision."""

import raikit

raikit_api = 1


@raikit.hookimpl
def raikit_checks():
    """The checks of this package; imported only when raikit asks for them."""
    from raikit_saliency_flips.flips import Flips

    return [Flips]

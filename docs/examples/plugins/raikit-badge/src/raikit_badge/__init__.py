"""A plugin for raikit: the verdict of an audit as a badge."""

import raikit

raikit_api = 1


def write(record, folder):
    """Write the format; its module is imported only when it is needed."""
    from raikit_badge.badge import write

    return write(record, folder)


@raikit.hookimpl
def raikit_report_formats():
    """Return the report formats of this package, by their names in ``--formats``."""
    return {"badge": write}

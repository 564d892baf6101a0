"""A plugin of raikit: the verdict of an audit as a badge."""

import raikit

raikit_api = 1


def write(record, folder):
    """Write the format; what it takes is imported only when it is asked for."""
    from raikit_badge.badge import write

    return write(record, folder)


@raikit.hookimpl
def raikit_report_formats():
    """The writers of this package, by the name that ``--formats`` says."""
    return {"badge": write}

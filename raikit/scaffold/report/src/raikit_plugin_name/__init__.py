"""A plugin of raikit: every metric of an audit as a row of a CSV file."""

import raikit

raikit_api = 1


def write(record, folder):
    """Write the format; what it takes is imported only when it is asked for."""
    from raikit_plugin_name.metrics_csv import write

    return write(record, folder)


@raikit.hookimpl
def raikit_report_formats():
    """The writers of this package, by the name that ``--formats`` says."""
    return {"plugin_name": write}

"""A plugin for raikit: every metric of an audit as a row of a CSV file."""

import raikit

raikit_api = 1


def write(record, folder):
    """Write the format; its module is imported only when it is needed."""
    from raikit_plugin_name.metrics_csv import write

    return write(record, folder)


@raikit.hookimpl
def raikit_report_formats():
    """Return the report formats of this package, by their names in ``--formats``."""
    return {"plugin_name": write}

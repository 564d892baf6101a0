"""Why does it decide so."""

raikit_api = 1

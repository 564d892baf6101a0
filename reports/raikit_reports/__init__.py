"""Every output format."""

raikit_api = 1

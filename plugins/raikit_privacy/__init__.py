"""What does it remember."""

raikit_api = 1

"""For whom is it worse."""

raikit_api = 1

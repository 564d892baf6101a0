"""How good is it: utility and calibration."""

raikit_api = 1

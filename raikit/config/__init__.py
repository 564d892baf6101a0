"""audit.yaml: what is audited, on which data, by which checks, under which policy."""

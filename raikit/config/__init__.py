"""audit.yaml: what is audited, on which data, by which checks, under which policy.

It must not look at data, models or plugins; it validates words and says on which line they are wrong.
"""

"""What plugins provide: found through entry points and local files, validated against the contract, registered.

It must not run a check or read data; one plugin that fails loses only itself.
"""

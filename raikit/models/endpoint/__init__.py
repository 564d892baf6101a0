"""Models behind an address: KServe's open inference protocol and chat completions as OpenAI writes them.

This package must not send a case anywhere but to the address that the configuration names, nor let a secret leave the environment.
"""

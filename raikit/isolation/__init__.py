"""Foreign code in child processes: plugins of other distributions, local files, and models that bring code.

It must not plan or judge; data goes in and comes out, and a child that dies costs one result.
"""

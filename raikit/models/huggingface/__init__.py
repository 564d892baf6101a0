"""Models of the Hugging Face libraries: a folder that `save_pretrained` wrote, read without running code of its own.

This room must not know which checks examine a model, nor open a connection unless the configuration allows it.
"""

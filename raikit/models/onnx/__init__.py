"""Graphs of ONNX, run by onnxruntime.

This package must not load operators that a file brings, nor read a file outside the folder of the graph.
"""

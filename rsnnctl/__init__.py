"""The tool: the Python API, run folders, what is printed, and the commands."""

__version__ = "0.1.0"

"""What both worlds stand on: errors, files and run folders. It imports neither torch nor numba.

`rsnn` (float) and `sim` (integers) know nothing of each other; both import from here.
"""

__version__ = "0.1.0"

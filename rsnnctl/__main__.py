"""`python -m rsnnctl`: the command line, one level above this package."""

import runpy

runpy.run_module("cli", run_name="__main__")

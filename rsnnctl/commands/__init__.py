"""Commands of `cli.py` by what they are about: parse, call, print; only click at the top."""

"""Steps that need both worlds, one a file; only `cli.py` imports them."""

"""What `export/c.py` is made of."""

"""What `export/formats/c.py` is made of."""

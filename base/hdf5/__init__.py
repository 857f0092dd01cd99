"""HDF5 files, read without trust and written whole."""

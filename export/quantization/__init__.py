"""Parts of `export/quantize.py`: precision, calibration data, rounding, corrections, the ledger."""

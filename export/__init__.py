"""The bridge: floats to integers (`quantize`, `qat`), and integers to other tools' formats."""

"""The bridge: floats to integers (`quantize`, `qat`), and integers to formats that others read."""

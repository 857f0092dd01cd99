"""The bridge: floating point to integers, and integers to the formats that others read."""

"""Names that settings of a training can have, apart from the code behind them, which is slow."""

PRESETS = ("tiny", "big")
RECIPES = ("published", "short")
KERNELS = ("numba", "torch")
DEVICES = ("cpu", "cuda")

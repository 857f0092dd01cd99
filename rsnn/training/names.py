"""Names that training settings accept, apart from the code behind them, which is slow to import."""

PRESETS = ("tiny", "big")
RECIPES = ("published", "short")
KERNELS = ("numba", "torch", "cuda")
DEVICES = ("cpu", "cuda")

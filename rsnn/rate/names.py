"""Names that the command line offers, here so that it need not import numpy to list them."""

ACTIVATIONS = ("sigmoid", "softplus", "relu")
FILTERS = ("double", "single")
INTEGER_STEP = 5e-4  # s, of integer networks where nothing else is asked for

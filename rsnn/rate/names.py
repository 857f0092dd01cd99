"""Names that the command line offers, here so that it need not import numpy to list them."""

ACTIVATIONS = ("sigmoid", "softplus", "relu")
FILTERS = ("double", "single")

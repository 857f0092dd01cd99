"""Current-based leaky integrate-and-fire: the hand-written layer, and its compiled gradients."""

from rsnn.float_kind import FloatKind
from rsnn.neurons import CubaLIF

FLOAT_KIND = FloatKind(make=CubaLIF)

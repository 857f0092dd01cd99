"""Intel's Loihi: 128 cores of 1024 compartments, which share decays and thresholds."""

from hw_targets.machines.loihi.mapping import Core
from hw_targets.machines.loihi.target import loihi_target

ROOM = Core(
    neurons=1024,
    decay_pairs=32,
    thresholds=16,
    axons_in=4096,
    axons_out=4096,
    synapse_bits=1 << 20,
)
TARGET = loihi_target("Loihi, a chip of 128 cores", ROOM, n_cores=128)

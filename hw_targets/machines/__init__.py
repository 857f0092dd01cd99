"""What several targets share: what a target is, machines in QEMU, sizes of programs."""

"""Code shared by targets: their definition, machines in QEMU, sizes of programs."""

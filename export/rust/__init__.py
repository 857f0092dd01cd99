"""A network as a crate of Rust without `std`, in the layouts of exported C."""

//! The runtime of a shim.

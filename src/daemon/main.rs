//! The program of a daemon process. See the crate.
fn main() {}

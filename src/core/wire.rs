//! Frames between an Apache child and a daemon process.

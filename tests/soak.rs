//! Many clients for a while, every body checked, and nothing grows.

//! mod_rsgi.

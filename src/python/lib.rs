//! The Python layer of mod_rsgi (see ARCHITECTURE.md).

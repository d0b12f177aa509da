"""What belongs to mod_rsgi outside of Apache. Inside, the server's own module of this name has this folder as its path."""

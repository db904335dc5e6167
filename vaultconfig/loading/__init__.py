"""One load of a settings class, pure: no HTTP, no vault, no environment, no files."""

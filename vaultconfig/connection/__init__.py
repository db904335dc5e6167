"""The address of the vault, the credentials for it, and the environment of this process."""

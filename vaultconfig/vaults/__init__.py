"""The vaults of this process: what they hold in memory, and one request for all that is missing."""

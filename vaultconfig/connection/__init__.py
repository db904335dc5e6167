"""Where the vault is, which credentials it is shown, and which environment this is."""

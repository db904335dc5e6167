"""What ``vaultconfig check`` is made of: what it looks at, what it finds, and how that is shown."""

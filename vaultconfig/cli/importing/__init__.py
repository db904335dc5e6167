"""What ``vaultconfig import`` is made of: from the variables of a file to the class for them."""

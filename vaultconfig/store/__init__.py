"""Secrets between memory and vault: through an outage, one fetch for all, one subscription."""

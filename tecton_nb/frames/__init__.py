"""Wire values become pandas here, once: typed columns whose dtype depends on the metadata only."""

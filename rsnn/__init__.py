"""The float world: recordings, models, training and evaluation. Torch lives here."""

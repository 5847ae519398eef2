"""Public ClimateGAN checkpoints: which configuration they are of, and where each of their entries belongs here."""

"""Scores against the number of training members: the experiment of Luetjens et al. (2025)."""

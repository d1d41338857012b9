"""Experiments: the stages from archive to leaderboard, in one run folder."""

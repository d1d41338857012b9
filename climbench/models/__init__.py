"""Models: what answers a task. Each file is one model, readable next to its paper."""

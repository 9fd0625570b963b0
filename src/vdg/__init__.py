"""VDG, the View-Disentangled Generator, and what trains and scores it."""

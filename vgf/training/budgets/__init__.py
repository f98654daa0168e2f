"""Choosing how far to move from data alone: ladder, calibration on held-out trajectories, rule, report.

Nothing here touches an environment. `vgf.choose_budget` (`vgf.training.choose`) is the front door.
"""

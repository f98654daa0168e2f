"""Rivals: DPO, PPO and RLOO of TRL, trained on the same data as the flow."""

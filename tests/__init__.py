"""Tests: a folder for each room of vgf/, helpers in one package. No test imports another."""

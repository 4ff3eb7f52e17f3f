"""Passes over the fleet."""

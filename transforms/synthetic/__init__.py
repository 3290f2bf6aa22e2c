"""Simulated people and their draws: known truth to fit, measure and demonstrate on."""

"""The commands, a file a group of them; ``flows.cli`` puts them together."""

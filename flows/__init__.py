"""The outside: clock, environment, files, mail, the command line, and Prefect around the night."""

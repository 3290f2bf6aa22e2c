"""What must be true, said once: the gate's reports and the quarantine share each predicate.

``incoming/<table>.py`` holds the expectations on arriving rows, ``computed/<table>.py`` those on
what is kept and computed; a new expectation is one class in the file of its table. Importing
this package's parts imports Great Expectations (seconds), so only a night with rows does.
"""

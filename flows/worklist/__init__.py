"""The work-list page: alerts, a person's page, and answers, for a care team in a browser.

It reads the newest published warehouse and the ledger at every request and writes nothing but
events of alerts. :mod:`~flows.worklist.guard` stands before everything, ``doors`` lets people in,
``app`` has the pages.
"""

"""What is kept: landed bytes, the ledger, the warehouse under construction, the published file.

``ledger`` (SQLite) and ``landed`` (bytes by hash) are the truth of what came and what was sent;
``store`` and ``merge`` build a warehouse from them, ``publish`` swaps it in; ``views`` are what
analysts read.
"""

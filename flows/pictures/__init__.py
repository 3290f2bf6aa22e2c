"""Pictures: one SVG for pages and, turned into PNG, for mails. Rows in, text out; only
``reading`` asks the warehouse."""

"""Pictures: one SVG for pages and, turned into PNG, for mails. Pure: rows in, text out."""

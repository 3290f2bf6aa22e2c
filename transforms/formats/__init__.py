"""How formats are written: bytes, text, archives, tables, JSON, XML, HL7, FHIR, FIT.

What several readers share, or what would make one reader too long, is here; what a format *means*
is its reader's.
"""

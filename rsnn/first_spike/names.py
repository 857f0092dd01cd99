"""Names that the command line offers, here so that it need not import numpy to list them."""

EXACT, PUBLISHED = "exact", "published"
SEMANTICS = (EXACT, PUBLISHED)
BEST, LAST = "best", "last"
KEPT = (BEST, LAST)

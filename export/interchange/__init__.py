"""What the interchange formats are made of; the formats themselves are the files beside it."""

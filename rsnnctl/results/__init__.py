"""Results of commands: declared once, printed as a table, CSV, Markdown, LaTeX or JSON."""

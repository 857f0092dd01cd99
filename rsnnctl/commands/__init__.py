"""One command per file, found by listing them: its options and its body, named `command`.

The command is named like the file, with `-` for `_`. Only click and light modules are imported at
the top, so that help is shown at once; the rest is imported where it is used.
"""

"""One command per file, found by listing them: its options and its body, named `command`.

The name of the command is that of the file, with `-` for `_`. At the top are only click and light
modules, so that help is shown at once; the rest is imported where it is used.
"""

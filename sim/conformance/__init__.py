"""The conformance kit: cases for implementations by others."""

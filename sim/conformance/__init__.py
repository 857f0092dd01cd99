"""The conformance kit: test cases for other implementations."""

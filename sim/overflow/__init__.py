"""Whether a state can overflow, and inputs that make it."""

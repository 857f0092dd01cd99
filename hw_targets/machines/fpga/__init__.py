"""FPGAs: what a decoder takes of a part, and its synthesis, place and route."""

"""Parts of a header that hand-written and generated C share: notes, scales, checked steps."""

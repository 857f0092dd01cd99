"""D, syn() and mem() in Python's integers, as docs/numeric-contract.md writes them."""


def rounded(c, x, d):
    if c.get("decay") == "shift":
        part = x // 2**d
        return x - (1 if part == 0 and x > 0 else part)
    product = x * d
    if c["rounding"] == "floor":
        return product >> c["decay_frac"]
    return (abs(product) >> c["decay_frac"]) * (1 if product >= 0 else -1)


def word(c, kind, x):
    bits = c[f"{kind}_bits"]
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if c[f"overflow_{kind}"] == "saturate":
        low = -high if c.get("saturation", "full") == "symmetric" else low
        return min(max(x, low), high)
    return ((x - low) % (1 << bits)) + low

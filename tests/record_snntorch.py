"""Record what a version of snnTorch computes, into `golden/snntorch.npz`:

    pip install --no-deps --target FOLDER snntorch==0.9.1
    PYTHONPATH=FOLDER python tests/record_snntorch.py

For each version and the combinations of `snntorch_combinations.EVERY`, `VERSION.runs` says which
can be created and run, (n,) bool; `VERSION.spikes` holds their spikes as packed bits, (n, n_bytes);
`VERSION.keys` the keys of their state dicts, separated by spaces.
"""

from importlib.metadata import version

import numpy as np
import snntorch
from snntorch_combinations import EVERY, GOLDEN, N_STEPS, N, layer_of, spikes_of


def main() -> None:
    """Record the version that Python finds."""
    runs, spikes, keys = [], [], []
    for chosen in EVERY:
        try:
            layer = layer_of(snntorch, chosen)
            found = spikes_of(layer, chosen)
        except TypeError:
            runs.append(False)
            spikes.append(np.packbits(np.zeros((N_STEPS, N), np.uint8)))
            keys.append("")
            continue
        runs.append(True)
        spikes.append(np.packbits(found))
        keys.append(" ".join(sorted(layer.state_dict())))
    kept = dict(np.load(GOLDEN)) if GOLDEN.exists() else {}
    name = version("snntorch")
    kept |= {f"{name}.runs": np.array(runs), f"{name}.spikes": np.array(spikes)}
    kept[f"{name}.keys"] = np.array(keys)
    GOLDEN.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDEN, **{key: kept[key] for key in sorted(kept)})
    print(f"snnTorch {name}: {sum(runs)} of {len(runs)} run; {GOLDEN.stat().st_size} bytes")


if __name__ == "__main__":
    main()

"""scikit-learn's digits: 1797 images of 8 x 8 pixels in 0..16."""

import numpy as np

from base.extras import extra
from rsnn.first_spike.data.images import latency_coded
from rsnn.first_spike.data.samples import Samples

BRIGHTEST = 16
N_TRAIN, N_VALIDATION, N_TEST = 1197, 200, 400


def digits() -> tuple[Samples, Samples, Samples]:
    """Training, validation and test part, 1197, 200 and 400 samples drawn without repetition.

    Raises:
        ToolError: scikit-learn is not installed.
    """
    found = extra("sklearn.datasets", "digits", "the data set `digits`").load_digits()
    samples = latency_coded(found.images.astype(np.int32), found.target, BRIGHTEST)
    numbers = np.random.default_rng(0).permutation(samples.n_samples)
    train, validation, test = np.split(numbers, [N_TRAIN, N_TRAIN + N_VALIDATION])
    return samples.take(train), samples.take(validation), samples.take(test)

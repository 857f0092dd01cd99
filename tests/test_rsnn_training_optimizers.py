"""SMORMS3 against the published equations, written once more for one number."""

import math

import pytest
import torch

from base.errors import RangeError
from rsnn.training.optimizers import SMORMS3


def smorms3_of_one_number(weight, gradient_of, n_steps, lr, eps):
    memory, mean, square = 1.0, 0.0, 0.0
    course = []
    for step in range(n_steps):
        gradient = gradient_of(weight, step)
        r = 1.0 / (memory + 1.0)
        mean = (1.0 - r) * mean + r * gradient
        square = (1.0 - r) * square + r * gradient * gradient
        signal = mean * mean / (square + eps)
        weight -= gradient * min(lr, signal) / (math.sqrt(square) + eps)
        memory = 1.0 + memory * (1.0 - signal)
        course.append(weight)
    return course


def noisy_gradient(weight, step):
    return 2.0 * (weight - 1.0) + 3.0 * math.sin(12.9898 * step)


@pytest.mark.parametrize(("lr", "eps"), [(2e-3, 1e-16), (0.5, 1e-16), (0.5, 1e-2)])
def test_smorms3_equals_a_plain_loop_over_one_number(lr, eps):
    starts = [3.0, -0.25]
    weights = torch.tensor(starts, dtype=torch.float64, requires_grad=True)
    optimizer = SMORMS3([weights], lr=lr, eps=eps)
    found = []
    for step in range(50):
        values = weights.detach().tolist()
        weights.grad = torch.tensor([noisy_gradient(w, step) for w in values], dtype=torch.float64)
        optimizer.step()
        found.append(weights.detach().clone())
    wanted = [smorms3_of_one_number(start, noisy_gradient, 50, lr, eps) for start in starts]
    # float64 on both sides; torch computes the running means as a + r (b - a)
    torch.testing.assert_close(
        torch.stack(found), torch.tensor(wanted, dtype=torch.float64).T, rtol=1e-9, atol=1e-12
    )


def test_smorms3_finds_a_minimum():
    weight = torch.tensor([4.0], requires_grad=True)
    optimizer = SMORMS3([weight], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (weight - 1.0).square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 9.0
    for _ in range(200):
        optimizer.step(closure)
    assert weight.item() == pytest.approx(1.0, abs=1e-3)


def test_parameters_without_gradient_or_with_zero_gradient_stay():
    idle, still = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    still.grad = torch.zeros(2)
    SMORMS3([idle, still]).step()
    assert torch.equal(idle, torch.ones(2))
    assert torch.equal(still, torch.ones(2))


def test_a_schedule_may_anneal_the_rate_to_zero():
    weight = torch.ones(1, requires_grad=True)
    optimizer = SMORMS3([weight], lr=0.1)
    optimizer.param_groups[0]["lr"] = 0.0
    weight.grad = torch.ones(1)
    optimizer.step()
    assert weight.item() == 1.0


@pytest.mark.parametrize("setting", ["lr", "eps"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_settings_that_are_not_above_zero_are_refused(setting, value):
    with pytest.raises(RangeError) as refusal:
        SMORMS3([torch.ones(1, requires_grad=True)], **{setting: value})
    assert str(refusal.value) == f"{setting} is {value:g}; SMORMS3 needs it above 0"

import torch

from procwm.learning.optimisation.losses import inverse_dynamics, latent_prediction, output_loss


def test_latent_prediction_is_weighted_by_direction() -> None:
    predicted = torch.zeros((2, 3, 2))
    encoded = torch.ones((2, 3, 2))
    assert float(latent_prediction(predicted, encoded, torch.tensor([1.0, 3.0]))) == 2.0


def test_inverse_dynamics_leaves_out_mvs_that_stood_still() -> None:
    mv = torch.zeros((2, 4, 2))
    mv[0, :, 0] = torch.tensor([0.0, 0.0, 1.0, 1.0])
    mv[:, :, 1] = 5.0
    recovered = torch.zeros((2, 2))
    assert float(inverse_dynamics(recovered, mv)) == 0.25
    recovered[0, 0] = 0.5
    assert float(inverse_dynamics(recovered, mv)) == 0.0


def test_inverse_dynamics_of_a_log_at_rest_is_zero() -> None:
    assert float(inverse_dynamics(torch.ones((3, 1)), torch.zeros((3, 4, 1)))) == 0.0


def test_output_loss_is_square_inside_and_linear_outside_and_skips_what_is_missing() -> None:
    measured = torch.zeros((1, 1, 3))
    predicted = torch.tensor([[[0.5, 3.0, 100.0]]])
    valid = torch.tensor([[[1.0, 1.0, 0.0]]])
    assert output_loss(predicted, measured, valid, 1.0).tolist() == [[[0.25, 5.0, 0.0]]]

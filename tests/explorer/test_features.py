"""Principal components against a singular value decomposition, neighbours against a plain loop."""

import numpy as np
import pytest

from explorer.features import GREY, MOST_ROWS, fit_basis, nearest_features


def features(count, channels=11, seed=0):
    """Features whose variance is spread over a few slanted directions, as a codec's are."""
    rng = np.random.default_rng(seed)
    strengths = 2.0 ** -np.arange(channels)
    turned = np.linalg.qr(rng.normal(size=(channels, channels)))[0]
    return ((rng.normal(size=(count, channels)) * strengths) @ turned + 0.7).astype(np.float16)


def test_the_axes_are_the_strongest_directions_of_the_features():
    latents = features(4000)
    basis = fit_basis(latents)
    centred = latents.astype(np.float64) - latents.astype(np.float64).mean(0)
    truth = np.linalg.svd(centred, full_matrices=False)[2][:3]
    assert np.allclose(np.abs(np.sum(basis.axes.T * truth, 1)), 1, atol=1e-5)
    assert np.allclose(basis.axes.T @ basis.axes, np.eye(3), atol=1e-5)


def test_a_colour_is_the_components_share_of_its_range():
    latents = features(3000)
    basis = fit_basis(latents)
    components = (latents.astype(np.float64) - basis.mean) @ basis.axes
    low, high = np.percentile(components, [2, 98], axis=0)
    truth = np.clip((components - low) / (high - low), 0, 1) * 255
    assert np.abs(basis.rgb(latents) - truth).max() <= 0.51
    picture = basis.rgb(latents[:2400].reshape(40, 60, 11))
    assert picture.shape == (40, 60, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture.reshape(-1, 3), basis.rgb(latents[:2400]))


def test_the_same_features_mirrored_in_order_give_the_same_colours():
    latents = features(5000)
    forward, backward = fit_basis(latents), fit_basis(latents[::-1])
    assert np.abs(forward.rgb(latents).astype(int) - backward.rgb(latents)).max() <= 1
    assert np.array_equal(fit_basis(latents).axes, forward.axes)


def test_unknown_features_change_nothing_and_are_grey():
    latents = features(2000)
    holes = latents.copy()
    holes[::7, 3], holes[3::70, 1] = np.nan, np.inf
    known = np.isfinite(holes).all(1)
    basis = fit_basis(holes)
    assert np.array_equal(basis.axes, fit_basis(latents[known]).axes)
    colors = basis.rgb(holes)
    assert (colors[~known] == GREY).all() and colors[known].std() > 40


def test_a_large_memory_is_sampled_and_gives_nearly_the_same_basis():
    latents = features(MOST_ROWS * 2)
    sampled, half = fit_basis(latents), fit_basis(latents[:MOST_ROWS])
    assert np.abs(np.sum(sampled.axes * half.axes, 0)).min() > 0.999
    assert np.array_equal(sampled.axes, fit_basis(latents).axes)


@pytest.mark.parametrize(
    "latents",
    [
        np.zeros((0, 5), np.float16),
        np.full((4, 5), np.nan, np.float16),
        np.ones((1, 5), np.float16),
        np.ones((9, 2), np.float16),
    ],
)
def test_features_that_do_not_differ_are_all_one_colour(latents):
    colors = fit_basis(latents).rgb(latents)
    assert colors.shape == (len(latents), 3) and (colors // 2 == GREY // 2).all()


def test_two_channels_fill_two_colours_and_leave_the_third_grey():
    latents = features(500, channels=2)
    colors = fit_basis(latents).rgb(latents)
    assert colors[:, :2].std(0).min() > 40 and colors[:, 2].std() == 0


@pytest.mark.parametrize("count", [1, 8, 400])
def test_the_nearest_features_are_those_that_a_plain_loop_finds(count):
    latents = features(300, seed=3)
    latents[5] = np.nan
    latents[20] = latents[21] = latents[17]
    alive = np.random.default_rng(1).random(300) < 0.7
    alive[[17, 20, 21]] = True
    for row in (17, 250):
        apart = {}
        for i, other in enumerate(latents):
            if i != row and alive[i] and np.isfinite(other).all():
                difference = other.astype(np.float64) - latents[row].astype(np.float64)
                apart[i] = float(np.float32((difference**2).sum()))
        truth = sorted(apart, key=lambda i: (apart[i], i))[:count]
        found = nearest_features(latents, row, count, alive)
        assert len(found) == len(truth)
        assert np.allclose([apart[i] for i in found], [apart[i] for i in truth], rtol=1e-5)
        assert row not in found and alive[found].all()
    assert nearest_features(latents, 17, 2, alive).tolist() == [20, 21]


def test_an_unknown_feature_is_like_nothing():
    latents = features(30)
    latents[4] = np.nan
    assert len(nearest_features(latents, 4)) == 0
    assert len(nearest_features(latents[:1], 0)) == 0

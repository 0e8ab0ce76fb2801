"""The E-model against values published for it."""

from __future__ import annotations

import pytest

from callcore.media.quality import (
    G711_BARE,
    G711_CONCEALED,
    burst_ratio,
    delay_impairment,
    loss_impairment,
    mean_opinion,
    rate,
)


@pytest.mark.parametrize(
    ("r", "mos"), [(-5, 1.0), (0, 1.0), (50, 2.58), (60, 3.10), (70, 3.60), (80, 4.03), (90, 4.34)]
)
def test_mean_opinion_is_that_of_g107_table_b1(r: float, mos: float) -> None:
    """The lower limits of R there stand beside their MOS, rounded (4.024 to 4.03)."""
    assert mean_opinion(r) == pytest.approx(mos, abs=0.0065)


def test_mean_opinion_stays_between_1_and_4_5_and_never_falls() -> None:
    """The cubic of annex B dips below 1 for the worst connections: such a MOS does not exist."""
    opinions = [mean_opinion(r / 2) for r in range(-10, 220)]
    assert opinions == sorted(opinions)
    assert (opinions[0], opinions[-1]) == (1.0, 4.5)


def test_a_perfect_stream_has_the_rating_of_the_default_values() -> None:
    """G.107 §7.7: R = 93.2, MOS 4.41."""
    quality = rate(loss=0.0, delay_ms=0.0)
    assert quality.r == pytest.approx(93.2, abs=0.2)
    assert quality.mos == pytest.approx(4.41, abs=0.01)


@pytest.mark.parametrize("delay", [20, 50, 100, 150, 177, 200, 250, 300])
def test_delay_impairs_as_the_published_approximation_of_the_default_curve(delay: int) -> None:
    """Cole and Rosenbluth 2001, "Voice over IP performance monitoring", (5): up to 300 ms.

    Two straight lines: where they meet, the curve is one point away.
    """
    published = 0.024 * delay + 0.11 * max(0.0, delay - 177.3)
    assert delay_impairment(delay) == pytest.approx(published, abs=1.1 if delay == 177 else 0.5)


@pytest.mark.parametrize(
    ("percent", "impairment"),
    [(0, 0.0), (1, 95 / 26.1), (2, 190 / 27.1), (5, 475 / 30.1), (10, 950 / 35.1), (100, 75.94)],
)
def test_random_loss_impairs_concealed_g711_by_its_robustness(
    percent: int, impairment: float
) -> None:
    """Ie,eff with Ie = 0 and Bpl = 25.1 of G.113 table I.4."""
    assert loss_impairment(percent / 100) == pytest.approx(impairment, abs=0.01)


def test_what_makes_it_worse_is_rated_lower() -> None:
    """More loss, longer bursts, no concealment, more delay: each alone lowers R."""
    base = rate(0.03, 80.0, 1.2, G711_CONCEALED).r
    assert rate(0.04, 80.0, 1.2, G711_CONCEALED).r < base
    assert rate(0.03, 80.0, 1.5, G711_CONCEALED).r < base
    assert rate(0.03, 80.0, 1.2, G711_BARE).r < base
    assert rate(0.03, 160.0, 1.2, G711_CONCEALED).r < base


def test_no_rating_is_below_zero() -> None:
    """A dead line is 0, not less."""
    assert rate(1.0, 2000.0, 2.0, G711_BARE) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("received", "lost", "bursts", "ratio"),
    [
        (100, 0, 0, 1.0),
        (0, 50, 1, 1.0),  # nothing came: nothing is known of bursts
        (98, 2, 2, 1.0),  # single losses
        (97, 3, 2, 1.455),  # 1.5 in a row where random loss has 1.031
        (90, 10, 1, 2.0),  # far beyond what the model was made for
        (50, 50, 50, 1.0),  # more even than chance
    ],
)
def test_burst_ratio_compares_with_random_loss(
    received: int, lost: int, bursts: int, ratio: float
) -> None:
    """Mean run of losses over 1 / (1 - loss), within the range of the model."""
    assert burst_ratio(received, lost, bursts) == pytest.approx(ratio, abs=0.001)

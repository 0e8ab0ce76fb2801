"""How well a stream is heard: R-factor and MOS by the E-model, from loss, its bursts and the delay.

ITU-T G.107 rates a connection by R = Ro - Is - Id - Ie,eff + A (7-1). Here noise, loudness and
quantising keep the default values of its table 2, which makes Ro - Is 93.2, and nothing is
expected to make up for bad quality (A = 0): what an RTP end point can measure remains.

Id    delay and the talker's and listener's echo that it makes audible (7-19 to 7-28), with the
      default echo losses, the far end's echo path being unknown;
Ie,eff  Ie + (95 - Ie) * Ppl / (Ppl / BurstR + Bpl) (7-29), Ie and Bpl from G.113 appendix I.
"""

from __future__ import annotations

import math
from typing import NamedTuple

#: Ro - Is with all default values (G.107 table 2 and §7.7).
BEST = 93.2
#: Basic signal-to-noise ratio and noise sum of the default values, dB and dBm0p (7-2, 7-3).
_SIGNAL_TO_NOISE, _NOISE = 94.77, -61.18
_RECEIVE_LOUDNESS, _TALKER_ECHO_LOSS, _ECHO_PATH_LOSS = 2.0, 65.0, 110.0
#: Delay that goes unnoticed however lively the talk (mT for the default delay sensitivity), ms.
_UNNOTICED_MS = 100.0


class Equipment(NamedTuple):
    """What a codec and its loss concealment do to speech (ITU-T G.113 appendix I)."""

    impairment: float
    """Ie: without any loss."""
    robustness: float
    """Bpl: the greater, the less is loss heard."""


#: G.113 table I.4; L16 loses nothing to companding, and the same concealment mends it.
G711_CONCEALED = Equipment(0.0, 25.1)
G711_BARE = Equipment(0.0, 4.3)


class Quality(NamedTuple):
    """What a stream sounds like."""

    r: float
    """Rating factor, 0 to 93.2: above 80 satisfied, below 60 many dissatisfied (G.109)."""
    mos: float
    """Mean opinion estimated of it, 1 to 4.5 (listening and talking)."""


def rate(
    loss: float,
    delay_ms: float,
    bursts: float = 1.0,
    equipment: Equipment = G711_CONCEALED,
) -> Quality:
    """R and MOS of a stream that loses the share ``loss`` (0 to 1) of its packets.

    ``delay_ms`` is one way from mouth to ear, jitter buffer included; ``bursts`` is BurstR as
    ``burst_ratio`` gives it. Packets that came too late to be played count as lost.
    """
    r = BEST - delay_impairment(delay_ms) - loss_impairment(loss, bursts, equipment)
    r = min(max(r, 0.0), 100.0)
    return Quality(r, mean_opinion(r))


def mean_opinion(r: float) -> float:
    """MOS of a rating factor (G.107 annex B, B-4)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def loss_impairment(
    loss: float, bursts: float = 1.0, equipment: Equipment = G711_CONCEALED
) -> float:
    """Ie,eff (7-29) for a share lost, 0 to 1."""
    percent = 100 * min(max(loss, 0.0), 1.0)
    spread = percent / max(bursts, 1e-6) + equipment.robustness
    return equipment.impairment + (95 - equipment.impairment) * percent / spread


def burst_ratio(received: int, lost: int, bursts: int) -> float:
    """BurstR: mean length of the bursts seen over that of random loss (G.107 §7.5).

    ``bursts`` counts runs of packets lost in a row. 1 is random loss; the formula above holds from
    1 to 2, and for small losses further (G.107 §3.3), so more counts as 2.
    """
    if lost <= 0 or bursts <= 0 or received <= 0:
        return 1.0
    random = (received + lost) / received
    return min(max(lost / bursts / random, 1.0), 2.0)


def delay_impairment(delay_ms: float) -> float:
    """Id = Idte + Idle + Idd (7-19), the delay one way in ms being that of the echo, too."""
    delay = max(delay_ms, 0.0)
    return _talker_echo(delay) + _listener_echo(2 * delay) + _delay_itself(delay)


def _talker_echo(delay: float) -> float:
    """Idte (7-20 to 7-23)."""
    loss = (
        _TALKER_ECHO_LOSS
        - 40 * math.log10((1 + delay / 10) / (1 + delay / 150))
        + 6 * math.exp(-0.3 * delay**2)
    )
    half = (-1.5 * (_NOISE - _RECEIVE_LOUDNESS) - (80 + 2.5 * (loss - 14))) / 2
    return (half + math.sqrt(half**2 + 100) - 1) * (1 - math.exp(-delay))


def _listener_echo(round_trip: float) -> float:
    """Idle (7-25, 7-26)."""
    half = (_SIGNAL_TO_NOISE - 10.5 * (_ECHO_PATH_LOSS + 7) * math.pow(round_trip + 1, -0.25)) / 2
    return half + math.sqrt(half**2 + 169)


def _delay_itself(delay: float) -> float:
    """Idd (7-27, 7-28): talk that gets in its own way."""
    if delay <= _UNNOTICED_MS:
        return 0.0
    x = math.log2(delay / _UNNOTICED_MS)
    return 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2)

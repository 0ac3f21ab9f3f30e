"""The player's graph, rendered offline by the browser: what is heard, to the sample."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytestmark = pytest.mark.slow

RATE = 22_050
FADE = round(0.03 * RATE)  # 15 time constants: what is left of a switch is less than a millionth
SEAM = round(0.005 * RATE) + 2
START = 2 * FADE
Samples = npt.NDArray[np.float64]

ADD = 'deck.add("content", clips[0], 0); deck.add("style", clips[1], 0); '
RENDER = """async ([clips, seconds, script]) => {
  const { Deck } = await import("/page/deck.js");
  const context = new OfflineAudioContext(1, Math.round(seconds * 22050), 22050);
  const deck = new Deck(context);
  const sound = ([samples, strength = 0, loudness = null]) => {
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: 22050 });
    buffer.copyToChannel(Float32Array.from(samples), 0);
    return { buffer, strength, loudness };
  };
  new Function("deck", "clips", script)(deck, clips.map(sound));
  return [...(await context.startRendering()).getChannelData(0)];
}"""


def noise(seconds: float, seed: int, level: float = 0.2) -> Samples:
    return np.random.default_rng(seed).uniform(-level, level, round(seconds * RATE))


@pytest.fixture(scope="module")
def render(browser: Any, studio: str) -> Any:
    """Render what a script does with a deck; clips are samples, or (samples, strength, loudness)."""
    tab = browser.new_page(bypass_csp=True)
    tab.goto(studio)

    def rendered(script: str, *clips: Any, seconds: float = 1.0) -> Samples:
        given = [
            [each.tolist()] if isinstance(each, np.ndarray) else [each[0].tolist(), *each[1:]]
            for each in clips
        ]
        return np.array(tab.evaluate(RENDER, [given, seconds, script]))

    yield rendered
    tab.close()


def test_switching_keeps_the_place_to_the_sample(render: Any) -> None:
    content, style = noise(1, 0), noise(1, 1)
    heard = render(
        ADD + """deck.play(0); deck.hear("style", 0.4); deck.hear("content", 0.7)""",
        *(content, style),
    )
    first, second = round(0.4 * RATE), round(0.7 * RATE)
    np.testing.assert_allclose(heard[START:first], content[START:first], atol=1e-6)
    np.testing.assert_allclose(heard[first + FADE : second], style[first + FADE : second], atol=1e-6)
    np.testing.assert_allclose(heard[second + FADE : -1], content[second + FADE : -1], atol=1e-6)


def test_a_switch_is_a_cross_fade_of_ten_milliseconds(render: Any) -> None:
    up, down = np.full(RATE, 0.5), np.full(RATE, -0.5)
    heard = render(
        ADD + 'deck.play(0); deck.hear("style", 0.5)',
        *(up, down),
    )
    assert np.abs(np.diff(heard[START:-1])).max() < 1.1 / (0.002 * RATE)  # no step
    left = (heard + 0.5)[round(0.5 * RATE) :]
    assert left[0] == pytest.approx(1, abs=0.05)
    assert left[round(0.01 * RATE)] < 0.01
    assert (np.diff(left[: round(0.01 * RATE)]) < 0).all()


def test_a_switch_during_a_switch_makes_no_step(render: Any) -> None:
    up, down = np.full(RATE, 0.5), np.full(RATE, -0.5)
    heard = render(
        ADD
        + """deck.play(0);
        for (let k = 0; k < 9; k++) deck.hear(k % 2 ? "content" : "style", 0.3 + 0.004 * k)""",
        *(up, down),
    )
    assert np.abs(np.diff(heard[SEAM:-1])).max() < 1.1 / (0.002 * RATE)
    np.testing.assert_allclose(heard[RATE // 2 : -1], -0.5, atol=1e-6)


@pytest.mark.parametrize("alike", [0.0, 0.6, 0.95])
def test_neighbours_are_mixed_with_equal_power(render: Any, alike: float) -> None:
    common, own = noise(1, 0), noise(1, 1)
    low, high = common, alike * common + np.sqrt(1 - alike**2) * own
    heard = render(
        """deck.add("result", clips[0], 0); deck.add("result", clips[1], 0);
        deck.play(0); deck.setStrength("result", 0.35, 0)""",
        *((low, 0.25, None), (high, 0.5, None)),
    )
    part = slice(FADE, RATE - 2)
    weights, *_ = np.linalg.lstsq(np.stack([low, high], 1)[part], heard[part], rcond=None)
    np.testing.assert_allclose(np.stack([low, high], 1)[part] @ weights, heard[part], atol=1e-5)
    assert weights[0] / weights[1] == pytest.approx(0.6 / 0.4, rel=1e-3)
    assert heard[part].std() == pytest.approx(low[part].std(), rel=0.03)


def test_the_exact_sound_replaces_the_mix_without_a_gap(render: Any) -> None:
    low, high = noise(1, 0), noise(1, 1)
    exact = 0.5 * (low + high)
    heard = render(
        """deck.add("result", clips[0], 0); deck.add("result", clips[1], 0);
        deck.setStrength("result", 0.35, 0); deck.play(0); deck.add("result", clips[2], 0.5)""",
        *((low, 0.25, None), (high, 0.5, None), (exact, 0.35, None)),
    )
    at = round(0.5 * RATE)
    np.testing.assert_allclose(heard[at + FADE : -1], exact[at + FADE : -1], atol=1e-6)
    powers = [heard[k : k + FADE // 2].std() for k in range(at - 2 * FADE, at + 2 * FADE, FADE // 4)]
    assert min(powers) > 0.6 * exact.std()


def test_a_loop_repeats_its_part_and_has_no_click(render: Any) -> None:
    time = np.arange(RATE) / RATE
    wave = 0.5 * np.sin(2 * np.pi * 187.3 * time)
    heard = render(
        'deck.add("content", clips[0], 0); deck.setLoop([0.2, 0.4], 0); deck.play(0)', wave, seconds=1.2
    )
    first, count = round(0.2 * RATE), round(0.2 * RATE)
    for turn in range(5):
        part = heard[turn * count + START : (turn + 1) * count - SEAM]
        np.testing.assert_allclose(part, wave[first + START : first + count - SEAM], atol=1e-6)
    steepest = np.abs(np.diff(wave)).max()
    assert np.abs(np.diff(heard[START:])).max() < 1.5 * steepest


def test_clips_of_other_lengths_stay_locked_in_a_loop(render: Any) -> None:
    content, style = noise(1, 0), noise(0.3, 1)
    heard = render(
        ADD
        + """deck.setLoop([0.5, 0.7], 0);
        deck.hear("style", 0); deck.play(0)""",
        *(content, style),
    )
    first, count = round(0.5 * RATE), round(0.7 * RATE) - round(0.5 * RATE)
    expected = style[(first + np.arange(count)) % len(style)]
    np.testing.assert_allclose(heard[START : count - SEAM], expected[START:-SEAM], atol=1e-6)
    np.testing.assert_allclose(heard[count + SEAM : 2 * count - SEAM], expected[SEAM:-SEAM], atol=1e-6)


def test_a_shorter_clip_is_repeated_and_a_longer_one_goes_on(render: Any) -> None:
    content, short, long = noise(0.6, 0), noise(0.25, 1), noise(1, 2)
    heard = render(
        ADD + 'deck.hear("style", 0); deck.play(0)',
        *(content, short),
    )
    end = round(0.6 * RATE)
    place = np.arange(end)
    np.testing.assert_allclose(heard[START : end - 1], short[place % len(short)][START:-1], atol=1e-6)
    assert not heard[end + 2 :].any()  # it ends with the content
    heard = render(
        ADD
        + """deck.hear("style", 0); deck.play(0);
        deck.hear("content", 0.8)""",
        *(content, long),
    )
    switch = round(0.8 * RATE)
    np.testing.assert_allclose(heard[START:switch], long[START:switch], atol=1e-6)
    place = np.arange(switch + FADE, RATE - 1) % end
    np.testing.assert_allclose(heard[switch + FADE : -1], content[place], atol=1e-6)


def test_loudness_is_matched_below_full_scale(render: Any) -> None:
    loud, soft = noise(1, 0, level=0.9), noise(1, 1, level=0.09)
    clips = ((loud, 0, -10.0), (soft, 0, -30.0))
    script = ADD + """deck.play(0); deck.hear("style", 0.5)"""
    halves = slice(FADE, RATE // 2), slice(RATE // 2 + FADE, -1)
    heard = render(script, *clips)
    powers = [heard[half].std() for half in halves]
    assert powers[0] == pytest.approx(powers[1], rel=0.02)
    assert np.abs(heard).max() <= 1
    heard = render("deck.setMatched(false, 0);" + script, *clips)
    np.testing.assert_allclose(heard[halves[0]], loud[halves[0]], atol=1e-6)
    np.testing.assert_allclose(heard[halves[1]], soft[halves[1]], atol=1e-6)


def test_playing_goes_on_where_it_was_paused(render: Any) -> None:
    content = noise(1, 0)
    heard = render('deck.add("content", clips[0], 0); deck.play(0); deck.pause(0.3); deck.play(0.5)', content)
    paused, again = round(0.3 * RATE), round(0.5 * RATE)
    assert not heard[paused + FADE : again].any()
    np.testing.assert_allclose(
        heard[again + FADE : -1], content[paused + FADE : paused + len(heard) - again - 1], atol=1e-6
    )

import dataclasses
import json
import math
import typing
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from retimbre.errors import InputError, shown
from retimbre.settings import Group, Settings

FIELDS = {field.name: field for field in dataclasses.fields(Settings)}
HINTS = typing.get_type_hints(Settings)
CHOICES = {name: typing.get_args(hint) for name, hint in HINTS.items() if typing.get_origin(hint)}
CHOICES = {name: choices for name, choices in CHOICES.items() if isinstance(choices[0], str)}
WHOLE = [name for name, hint in HINTS.items() if hint is int]
TEXTS = ["network", "align", "content_layers", "style_layers"]  # read where networks are known
FLAGS = [name for name, hint in HINTS.items() if hint is bool]
REAL = [name for name in FIELDS if name not in {*CHOICES, *WHOLE, *TEXTS, *FLAGS}]

# What else has to change so that only the one option under test is at its limit.
ROOM: dict[str, dict[str, Any]] = {"n_fft": {"hop_length": 8}, "hop_length": {"n_fft": 65_536}}


def make(name: str, value: Any) -> Settings:
    return Settings(**(ROOM.get(name, {}) | {name: value}))


def complaint(name: str, value: Any) -> str:
    """Give the expectation that the error states, having checked the rest of its message."""
    with pytest.raises(InputError) as caught:
        make(name, value)
    given, expectation = str(caught.value).split(": expected ")
    assert given == f"{name} is {shown(value)}"
    assert "\n" not in str(caught.value)
    return expectation


def test_the_groups_cover_every_field() -> None:
    assert sorted([*CHOICES, *WHOLE, *REAL, *TEXTS, *FLAGS]) == sorted(FIELDS)
    assert {"strength", "content_weight", "tolerance", "quality"} == set(REAL)
    assert {"init", "optimizer", "resolutions", "device", "bits", "tags"} == set(CHOICES)
    assert FLAGS == ["random_weights", "patches"]


@pytest.mark.parametrize("name", FIELDS)
def test_defaults_are_accepted(name: str) -> None:
    default = FIELDS[name].default
    assert getattr(Settings(), name) == default
    assert make(name, default) == dataclasses.replace(Settings(), **ROOM.get(name, {}))


@pytest.mark.parametrize("name", FIELDS)
def test_options_are_explained(name: str) -> None:
    assert FIELDS[name].metadata["help"]


@pytest.mark.parametrize("name", [*WHOLE, *REAL])
def test_the_ends_of_a_range_belong_to_it(name: str) -> None:
    low, high = FIELDS[name].metadata["low"], FIELDS[name].metadata["high"]
    assert low < high
    for value in (low, high):
        assert getattr(make(name, value), name) == value


@pytest.mark.parametrize("name", [*WHOLE, *REAL])
def test_below_the_range(name: str) -> None:
    low = FIELDS[name].metadata["low"]
    below = low - 1 if name in WHOLE else low - 1e-3
    assert f"{low:g}" in complaint(name, below)


@pytest.mark.parametrize("name", [*WHOLE, *REAL])
def test_above_the_range(name: str) -> None:
    high = FIELDS[name].metadata["high"]
    above = high + 1 if name in WHOLE else high * 1.001
    expectation = complaint(name, above)
    # "at least 0" would be no help to someone whose number is too high.
    assert " to " in expectation or "at most" in expectation


@pytest.mark.parametrize("name", [*WHOLE, *REAL])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "8", True, [8], b"8"])
def test_what_is_no_number_in_range(name: str, value: Any) -> None:
    assert "number" in complaint(name, value)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [None, 32.0, 32.5])
def test_whole_numbers_are_asked_for(name: str, value: Any) -> None:
    assert "whole number" in complaint(name, value)


def test_a_text_that_reads_as_a_number_is_in_quotes() -> None:
    with pytest.raises(InputError, match=r"strength is '0\.5': expected a number from 0 to 1"):
        Settings(strength="0.5")  # type: ignore[arg-type]


def test_neither_a_strength_nor_a_content_weight_is_the_default() -> None:
    assert Settings() == Settings(strength=None, content_weight=None)


def test_real_numbers_may_be_written_as_whole_ones() -> None:
    assert Settings(strength=1, tolerance=0).strength == 1
    assert Settings(content_weight=5).content_weight == 5


def test_a_strength_and_a_content_weight_exclude_each_other() -> None:
    with pytest.raises(InputError, match=r"strength is 0\.5 and content_weight is 2: expected one of them"):
        Settings(strength=0.5, content_weight=2)


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["", "nothing of the kind", 0, None, ["content"]])
def test_choices(name: str, value: Any) -> None:
    assert complaint(name, value) == f"one of {', '.join(CHOICES[name])}"
    for choice in CHOICES[name]:
        assert getattr(make(name, choice), name) == choice
        if choice != choice.upper():
            complaint(name, choice.upper())


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", [0, 1.5, True, ["conv1"]])
def test_texts(name: str, value: Any) -> None:
    assert complaint(name, value) == "text"
    assert getattr(make(name, "conv1"), name) == "conv1"


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_flags(name: str, value: Any) -> None:
    assert complaint(name, value) == "true or false"
    assert getattr(make(name, True), name) is True


def test_a_filter_has_a_middle() -> None:
    assert "odd" in complaint("taps", 10)
    assert make("taps", 9).taps == 9


def test_a_window_is_even() -> None:
    assert "even" in complaint("n_fft", 2047)


def test_windows_overlap_by_half_at_least() -> None:
    assert Settings(n_fft=1024, hop_length=512).hop_length == 512
    with pytest.raises(InputError, match="hop_length is 513: expected at most half of n_fft, 512"):
        Settings(n_fft=1024, hop_length=513)


def test_settings_do_not_change() -> None:
    settings = Settings()
    for name, field in FIELDS.items():
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings, name, field.default)


def test_a_variant_is_checked_too() -> None:
    assert dataclasses.replace(Settings(), seed=3) == Settings(seed=3)
    with pytest.raises(InputError, match="seed is -1"):
        dataclasses.replace(Settings(), seed=-1)


def test_options_have_names() -> None:
    with pytest.raises(TypeError):
        Settings(0.5)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Settings(strenght=0.5)  # type: ignore[call-arg]


@pytest.mark.parametrize(("former", "name"), [("on", "pitch"), ("off", "none")])
def test_former_names_of_an_alignment_are_answered_with_the_new_one(former: str, name: str) -> None:
    with pytest.raises(InputError, match=f"align is {former}: expected {name}, its new name"):
        Settings(align=former)


def test_every_option_has_a_group_and_networks_that_it_applies_to() -> None:
    for field in FIELDS.values():
        assert field.metadata["group"] in typing.get_args(Group)
        assert field.metadata["applies_to"] in ("all", "spectrogram", "network")


def test_bits_may_be_a_number() -> None:
    make: Any = Settings
    assert make(bits=16) == make(bits=np.int64(16)) == Settings(bits="16")
    with pytest.raises(InputError, match=r"bits is 20: expected one of keep, 16, 24, float"):
        make(bits=20)


def test_numbers_of_numpy_are_numbers_and_become_pythons() -> None:
    make: Any = Settings
    settings = make(n_iter=np.int64(3), strength=np.float32(0.5), seed=np.uint8(4), tolerance=Fraction(1, 50))
    assert settings == Settings(n_iter=3, strength=0.5, seed=4, tolerance=0.02)
    assert json.dumps(dataclasses.asdict(settings)) == json.dumps(
        dataclasses.asdict(Settings(n_iter=3, strength=0.5, seed=4, tolerance=0.02))
    )
    for wrong in (np.bool_(True), np.float32(2.5), np.array([3]), "3", np.nan):
        with pytest.raises(InputError, match=r"n_iter is .*: expected a whole number from 1 to 1000000"):
            make(n_iter=wrong)


def test_a_message_does_not_hold_a_whole_array() -> None:
    make: Any = Settings
    for value in (np.ones((2, 9000)), list(range(9000)), "x" * 9000):
        with pytest.raises(InputError) as caught:
            make(strength=value)
        assert len(str(caught.value)) < 300
        assert "\n" not in str(caught.value)

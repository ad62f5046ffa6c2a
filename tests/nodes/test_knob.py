from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from apportion.nodes.knob import Adaptive, Choice, Knob, adaptive, choose, most, options


class Config(BaseModel):
    model_config = ConfigDict(frozen=True)

    rounds: Knob[int | Adaptive] = 1
    name: Knob[str | None] = None


@pytest.mark.parametrize(
    ("config", "json"),
    [
        (Config(rounds=3, name="a"), {"rounds": 3, "name": "a"}),
        (Config(rounds=choose(1, 3)), {"rounds": {"choose": [1, 3]}, "name": None}),
        (
            Config(rounds=choose(1, adaptive(1, 4)), name=choose(None, "a")),
            {"rounds": {"choose": [1, {"low": 1, "high": 4}]}, "name": {"choose": [None, "a"]}},
        ),
        (Config(rounds=adaptive(0, 2)), {"rounds": {"low": 0, "high": 2}, "name": None}),
    ],
)
def test_json_and_back(config: Config, json: dict[str, object]) -> None:
    assert config.model_dump(mode="json") == json
    assert Config.model_validate(json) == config


def test_every_option_is_held_to_the_type_of_the_field() -> None:
    with pytest.raises(ValidationError):
        Config(rounds=choose(1, "many"))  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Config.model_validate({"rounds": {"choose": [1, {"low": 1}]}})


def test_the_options_keep_their_order() -> None:
    opened: object = choose(5, 1, 3)
    assert opened == Choice((5, 1, 3))


@pytest.mark.parametrize("values", [(), (1, 1), ("a", "b", "a")])
def test_no_option_or_one_twice_is_refused(values: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="choose"):
        choose(*values)


def test_bounds_that_cross_are_refused() -> None:
    assert (most(7), most(adaptive(2, 5)), most(adaptive(2, 2))) == (7, 5, 2)
    for low, high in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValidationError):
            adaptive(low, high)


def test_the_values_of_an_open_knob_and_of_a_pinned_one() -> None:
    assert options(choose(3, 1)) == (3, 1)
    assert options((3, 1)) == ((3, 1),)

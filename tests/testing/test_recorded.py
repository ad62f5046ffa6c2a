from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from apportion import Graph, Pool, Solver
from apportion.errors import FileError
from apportion.models.base import Model
from apportion.testing.model import ModelConformance
from apportion.testing.recorded import RecordedEndpoint


def recorded(folder: Path, *lines: Any) -> Path:
    path = folder / "replies.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def solver(**settings: Any) -> Graph:
    return Graph("recorded").add("solve", Solver(style="direct", max_output_tokens=16, **settings))


def test_the_first_line_answers_whose_texts_all_stand_in_the_request(tmp_path: Path) -> None:
    path = recorded(
        tmp_path,
        {"asked": ["Austria", "no explanation"], "replies": ["Vienna"]},
        {"asked": ["Austria"], "replies": ["Graz"]},
        {"asked": ["Norway"], "replies": ["Oslo"]},
    )
    with RecordedEndpoint(path) as endpoint:
        pool = Pool([endpoint.model()])
        found = [solver().run(f"The capital of {country}?", pool=pool) for country in ("Austria", "Norway")]
        billed = endpoint.billed_tokens
    assert [each.answer for each in found] == ["Vienna", "Oslo"]
    assert sum(each.charged.tokens for each in found) == billed > 0


def test_samples_get_one_reply_after_the_other_and_temperature_0_the_first(tmp_path: Path) -> None:
    with RecordedEndpoint(recorded(tmp_path, {"asked": ["why"], "replies": ["one", "two", "two"]})) as endpoint:
        pool = Pool([endpoint.model()])
        assert solver(samples=3).run("why?", pool=pool).answer == "two"
        assert solver(temperature=0.0).run("why?", pool=pool).answer == "one"


def test_the_output_cap_cuts_a_reply(tmp_path: Path) -> None:
    with RecordedEndpoint(recorded(tmp_path, {"asked": ["why"], "replies": ["because " * 20]})) as endpoint:
        result = solver().run("why?", pool=Pool([endpoint.model()]))
    assert result.status.value == "starved"


def test_what_is_not_recorded_fails_and_costs_nothing(tmp_path: Path) -> None:
    path = recorded(tmp_path, {"asked": ["why"], "replies": ["so"]})
    with RecordedEndpoint(path) as endpoint:
        result = solver().run("when?", pool=Pool([endpoint.model()]))
    assert result.status.value == "provider_error"
    assert "no reply to this request is recorded" in result.reason
    assert result.charged.tokens == endpoint.billed_tokens == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"asked": ["why"]}, "each line must be an object such as"),
        (["why"], "each line must be an object such as"),
        ({"asked": "why", "replies": ["so"]}, "field 'asked'"),
        ({"asked": ["why"], "replies": []}, "field 'replies'"),
        ({"asked": [""], "replies": ["so"]}, "field 'asked'"),
    ],
)
def test_a_line_of_another_form_is_named(line: Any, said: str, tmp_path: Path) -> None:
    path = recorded(tmp_path, {"asked": ["when"], "replies": ["now"]}, line)
    with pytest.raises(FileError, match=r"replies\.jsonl:2") as caught:
        RecordedEndpoint(path)
    assert said in str(caught.value)


def test_an_empty_file_has_no_replies(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="it has no lines"):
        RecordedEndpoint(recorded(tmp_path))


class TestRecordedModel(ModelConformance):
    deterministic = True

    @pytest.fixture(autouse=True)
    def _served(self, tmp_path: Path) -> Any:
        with RecordedEndpoint(recorded(tmp_path, {"asked": ["Say ok."], "replies": ["ok, it is said"]})) as endpoint:
            self.endpoint = endpoint
            yield

    def make_model(self) -> Model:
        return self.endpoint.model()

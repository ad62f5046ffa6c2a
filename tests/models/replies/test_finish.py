from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.models.replies.finish import Ending, read_finish

FAMILIES: dict[Ending, str] = {
    "stop": """stop STOP end end_turn stop_sequence STOP_SEQUENCE completed COMPLETE eos eos_token EOS endoftext
        end_of_turn finished FINISHED done normal success StopSequence endTurn stop_criteria_met FinishReason.STOP
        eosFound FINISH_REASON_STOP stopStringFound tool_calls tool_use function_call TOOL_CALL MALFORMED_FUNCTION_CALL
        end-of-message""",
    "length": """length LENGTH max_tokens MAX_TOKENS max_output_tokens model_length token_limit maxTokens incomplete
        max_completion_tokens FinishReason.MAX_TOKENS model_context_window_exceeded contextLengthReached truncated
        length_limit""",
    "content_filter": """content_filter contentFilter CONTENT_FILTERED SAFETY RECITATION BLOCKLIST blocklist SPII
        PROHIBITED_CONTENT IMAGE_SAFETY sensitive guardrail_intervened ERROR_TOXIC content-filter LANGUAGE
        content_filter:PROHIBITED""",
    "refusal": "refusal refused",
    "error": """error ERROR network_error abort aborted cancelled canceled USER_CANCEL timeout time_limit not_finished
        insufficient_system_resource rate_limit userStopped modelUnloaded failed""",
    "unstated": "unknown none NULL FINISH_REASON_UNSPECIFIED undefined",
    "unknown": "other zenith OTHER 停止 ?",
}


@pytest.mark.parametrize(("word", "ending"), [(w, ending) for ending, words in FAMILIES.items() for w in words.split()])
def test_words_of_endpoints(word: str, ending: Ending) -> None:
    assert read_finish(word) == ending
    assert read_finish(f" {word.upper() if word.islower() else word}\n") == ending


@pytest.mark.parametrize(
    ("value", "ending"),
    [
        (None, "unstated"),
        ("", "unstated"),
        ("  ", "unstated"),
        ({"type": "length", "length": 30}, "length"),
        ({"type": "stop", "matched": 128009}, "stop"),
        ({}, "unstated"),
        (1, "unknown"),
        (["stop"], "unknown"),
    ],
)
def test_what_is_no_word(value: object, ending: Ending) -> None:
    assert read_finish(value) == ending


@given(st.text() | st.integers() | st.dictionaries(st.text(), st.text()))
def test_anything_has_a_family(value: object) -> None:
    assert read_finish(value) in FAMILIES

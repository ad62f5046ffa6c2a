from __future__ import annotations

import inspect

from apportion import errors
from apportion.errors import ApportionError, BudgetBreach, CallFailed, DevSetError, Infeasible, UnknownName, gravest
from apportion.records.status import Status


def classes() -> list[type[BaseException]]:
    return [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, BaseException)]


def test_everything_raised_is_one_tree_that_the_top_of_the_module_shows() -> None:
    shown = [line.split()[0] for line in (errors.__doc__ or "").splitlines() if line.strip()]
    for error in classes():
        assert issubclass(error, ApportionError)
        assert error.__name__ in shown
        assert error.__name__ in errors.__all__


def test_an_unknown_name_tells_the_nearest() -> None:
    assert str(UnknownName("model", "pocket-10k", ["pocket-100k", "gpt"])).endswith("did you mean 'pocket-100k'?")
    assert str(UnknownName("model", "zzz", ["b", "a"])).endswith("known: a, b")
    assert str(UnknownName("model", "zzz", [])).endswith("there are none")


def test_a_dev_set_error_names_file_line_and_field() -> None:
    assert str(DevSetError("dev.jsonl", 3, "gold", "is missing")) == "dev.jsonl:3, field 'gold': is missing"
    assert str(DevSetError("dev.jsonl", 3, "", "is not JSON")) == "dev.jsonl:3: is not JSON"


def test_infeasible_names_the_cap_that_would_do_and_what_takes_most() -> None:
    error = Infeasible(100, 2500, "tokens", "output cap of node 'solve'")
    assert error.min_cap == 2500
    assert "at least 2,500" in str(error)
    assert "output cap of node 'solve'" in str(error)


def test_a_breach_names_the_model_and_the_remedy() -> None:
    assert "'m' reported 500 tokens for a call that reserved 30" in str(BudgetBreach("m", 30, 500))


def test_a_breach_is_told_before_all_else_and_otherwise_the_first_failure() -> None:
    breach, first, second = BudgetBreach("m", 10, 20), ValueError("first"), ValueError("second")
    assert gravest(first) is first
    assert gravest(ExceptionGroup("", [first, second])) is first
    failed = CallFailed(Status.TIMEOUT, "slow")
    assert gravest(ExceptionGroup("", [failed, first])) is first
    assert gravest(ExceptionGroup("", [first, ExceptionGroup("", [second, breach])])) is breach

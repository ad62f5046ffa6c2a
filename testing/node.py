"""What every node kind must do, as a test class to subclass.

Example:
    ```python
    class TestMyKind(NodeConformance):
        kind = my_module.KIND

        def node(self) -> Node:
            return MyNode(model="scripted")

        def reply(self, request: Request) -> str:
            return "Answer: 42"
    ```
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from ..errors import CallFailed, GraphError
from ..models.card import ModelCard
from ..models.request import Reply, Request
from ..nodes.base import Incoming, Inputs, Kind, Node, Speakers
from ..nodes.depth import NO_REASONING, Depth
from ..nodes.kinds import kinds_with, node_from_json
from ..nodes.knob import ANY_MODEL, Adaptive, Choice, most
from ..nodes.prompts import dialect_named
from ..nodes.prompts.base import Ask
from ..nodes.red_flags import Sample
from ..nodes.repeated_node import RepeatedNode
from ..records.message import CANDIDATES, Candidate, Forward, Message
from ..records.prompt import Prompt
from ..records.status import Status
from ..records.task import Task
from ..records.usage import ZERO
from .node_bench import BenchContext, NodeBench, NodeRun, NoReplies
from .node_inputs import crowded, incoming_of
from .scripted import ScriptedModel

__all__ = ["BenchContext", "NoReplies", "NodeBench", "NodeConformance", "NodeRun"]


_PROMPTS = (
    "Braces {} and { question } are text.",
    '{"a": {}} {{question}} {question} {left} {rounds_left}\n{instructions}\n{passages}{notes}{node:NAME}{notes}'
    "{node:NAME}{format}{question}",
    '{"a": {}} {{question}} {question} {left} {node:NAME}{node:NAME}{node:NAME}{format}',
)
"""Instructions, and templates."""


class NodeConformance:
    """Tests that every node kind passes; subclass it, name the kind, and say what the model replies."""

    kind: Kind[Any]
    """The kind under test."""
    dialect: str = "chat"
    """The dialect that `reply` speaks."""
    calls: bool = True
    """False for a node that makes no call in the setting of `node`."""
    resource: Any = None
    """What the kind's `open` would make, where it is slow to make; a fixture of the subclass sets it."""

    gold: str = "42"
    """The right answer to the task of `inputs`, where the kind has an oracle."""

    def node(self) -> Node:
        """A node with every knob pinned; its model is "scripted"."""
        raise NotImplementedError

    def reply(self, request: Request) -> str:
        """A good reply to what the node asks."""
        raise NotImplementedError

    def inputs(self) -> Inputs:
        """What the node is given; by default the outputs of two nodes before it, and no loop."""
        task = Task(question="What is 40+2?", instructions="Add.", context=("Forty is 40.",))
        candidates = (
            Candidate("42", 0.6, text="40+2 = 42\nAnswer: 42", source="first"),
            Candidate("24", 0.2, text="20+4 = 24\nAnswer: 24", source="first"),
        )
        first = Message(answer="42", text="40+2 = 42\nAnswer: 42", candidates=candidates, evidence=("Two is 2.",))
        second = Message(answer="43", candidates=(Candidate("43", source="second"),))
        return Inputs(task, task.question, {"first": first, "second": second})

    def bench(self, script: Callable[[Request], str | Reply] | None = None) -> NodeBench:
        """A bench whose one model replies as the script says, by default as `reply` does."""
        card = ModelCard(name="scripted", provider="scripted", attempts=1, dialect=self.dialect, json_schema=True)
        return NodeBench([ScriptedModel(script or self.reply, card=card)], [self.kind], resource=self.resource)

    def test_settings_survive_json(self) -> None:
        """A node is data: its canonical form is JSON and reads back to an equal node."""
        node = self.node()
        data = json.loads(json.dumps(node.canonical()))
        again = node_from_json(data, kinds_with(self.kind), allow=None)
        assert again == node
        assert again.canonical() == node.canonical()

    def test_settings_are_frozen_and_closed(self) -> None:
        """Nothing can be changed on a node, and an unknown setting is refused."""
        node = self.node()
        with pytest.raises(ValidationError):
            setattr(node, next(iter(type(node).model_fields)), None)
        with pytest.raises(GraphError, match="no_such_setting"):
            type(node).model_validate({**node.model_dump(), "no_such_setting": 1})

    def test_every_knob_of_the_node_is_pinned(self) -> None:
        """`node` must return a node that can run."""
        assert self.node().open_knobs(("scripted",)) == {}

    def test_good_replies_make_a_good_message(self) -> None:
        """With good replies there is an answer, parts or evidence, and a status of ok."""
        outcome = self.bench().run(self.node(), self.inputs())
        assert outcome.message.status is Status.OK, outcome.message.reason
        assert outcome.message.answer or outcome.message.parts or outcome.message.evidence
        assert bool(outcome.bounds) is self.calls

    def test_the_same_run_twice_is_the_same_message(self) -> None:
        """Nothing but the replies decides what a node says."""
        first = self.bench().run(self.node(), self.inputs())
        assert self.bench().run(self.node(), self.inputs()).message == first.message

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " \n ",
            "I cannot say.",
            "{" * 5000,
            '{"a":' * 3000,
            "Answer:",
            "\ud800 Answer: \udfff",
            "Answer: __import__('os').system('exit 1')",
            "9" * 6000,
            "Query: \" OR * NEAR( ) -- '; DROP TABLE passage",
            '{"parts": ["{p1}"], "combine": "{p9}"}',
            "Probability: 999999999999999999999999999999",
        ],
    )
    def test_no_reply_can_break_it(self, text: str) -> None:
        """Whatever a model writes becomes a message, and that message can be stored."""
        outcome = self.bench(lambda request: text).run(self.node(), self.inputs())
        assert isinstance(outcome.message.status, Status)
        for written in (outcome.message.answer, outcome.message.text, outcome.message.reason):
            written.encode()

    @pytest.mark.parametrize("status", [Status.REFUSED, Status.TIMEOUT, Status.PROVIDER_ERROR])
    def test_a_failing_model_is_a_status(self, status: Status) -> None:
        """A failed call never becomes an answer that looks fine; what other nodes said may still be chosen."""

        def fail(request: Request) -> str:
            raise CallFailed(status, "planted")

        outcome = self.bench(fail).run(self.node(), self.inputs())
        if outcome.message.status is Status.OK:
            given = {message.answer for message in self.inputs().messages.values()}
            assert outcome.message.answer in given or not self.calls
        else:
            assert outcome.message.status is status or outcome.message.reason

    def test_an_empty_account_ends_in_a_status(self) -> None:
        """Without room for a single call the node says budget, or does without a model."""
        outcome = self.bench().run(self.node(), self.inputs(), limit=1)
        assert outcome.charged == ZERO
        assert outcome.message.status in (Status.OK, Status.BUDGET)

    @pytest.mark.parametrize("filler", ["good", "longest", "unreadable"])
    @pytest.mark.parametrize("crowd", ["nothing", "few large", "many small"])
    def test_the_worst_case_is_enough(self, crowd: str, filler: str) -> None:
        """A run whose account has exactly the worst case never meets its cap, whatever comes in and comes back."""
        inputs = crowded(self.inputs(), crowd)

        def script(request: Request) -> str:
            if filler == "unreadable":
                return "?" * request.max_output_tokens
            return (
                self.reply(request)
                if filler == "good"
                else f"{self.reply(request)}\n".ljust(request.max_output_tokens, "x")
            )

        bench = self.bench(script)
        known = Ask(inputs.question, inputs.task.instructions, inputs.task.context)
        worst = bench.worst_case(self.node(), known, incoming_of(inputs))
        outcome = bench.run(self.node(), inputs, limit=worst.tokens)
        assert outcome.message.status is not Status.BUDGET, outcome.message.reason
        assert sum(bound.tokens for bound in outcome.bounds) <= worst.tokens
        assert not (outcome.charged + outcome.lost).exceeds(worst), "it paid more than its bound and its fee"

    @pytest.mark.parametrize("crowd", ["nothing", "few large", "many small"])
    @pytest.mark.parametrize("text", _PROMPTS)
    def test_a_prompt_of_the_users_own_is_sent_as_it_is_written_and_is_bounded(self, text: str, crowd: str) -> None:
        """Of a kind with a `prompt`: a template is the user message, instructions stand first; its bound holds."""
        node, inputs = self.node(), crowded(self.inputs(), crowd)
        if not self.calls or self.dialect != "chat" or "prompt" not in {*type(node).model_fields} - node.idle_knobs():
            pytest.skip("in this setting the kind has no prompt")
        text = text.replace("NAME", next(iter(self.inputs().messages), "none"))
        inputs = replace(inputs, left=123_456, rounds_left=3)
        examples = (("What is 1+1?", "Answer: 2"),)
        node = type(node).model_validate({**dict(node), "prompt": Prompt(text, examples=examples)})
        known = Ask(inputs.question, inputs.task.instructions, inputs.task.context)
        bench = self.bench()
        worst = bench.worst_case(node, known, incoming_of(inputs))
        outcome = bench.run(node, inputs, limit=worst.tokens)
        assert outcome.message.status is not Status.BUDGET, outcome.message.reason
        assert outcome.requests or crowd == "nothing"
        for request in outcome.requests:
            said = [message.content for message in request.messages]
            assert "Answer: 2" in said
            place = said.index("Answer: 2")  # what follows the user message is a reply that is to be mended
            before, question, last = said[: place - 1], said[place - 1], said[place + 1]
            assert question.endswith("What is 1+1?")
            if text == _PROMPTS[0]:
                assert before[0].startswith(f"{text}\n")
                assert inputs.question in last
            else:
                assert not before
                assert last.startswith(f'{{"a": {{}}}} {{{{question}}}} {inputs.question} 120000 ')

    def test_its_message_fits_the_edge_behind_it(self) -> None:
        """What a kind says that it writes is what its edges carry; more than that would not arrive."""
        bench, inputs = self.bench(), self.inputs()
        known = Ask(inputs.question, inputs.task.instructions, inputs.task.context)
        size = bench.writes(self.node(), known, incoming_of(inputs))
        message = bench.run(self.node(), inputs).message
        assert message.forwarded(Forward.FULL, size).status is not Status.OVERSIZE, f"`writes` says {size}: {message}"

    def test_it_calls_the_models_that_its_kind_names(self) -> None:
        """Those of its worst case and no others, so that nobody is told of a model that a plan does not use."""
        node = self.node()
        named = set(self.kind.called_by(node))
        speakers = Speakers(lambda model: dialect_named(self.dialect), lambda model, tokens: tokens)
        bounds = self.kind.worst_case(node, Ask("?"), Incoming(()), speakers)
        bounded = {bound.model for bound in bounds}
        called = {request.model for request in self.bench().run(node, self.inputs()).requests}
        assert named == bounded >= called, f"`models` says {named}, its worst case {bounded}, a run called {called}"

    def test_knobs_that_hold_a_model_are_marked(self) -> None:
        """A `ModelKnob` is open to the pool with `"*"`, and no other field is."""
        node = self.node()
        for name in type(node).model_fields:
            opened = node.model_copy(update={name: ANY_MODEL}).open_knobs(("a", "b"))
            if name in node.model_knobs():
                assert opened.get(name, ("a", "b")) == ("a", "b")
            else:
                assert name not in opened, f"only a ModelKnob is opened by '*', not {name!r}"
                assert not self._is_knob_of_models(node, name), f"declare {name!r} as a ModelKnob; it holds a model"

    def _is_knob_of_models(self, node: Node, name: str) -> bool:
        value = getattr(node, name)
        if not isinstance(value, str) or value not in self.kind.called_by(node):
            return False
        try:
            opened = type(node).model_validate({**node.model_dump(), name: {"choose": [value]}})
        except GraphError:
            return False
        return isinstance(getattr(opened, name), Choice)

    def test_its_place_among_other_nodes_can_be_told(self) -> None:
        """Depths are on one axis, rounds and parts are numbers, and no more parts are made than the kind says."""
        node = self.node()
        depth, rounds, most_parts = self.kind.depth(node), self.kind.repeats(node), self.kind.most_parts(node)
        assert depth is None or isinstance(depth, Depth), f"`depth` must say a Depth or None, not {depth!r}"
        assert depth is None or (depth >= NO_REASONING and depth.name), f"{depth!r} needs a name and a place from 0 on"
        assert rounds >= 0, f"`repeats` must not be negative, it is {rounds}"
        made = len(self.bench().run(node, self.inputs()).message.parts)
        assert made <= most_parts <= CANDIDATES, (
            f"{made} parts were made of {most_parts}; at most {CANDIDATES} can pass"
        )

    def test_its_draws_are_numbered_and_on_record(self) -> None:
        """So that fewer draws are a part of more, and vote curves can be read off a run. See `Draws`."""
        node = self.node()
        draws = self.kind.draws(node)
        if draws is None:
            pytest.skip("the kind has no number of draws")
        assert draws.knob in type(node).model_fields, f"there is no knob {draws.knob!r}"
        assert isinstance(draws.number, int) or draws.stops, "adaptive drawing needs a rule that ends it"
        run = self.bench().run(node, replace(self.inputs(), round=0))
        told: list[Any] = [fields["draws"] for _, fields in run.events if "draws" in fields]
        asked = sorted({request.sample // draws.numbers for request in run.requests})
        assert asked == list(range(len(asked))), f"draws are asked for as samples 0, 1 and so on, not {asked}"
        least = draws.number.low if isinstance(draws.number, Adaptive) else draws.number
        highest = most(draws.number) + draws.redraws
        assert least <= len(asked) <= highest, f"it asked for {len(asked)} draws, not {draws.number}"
        if not draws.curves:
            return
        assert len(told) == (len(asked) > 1), f"of {len(asked)} draws, {len(told)} events tell with the field `draws`"
        drawn = told[0] if told else [("", None)]
        assert len(drawn) == len(asked), f"{len(drawn)} draws are on record, {len(asked)} were asked for"
        for answer, sure in drawn:
            assert answer is None or isinstance(answer, str), f"a drawn answer is a text or None, not {answer!r}"
            assert sure is None or 0 <= sure <= 1, f"a confidence lies between 0 and 1, not {sure!r}"

    def test_fewer_draws_are_a_part_of_more(self) -> None:
        """What more draws have paid for, fewer need not pay again."""
        some, more = (set(self.bench().run(self._drawing(n), replace(self.inputs(), round=0)).requests) for n in (2, 5))
        assert some <= more, "with five draws it does not ask what it asks with two"

    def test_a_cap_that_ends_the_draws_leaves_what_there_is(self) -> None:
        """With room for one draw of several there is an answer all the same."""
        inputs = self.inputs()
        known = Ask(inputs.question, inputs.task.instructions, inputs.task.context)
        one, many, bench = self._drawing(1), self._drawing(4), self.bench()
        room = bench.worst_case(one, known, incoming_of(inputs))
        assert room.tokens < bench.worst_case(many, known, incoming_of(inputs)).tokens, "its bound does not count draws"
        outcome = bench.run(many, inputs, limit=room.tokens)
        assert outcome.message.status is not Status.BUDGET, outcome.message.reason

    def test_draws_that_a_red_flag_discards_are_drawn_anew_within_the_bound(self) -> None:
        """Of a kind with `red_flags`: also where every draw is discarded; then all count."""
        node, inputs = self._drawing(2), self.inputs()
        if not isinstance(node, RepeatedNode):
            pytest.skip("the kind has no red flags")
        node = type(node).model_validate({**dict(node), "red_flags": (_everything,), "redraws": 3})
        known = Ask(inputs.question, inputs.task.instructions, inputs.task.context)
        draws, bench = self.kind.draws(node), self.bench()
        assert draws is not None
        run = bench.run(node, inputs, limit=bench.worst_case(node, known, incoming_of(inputs)).tokens)
        assert run.message.status is bench.run(self._drawing(2), inputs).message.status
        asked = {request.sample // draws.numbers for request in run.requests}
        assert len(asked) == 2 + 3, f"it drew {len(asked)} times, where two draws and three in their place were due"
        assert any("flagged" in fields for _, fields in run.events), "the trace does not say what was discarded"

    def _drawing(self, number: int) -> Node:
        """The node with so many draws."""
        node = self.node()
        draws = self.kind.draws(node)
        if draws is None:
            pytest.skip("the kind has no number of draws")
        try:
            drawing = type(node).model_validate({**dict(node), draws.knob: number})
        except GraphError as problem:
            pytest.skip(f"in this setting it draws once: {problem}")
        return drawing

    def test_an_answer_of_a_verified_kind_is_checked(self) -> None:
        """Arms with such a node are kept for what they can do; see `Kind.verified`."""
        message = self.bench().run(self.node(), self.inputs()).message
        if self.kind.verified:
            checked = {candidate.checked for candidate in message.candidates}
            assert checked == {True}, "a verified kind marks its candidates as checked"

    def test_what_it_asks_of_one_source_does_not_depend_on_another(self) -> None:
        """Where the kind says so; a search then pays for each source once. See `Kind.asks_per_source`."""
        if not self.kind.asks_per_source:
            pytest.skip("the kind does not say so")
        inputs = self.inputs()
        messages = {name: replace(message, evidence=()) for name, message in inputs.messages.items()}
        asked = [
            set(self.bench().run(self.node(), replace(inputs, messages=given)).requests)
            for given in (messages, *({name: message} for name, message in messages.items()))
        ]
        assert asked[0] == set().union(*asked[1:]), "what it asks of two sources is not what it asks of each"

    def test_its_oracle_speaks_only_of_what_the_task_tells(self) -> None:
        """It makes no call, and says nothing where there is nothing to go by."""
        if self.kind.oracle is None:
            pytest.skip("the kind has no oracle")
        inputs, bench = self.inputs(), self.bench()
        told = inputs.task.model_copy(update={"gold": self.gold})
        untold = inputs.task.model_copy(update={"gold": "", "metadata": {}})
        without = bench.oracle(self.node(), replace(inputs, task=untold), _same)
        assert without is None, f"the task tells nothing, and the oracle says {without!r}"
        message = bench.oracle(self.node(), replace(inputs, task=told), _same)
        if message is not None:
            good = not message.status.failed and (message.answer or message.parts or message.evidence)
            assert good, f"a node that makes no mistake says something, not {message!r}"


def _everything(sample: Sample) -> str:
    return "this is a test"


def _same(task: Task, answer: str) -> float:
    return float(answer == task.gold)

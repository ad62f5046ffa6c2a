from __future__ import annotations

import random
import re
from collections import deque

import pytest

from apportion.tasks.families import generate
from apportion.tasks.families.hanoi import Pegs, draw_pegs
from apportion.tasks.metrics import score

State = tuple[str, ...]


def moves(state: State) -> dict[str, State]:
    """By the rules alone: the uppermost disk of a peg, onto a peg whose uppermost disk is larger."""
    top = {peg: next((disk for disk, place in enumerate(state) if place == peg), len(state)) for peg in "abc"}
    return {
        f"{top[source] + 1}{target}": (*state[: top[source]], target, *state[top[source] + 1 :])
        for source in "abc"
        for target in "abc"
        if top[source] < top[target]
    }


def distances(disks: int, target: str) -> dict[State, int]:
    """How many moves each position is from the end; moves can be undone, so the search begins there."""
    end = (target,) * disks
    found, queue = {end: 0}, deque([end])
    while queue:
        state = queue.popleft()
        for reached in moves(state).values():
            if reached not in found:
                found[reached] = found[state] + 1
                queue.append(reached)
    return found


@pytest.mark.parametrize("disks", [1, 2, 3, 4, 5])
def test_the_move_is_the_only_one_that_comes_nearer_in_every_position(disks: int) -> None:
    for target in "abc":
        found = distances(disks, target)
        assert len(found) == 3**disks
        for state, far in found.items():
            if far:
                nearer = [move for move, reached in moves(state).items() if found[reached] < far]
                assert nearer == [Pegs("".join(state), target).move]


def test_the_gold_answers_are_these_moves_and_no_position_is_finished() -> None:
    found = {target: distances(4, target) for target in "abc"}
    for task in generate("hanoi", 40, 1, 4):
        places, target = re.fullmatch(r"Pegs ([abc]{4})\. All to ([abc])\?", task.question).groups()  # type: ignore[union-attr]
        state = tuple(places)
        assert set(state) != {target}
        assert found[target][moves(state)[task.gold]] == found[target][state] - 1
        assert [move for move in moves(state) if score(task, move)] == [task.gold]


def test_drawn_positions_are_never_finished() -> None:
    rng = random.Random(1)
    assert all(set(pegs.places) != {pegs.target} for pegs in (draw_pegs(rng, 1) for _ in range(50)))

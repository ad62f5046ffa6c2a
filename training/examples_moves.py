"""Training examples of following arrows and of moving disks."""

from __future__ import annotations

import random

from apportion.nodes.prompts.base import Ask, Style
from apportion.tasks.families.connectivity import draw_arrows
from apportion.tasks.families.hanoi import Pegs, draw_pegs

from .examples import DIALECT, Example, of_share, reply, sooner

__all__ = ["draw_next_move", "draw_path", "pegs_think"]


def draw_path(rng: random.Random, style: Style) -> Example:
    """Arrows and where a path ends: the letter, the letters on the way, or the arrows followed."""
    length = sooner(rng, 1, 10)
    arrows = of_share(lambda: draw_arrows(rng, length), lambda arrows: arrows.text)
    text = {Style.DIRECT: arrows.end, Style.DRAFT: arrows.path[1:], Style.THINK: " ".join(arrows.followed)}[style]
    return reply(DIALECT.solve(Ask(arrows.text), style), text)


def pegs_think(pegs: Pegs) -> str:
    """`3bc 2aa 1ca|1a`: each disk from the largest with its peg and its goal, then the move."""
    disks = zip(range(len(pegs.places), 0, -1), reversed(pegs.places), reversed(pegs.goals), strict=True)
    return f"{' '.join(f'{disk}{place}{goal}' for disk, place, goal in disks)}|{pegs.move}"


def draw_next_move(rng: random.Random, style: Style) -> Example:
    """A position of the disks and the next move; there is no draft."""
    disks = sooner(rng, 1, 9)
    pegs = of_share(lambda: draw_pegs(rng, disks), lambda pegs: pegs.text)
    return reply(DIALECT.solve(Ask(pegs.text), style), pegs_think(pegs) if style is Style.THINK else pegs.move)

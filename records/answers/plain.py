"""Answers as plain text: LaTeX, Unicode and typography written as one would type them."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["folded", "plain"]

_TYPED = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
        **dict.fromkeys("‘’‚‛′ʼ´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("⁄∕÷", "/"),
        **dict.fromkeys("⋅∙·∗", "*"),
        "٫": ".",
        "٬": ",",
    }
)
_POWER = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ]+")
_INDEX = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎]+")
_SOLID_SPACES = re.compile(r"(?<=\d)(?:[\u00a0\u2007\u2009\u202f~]|\\[,;:! ]|\{,\}|,\\!)(?=\d{3}(?!\d))")
"""Between thousands: no-break and thin spaces, those of LaTeX, and its commas without a space."""
_LATEX = re.compile(r"[\\$~{]")
_LAYERS = 8
"""How deep LaTeX's braces are read; deeper ones stay as they are."""
_MATH = re.compile(r"\\[()\[\]]|\$\$|(?<!\\)\$((?:[^$\\\n]|\\.)+)\$(?!\d)")
"""Marks around math. A dollar sign before a digit is money, so `$5 and $6` has none."""
_STYLED = re.compile(
    r"\\(?:text(?:bf|it|rm|tt|sf|normal)?|math(?:rm|bf|it|sf|tt|bb|cal|normal)|mbox|operatorname|emph|boxed|fbox)"
    r"\*?\s*\{([^{}]*)\}"
)
_SCRIPT = re.compile(r"([\^_])\s*\{\s*([^{}]*?)\s*\}")
_ROOT = re.compile(r"\\sqrt\s*(\[[^\[\]{}]*\])?\s*(?:\{([^{}]*)\}|(\w))")
_FRACTION = re.compile(
    r"([\w)])?\s?\\[dtc]?frac\s*(?:\{\s*([^{}]*?)\s*\}|(\d))\s*(?:\{\s*([^{}]*?)\s*\}|(\d))(?=(\w|\(|\\[a-zA-Z])?)"
)
_ONE = re.compile(r"[-+]?(?:\d+(?:\.\d+)?|[a-zA-Z])")
"""What needs no brackets in a fraction or a power."""
_COMMAND = re.compile(r"\\([a-zA-Z]+|.) ?")
_COMMANDS = {
    "times": "×",
    "pm": "±",
    "pi": "π",
    "infty": "∞",
    "cup": "∪",
    "cap": "∩",
    "in": "∈",
    "to": "→",
    **dict.fromkeys(("cdot", "ast"), "*"),
    **dict.fromkeys(("div",), "/"),
    **dict.fromkeys(("leq", "le", "leqslant"), "≤"),
    **dict.fromkeys(("geq", "ge", "geqslant"), "≥"),
    **dict.fromkeys(("neq", "ne"), "≠"),
    **dict.fromkeys(("circ", "degree"), "°"),
    **dict.fromkeys(("dots", "ldots", "cdots"), "..."),
    **dict.fromkeys(("left", "right", "big", "Big", "bigl", "bigr", "displaystyle", "limits", "!"), ""),
    **dict.fromkeys(("quad", "qquad", "space", "\\", ",", ";", ":", " "), " "),
    **{sign: sign for sign in "%$#&_{}"},
}


def plain(text: str) -> str:
    r"""The text as one would type it: `\frac{1}{2}` as 1/2, `１２` as 12, `x²` as x^2, `–5` as -5, `“a”` as "a".

    White space becomes single spaces. Signs that mean another number are never merged: `10²` is 10^2, not 102. Solid
    spaces between thousands become underscores, as in 1_234. The time is linear in the length.
    """
    if not text.isascii():
        text = _SOLID_SPACES.sub("_", text)
        text = _INDEX.sub(_index, _POWER.sub(_power, text))
        text = unicodedata.normalize("NFKC", "".join(map(_spelled, text)).translate(_TYPED)).translate(_TYPED)
    if _LATEX.search(text):
        text = _without_latex(text)
    return " ".join(text.split())


def folded(text: str) -> str:
    """Plain text without differences of case."""
    return plain(text).casefold()


def _power(found: re.Match[str]) -> str:
    return "^" + unicodedata.normalize("NFKC", found[0]) + _gap(found)


def _index(found: re.Match[str]) -> str:
    """H₂O is H2O, but 10₂ is not 102."""
    joint = "_" if found.string[found.start() - 1 : found.start()].isdigit() else ""
    return joint + unicodedata.normalize("NFKC", found[0]) + _gap(found)


def _gap(found: re.Match[str]) -> str:
    return " " if found.string[found.end() : found.end() + 1].isdigit() else ""


def _spelled(letter: str) -> str:
    """A digit in ASCII, a sign that holds digits apart from those beside it, and nothing for what cannot be seen."""
    if letter.isascii():
        return letter
    digit = unicodedata.decimal(letter, None)
    if digit is not None:
        return str(digit)
    form = unicodedata.normalize("NFKC", letter)
    if form != letter and any(sign.isdigit() for sign in form):
        return f" {form} "
    return "" if unicodedata.category(letter) == "Cf" else letter


def _without_latex(text: str) -> str:
    text = _MATH.sub(lambda marks: marks[1] or "", _SOLID_SPACES.sub("_", text)).replace("{,}", ",")
    for _ in range(_LAYERS):
        before = text
        for pattern, written in ((_STYLED, _style), (_SCRIPT, _script), (_ROOT, _root), (_FRACTION, _fraction)):
            text = pattern.sub(written, text)
        if text == before:
            break
    return _COMMAND.sub(_command, text).replace("^°", "°")


def _style(found: re.Match[str]) -> str:
    return (" " if found.string[found.start() - 1 : found.start()].isdigit() else "") + found[1]


def _script(found: re.Match[str]) -> str:
    if found[2] in ("\\circ", "\\degree"):
        return "°"
    return f"{found[1]}{found[2]}" if _ONE.fullmatch(found[2]) else f"{found[1]}({found[2]})"


def _root(found: re.Match[str]) -> str:
    return f"sqrt{found[1] or ''}({found[2] or found[3] or ''})"


def _fraction(found: re.Match[str]) -> str:
    before, above, below, after = found[1] or "", found[2] or found[3] or "", found[4] or found[5] or "", found[6]
    if not _ONE.fullmatch(above):
        above = f"({above})"
    if not _ONE.fullmatch(below):
        below = f"({below})"
    if before.isdigit() and above.isdigit() and below.isdigit():
        return f"{before} {above}/{below}"
    return f"{before}({above}/{below})" if before or after else f"{above}/{below}"


def _command(found: re.Match[str]) -> str:
    return _COMMANDS.get(found[1], found[0])

"""`apportion models add`: a model's table for pool.toml, from what its endpoint says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .numbers import charge
from .output import say

if TYPE_CHECKING:
    from ..models.endpoint import Endpoint
    from ..models.listing import ListedModel

__all__ = ["command"]


def command(
    url: Annotated[str, typer.Argument(help="Of the endpoint; it mostly ends in /v1.")],
    name: Annotated[str, typer.Option(help="The endpoint's own name for the model, where it lists several.")] = "",
    as_name: Annotated[
        str, typer.Option("--as", help="What graphs and plans call it; the last part of its name if left out.")
    ] = "",
    into: Annotated[Path, typer.Option(help="Pool file; made where there is none.", metavar="FILE")] = Path(
        "pool.toml"
    ),
    key_env: Annotated[str, typer.Option(help="The environment variable that holds the key.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a table of that name.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Say what is missing, and ask the model for 16 tokens: is its cap kept?")
    ] = False,
) -> None:
    """Write a model's table from what its endpoint says of itself."""
    from ..errors import PoolError
    from ..graphs.portal import run_sync
    from ..models.endpoint import Endpoint
    from ..models.pool_writing import write_table

    endpoint = Endpoint(url, api_key_env=key_env)
    listed = run_sync(_find, endpoint, name)
    called = as_name or listed.name.rstrip("/").rpartition("/")[2] or listed.name
    fields = _fields(endpoint, key_env, called, listed)
    say(write_table(into, called, fields, [f"to check: {each}" for each in listed.missing], force=force))
    if not check:
        return
    for line in listed.missing:
        say(f"to check: {line}")
    faults = _check(endpoint, called, fields)
    if faults:
        raise PoolError("\n".join(f"model {called!r}, {fault}" for fault in faults))


async def _find(endpoint: Endpoint, name: str) -> ListedModel:
    from ..models.listing import find_model

    try:
        return await find_model(endpoint, name)
    finally:
        await endpoint.aclose()


def _fields(endpoint: Endpoint, key_env: str, called: str, listed: ListedModel) -> dict[str, Any]:
    keyed = {"api_key_env": key_env} if key_env else {}
    served = {"served_as": listed.name} if called != listed.name else {}
    return {"base_url": endpoint.base_url, **keyed, **served, **listed.fields}


def _check(endpoint: Endpoint, called: str, fields: dict[str, Any]) -> tuple[str, ...]:
    from ..graphs.portal import run_sync
    from ..models.card import ModelCard
    from ..models.checking import check_models
    from ..models.openai_compatible import OpenAIModel
    from ..models.pool import Pool

    of_card = {field: value for field, value in fields.items() if field not in ("base_url", "api_key_env")}
    pool = Pool([OpenAIModel.on(ModelCard.model_validate({"name": called, **of_card}), endpoint)])
    (found,) = run_sync(check_models, pool).values()
    for line in found.said:
        say(f"{called}: {line}")
    say(f"{called}: checked for {charge(found.charged)}")
    return found.faults

"""The models that a run may use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ..errors import PoolError, UnknownName, UsageError
from .base import Model
from .card import ModelCard

if TYPE_CHECKING:
    from .endpoint import Endpoint

__all__ = ["Pool"]


class Pool:
    """Models by name, in a fixed order; immutable.

    A pool is made in code, `Pool([model, ...])`, or read from a TOML file with one table per model::

        [models.small]                          # the name that graphs and plans use
        base_url = "http://localhost:8000/v1"   # an OpenAI-compatible endpoint
        api_key_env = "MY_KEY"                  # the environment variable with the key; leave out where none is needed
        served_as = "Qwen/Qwen3-4B"             # the endpoint's name for it, if another
        output_cap = "max_tokens"               # any field of ModelCard

        [models.pocket-100k]                    # an embedded model: runs in this process, needs nothing
        provider = "pocket"

    `base_url` is required except for embedded models. `transport` chooses how requests travel, see `Endpoint`. All
    other fields are those of `ModelCard`.

    Args:
        models: at least one; their names must differ.

    Raises:
        PoolError: there are no models, or two have one name.
    """

    __slots__ = ("_models",)

    def __init__(self, models: Iterable[Model]) -> None:
        self._models: dict[str, Model] = {}
        for model in models:
            name = model.card.name
            if name in self._models:
                raise PoolError(f"two models of the pool are named {name!r}; give one of them another name")
            self._models[name] = model
        if not self._models:
            raise PoolError("the pool has no models; give it at least one")

    @classmethod
    def given(cls, pool: object) -> Pool:
        """What a caller gave as a pool.

        Raises:
            UsageError: it is none.
        """
        if isinstance(pool, cls):
            return pool
        raise UsageError(
            f"pool must be a Pool, not {pool!r:.40}; write Pool(load_pocket_models()) or Pool.from_toml('pool.toml')"
        )

    @classmethod
    def from_toml(cls, path: str | Path) -> Pool:
        """Reads a pool file.

        Raises:
            PoolError: the file cannot be read, a field is not valid, or the variable with an API key is not set. Each
                line of the message names file, table and field.
        """
        from .pool_file import read_pool_file

        return cls(read_pool_file(Path(path)))

    def model(self, name: str) -> Model:
        """The model of that name.

        Raises:
            UnknownName: there is none; the message names the nearest.
        """
        try:
            return self._models[name]
        except KeyError:
            raise UnknownName("model", name, self._models) from None

    def card(self, name: str) -> ModelCard:
        """What is known of the model of that name.

        Raises:
            UnknownName: there is none; the message names the nearest.
        """
        return self.model(name).card

    @property
    def names(self) -> tuple[str, ...]:
        """The models' names, in the pool's order."""
        return tuple(self._models)

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The models' cards, in the pool's order."""
        return tuple(model.card for model in self)

    @property
    def costs_money(self) -> bool:
        """Whether a token of any model has a price."""
        return any(card.costs_money for card in self.cards)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys of its endpoints and what else they were told of secrets, which nothing may keep."""
        return tuple(dict.fromkeys(secret for endpoint in self._endpoints() for secret in endpoint.secrets))

    def _endpoints(self) -> Sequence[Endpoint]:
        """Where its models are served elsewhere, each once."""
        found = (endpoint for model in self if isinstance(model, _Remote) for endpoint in model.endpoints)
        return tuple({id(endpoint): endpoint for endpoint in found}.values())

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def __repr__(self) -> str:
        return f"Pool({', '.join(self._models)})"

    async def check(self) -> tuple[str, ...]:
        """Asks every endpoint whether it is there and takes the key; costs no tokens.

        Returns:
            A line for each endpoint that is not, where the models that it serves have others that are.

        Raises:
            PoolError: some model has no endpoint; one line for each that is not there.
        """
        endpoints = self._endpoints()
        results = await asyncio.gather(*(each.check() for each in endpoints), return_exceptions=True)
        faults: dict[int, str] = {}
        for endpoint, result in zip(endpoints, results, strict=True):
            if isinstance(result, PoolError):
                faults[id(endpoint)] = str(result)
            elif isinstance(result, BaseException):
                raise result
        served = [model.endpoints for model in self if isinstance(model, _Remote)]
        if any(all(id(endpoint) in faults for endpoint in each) for each in served):
            raise PoolError("\n".join(faults.values()))
        return tuple(faults.values())

    async def aclose(self) -> None:
        """Lets go of all connections; the pool may be used again afterwards."""
        for model in self:
            await model.aclose()


@runtime_checkable
class _Remote(Protocol):
    """A model that is served elsewhere; a protocol, so that pools of embedded models need not load the client."""

    @property
    def endpoints(self) -> Sequence[Endpoint]: ...

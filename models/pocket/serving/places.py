"""The server's queue: how many samples may be in the works at once."""

from __future__ import annotations

from ....web.refusal import Refusal

__all__ = ["Places"]

_RETRY_SECONDS = 1


class Places:
    """Places for samples that run or wait. To be used from one event loop.

    Args:
        most: how many there are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    def take(self, count: int) -> None:
        """Takes places.

        Raises:
            Refusal: so many are not free now, or never.
        """
        if count > self._most:
            message = f"Invalid value for 'n': the queue of this server holds {self._most} samples."
            raise Refusal(400, message, code="invalid_value", param="n")
        if self._taken + count > self._most:
            message = (
                f"The queue is full: {self._taken} of at most {self._most} samples are being written or wait. "
                f"Try again in {_RETRY_SECONDS} s."
            )
            raise Refusal(429, message, code="rate_limit_exceeded", kind="requests", retry_after=_RETRY_SECONDS)
        self._taken += count

    def give_back(self, count: int) -> None:
        """Makes places free."""
        self._taken -= count

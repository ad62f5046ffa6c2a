"""A request that is not served, in the shape that OpenAI's clients turn into typed errors."""

from __future__ import annotations

from starlette.responses import JSONResponse

__all__ = ["FAULT", "Refusal", "error_body"]


class Refusal(Exception):
    """A request that is not served.

    Args:
        status: of HTTP.
        message: one line for people: what is wrong and how to mend it.
        code: for programs, such as "model_not_found".
        param: the field at fault, such as "messages[0].role"; None where it is no field.
        kind: the type of error, in OpenAI's words.
        retry_after: seconds after which another attempt may succeed.
        final: whether clients that try again by themselves are told not to.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        kind: str = "invalid_request_error",
        retry_after: int | None = None,
        final: bool = False,
    ) -> None:
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.retry_after = retry_after
        self.final = final
        super().__init__(message)

    def response(self) -> JSONResponse:
        """The refusal as a response."""
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        if self.final:
            headers["x-should-retry"] = "false"
        return JSONResponse(error_body(self), self.status, headers)


def error_body(refusal: Refusal) -> dict[str, dict[str, str | None]]:
    """The JSON of an error."""
    return {"error": {"message": refusal.message, "type": refusal.kind, "param": refusal.param, "code": refusal.code}}


FAULT = Refusal(500, "The model failed; the server's log says why.", code="internal_error", kind="server_error")
"""What a client is told of an error of the server's own."""

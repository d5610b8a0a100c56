"""What the API answers when it refuses. The texts are those of ApiServer, ParamProcessWorker and ResourceManagerImpl of 4.8."""

from __future__ import annotations

RUNTIME, INVALID, GENERAL = 4250, 4350, 9999
"""cserrorcode: CloudRuntimeException, InvalidParameterValueException, ServerApiException."""


class ApiError(Exception):
    """`code` is the HTTP status as well; `detail` the cserrorcode, 0 for none."""

    def __init__(self, code: int, text: str, detail: int = GENERAL) -> None:
        super().__init__(text)
        self.code, self.text, self.detail = code, text, detail


def unauthorized() -> ApiError:
    return ApiError(401, "unable to verify user credentials and/or request signature", 0)


def unknown(command: str) -> ApiError:
    return ApiError(432, f"The given command:{command} does not exist or it is not available for user with id:2", 0)


def missing(command: str, name: str) -> ApiError:
    return ApiError(431, f"Unable to execute API command {command.lower()} due to missing parameter {name}")


def no_such(command: str, name: str, value: str) -> ApiError:
    return ApiError(
        431,
        f"Unable to execute API command {command.lower()} due to invalid value. Invalid parameter {name} value={value} due to incorrect "
        "long value format, or entity does not exist or due to incorrect parameter annotation for the field in api cmd class.",
    )


def invalid(text: str) -> ApiError:
    return ApiError(431, text, INVALID)


def internal(text: str) -> ApiError:
    return ApiError(530, text, RUNTIME)

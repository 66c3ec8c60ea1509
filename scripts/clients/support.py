"""What the checks of Python clients share: the client, its exceptions, and the command line."""

import argparse

import openai


def client(url: str, key: str, **options) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, timeout=120, **options)


def raised(kind: type, call, status: int, code: str, words: list[str]) -> openai.APIStatusError:
    """Asserts that `call` raises this exception, with a message that a person can use."""
    try:
        call()
    except openai.APIStatusError as error:
        assert type(error) is kind, f"{type(error).__name__} where {kind.__name__} is expected: {error}"
        assert error.status_code == status, error
        assert error.code == code, (error.code, code)
        assert error.request_id and error.request_id == error.response.json()["request_id"], error.request_id
        # What the client prints: the message has to say what happened and what to do next.
        for word in words:
            assert word in error.body["message"], (word, error.body)
        assert error.body["message"] in str(error), str(error)
        return error
    raise AssertionError(f"no {kind.__name__}")


def main(plain: list, special: list) -> None:
    """Runs the checks that the command line names; `all` are the plain ones, which any server can answer."""
    parser = argparse.ArgumentParser()
    checks = {check.__name__: [check] for check in plain + special} | {"all": plain}
    parser.add_argument("checks", choices=checks, nargs="+")
    parser.add_argument("url")
    parser.add_argument("--key", default="any")
    arguments = parser.parse_args()
    for check in [check for name in arguments.checks for check in checks[name]]:
        check(arguments.url, arguments.key)
        print(f"ok {check.__name__}")

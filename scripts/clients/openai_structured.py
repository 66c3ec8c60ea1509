"""The unmodified `openai` client against a running server: answers that keep a schema, and calls that are demanded.

    python scripts/clients/openai_structured.py CHECK.. URL [--key KEY]

A CHECK is one of the functions below, or `all`. The model knows nothing: what holds is the form.
"""

import enum
import json

import openai
import pydantic

from support import client, main

MODEL = "tabagent-chat"
MESSAGES = [{"role": "user", "content": "The weather in Oslo?"}]
# Longest texts and lists are bounded, so that every answer fits the model's context.
BASE = {"model": MODEL, "messages": MESSAGES, "max_tokens": 600}


class Sky(enum.Enum):
    CLEAR = "clear"
    RAIN = "rain"


class Weather(pydantic.BaseModel):
    city: str = pydantic.Field(max_length=12)
    sky: Sky
    degrees: int = pydantic.Field(ge=-50, le=50)
    windy: bool


class get_weather(pydantic.BaseModel):
    """The weather in a city."""

    city: Sky
    days: bool


TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}, "exact": {"type": "boolean"}},
        "required": ["city", "exact"], "additionalProperties": False}}},
    {"type": "function", "function": {"name": "get_time", "parameters": {
        "type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}, "required": ["zone"],
        "additionalProperties": False}}},
]
FORMS = {
    "get_weather": lambda values: set(values) == {"city", "exact"} and values["city"] in ["Oslo", "Rome"]
    and isinstance(values["exact"], bool),
    "get_time": lambda values: set(values) == {"zone"} and values["zone"] in ["UTC", "CET"],
}


def keeps_its_form(call) -> bool:
    return FORMS[call.function.name](json.loads(call.function.arguments))


def parsed(url: str, key: str) -> None:
    api = client(url, key)
    for seed in range(4):
        drawn = {**BASE, "temperature": 1, "seed": seed}
        answer = api.chat.completions.parse(**drawn, response_format=Weather)
        choice = answer.choices[0]
        assert choice.finish_reason == "stop" and isinstance(choice.message.parsed, Weather), choice
        assert choice.message.refusal is None, choice
        # The same as a stream, through the client's own helper.
        with api.chat.completions.stream(**drawn, response_format=Weather) as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion()
        assert final.choices[0].message.parsed == choice.message.parsed, final
    # Cut off: the client says so by an exception of its own.
    try:
        api.chat.completions.parse(**(BASE | {"max_tokens": 2}), response_format=Weather)
    except openai.LengthFinishReasonError as error:
        assert error.completion.choices[0].finish_reason == "length", error
    else:
        raise AssertionError("an answer of two tokens was parsed")


def json_object(url: str, key: str) -> None:
    api = client(url, key)
    for seed in range(4):
        answer = api.chat.completions.create(**BASE, response_format={"type": "json_object"}, temperature=1, seed=seed)
        # One that ends by itself is an object.
        if answer.choices[0].finish_reason == "stop":
            assert isinstance(json.loads(answer.choices[0].message.content), dict), answer


def demanded_tools(url: str, key: str) -> None:
    api = client(url, key)
    for seed in range(4):
        drawn = {**BASE, "tools": TOOLS, "temperature": 1, "seed": seed}
        choice = api.chat.completions.create(**drawn, tool_choice="required").choices[0]
        calls = choice.message.tool_calls
        # Of an answer that was cut by its length the last call may be.
        whole = calls[:-1] if choice.finish_reason == "length" else calls
        assert calls and all(keeps_its_form(call) for call in whole), choice
        one = api.chat.completions.create(**drawn, tool_choice="required", parallel_tool_calls=False).choices[0]
        assert len(one.message.tool_calls) == 1 and keeps_its_form(one.message.tool_calls[0]), one
        named = {"type": "function", "function": {"name": "get_time"}}
        choice = api.chat.completions.create(**drawn, tool_choice=named).choices[0]
        assert [call.function.name for call in choice.message.tool_calls] == ["get_time"], choice
        assert keeps_its_form(choice.message.tool_calls[0]), choice
        # As a stream, put together by the client's own helper.
        with api.chat.completions.stream(**drawn, tool_choice="required", parallel_tool_calls=False) as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion().choices[0]
        assert final.message.tool_calls and all(keeps_its_form(call) for call in final.message.tool_calls), final
    # Strict tools of the client's own making are parsed into its types.
    tool = openai.pydantic_function_tool(get_weather)
    answer = api.chat.completions.parse(**BASE, tools=[tool], tool_choice="required", parallel_tool_calls=False)
    call = answer.choices[0].message.tool_calls[0]
    assert isinstance(call.function.parsed_arguments, get_weather), call


def structured_failures(url: str, key: str) -> None:
    api = client(url, key)
    ask = lambda **values: (lambda: api.chat.completions.create(**{**BASE, **values}))
    form = lambda schema: {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    for values, param in [
        ({"response_format": form({"type": "nothing"})}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "unknown"}}}, "tool_choice"),
    ]:
        try:
            ask(**values)()
        except openai.BadRequestError as error:
            assert error.param and error.param.startswith(param), (error.param, error.body)
        else:
            raise AssertionError(f"{values} was answered")


PLAIN = [parsed, json_object, demanded_tools, structured_failures]

main(PLAIN, [])

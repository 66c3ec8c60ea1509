"""The unmodified `openai` client against a running server: responses.

    python scripts/clients/openai_responses.py CHECK.. URL [--key KEY]

A CHECK is one of the functions below, or `all` for those that a plain server can answer.
"""

import json
import threading

import openai
from openai.types.responses import Response

from support import client, main, raised

MODEL = "tabagent-chat"
GREEDY = {"model": MODEL, "input": "Who are you?", "temperature": 0, "max_output_tokens": 48}
TOOLS = [
    {"type": "function", "name": "get_weather", "strict": False, "description": "The weather in a city.",
     "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}},
    {"type": "function", "name": "get_time", "strict": False,
     "parameters": {"type": "object", "properties": {"zone": {"type": "string"}, "exact": {"type": "boolean"}}}},
]


def responses(url: str, key: str) -> None:
    api = client(url, key)
    answer = api.responses.create(**GREEDY, metadata={"topic": "self"}, instructions="Be brief.")
    assert isinstance(answer, Response) and answer.object == "response" and answer.status == "completed", answer
    assert answer.id.startswith("resp_") and answer.model == MODEL and answer.error is None, answer
    assert answer.metadata == {"topic": "self"} and answer.instructions == "Be brief.", answer
    [message] = answer.output
    assert (message.type, message.role, message.status) == ("message", "assistant", "completed"), message
    assert answer.output_text == message.content[0].text and answer.output_text, answer
    usage = answer.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens and usage.output_tokens > 1, usage
    # The client's types know every value that is sent: what they do not know they would keep as it is.
    assert type(answer).model_validate(answer.model_dump(), strict=False) == answer
    cut = api.responses.create(**(GREEDY | {"max_output_tokens": 3}))
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens", cut
    # Messages in both forms, with parts.
    items = [
        {"role": "user", "content": "Hello"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi.", "annotations": []}]},
        {"role": "user", "content": [{"type": "input_text", "text": "Who are you?"}]},
    ]
    assert api.responses.create(**(GREEDY | {"input": items})).output_text
    told = api.responses.create(**GREEDY, top_logprobs=2, include=["message.output_text.logprobs"])
    tokens = told.output[0].content[0].logprobs
    assert tokens and all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in tokens), tokens


def stored(url: str, key: str) -> None:
    api = client(url, key)
    first = api.responses.create(**GREEDY)
    again = api.responses.retrieve(first.id)
    assert again == first, again
    [item] = api.responses.input_items.list(first.id)
    assert item.role == "user" and item.content[0].text == GREEDY["input"], item
    # The next turn reads the first one from the store, and not again from the cache.
    second = api.responses.create(**(GREEDY | {"input": "And what can you do?"}), previous_response_id=first.id)
    assert second.previous_response_id == first.id, second
    assert second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens - 2, second.usage
    whole = [
        {"role": "user", "content": GREEDY["input"]}, *first.output, {"role": "user", "content": "And what can you do?"},
    ]
    assert api.responses.create(**(GREEDY | {"input": whole})).output_text == second.output_text
    api.responses.delete(first.id)
    raised(openai.NotFoundError, lambda: api.responses.retrieve(first.id), 404, "response_not_found", [first.id])
    raised(openai.NotFoundError, lambda: api.responses.delete(first.id), 404, "response_not_found", [first.id])
    error = raised(openai.BadRequestError, lambda: api.responses.create(**GREEDY, previous_response_id=second.id), 400,
                   "previous_response_not_found", [first.id])
    assert error.param == "previous_response_id", error.param
    fleeting = api.responses.create(**GREEDY, store=False)
    raised(openai.NotFoundError, lambda: api.responses.retrieve(fleeting.id), 404, "response_not_found", [fleeting.id])


def responses_stream(url: str, key: str) -> None:
    api = client(url, key)
    whole = api.responses.create(**GREEDY)
    events = list(api.responses.create(**GREEDY, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events))), events
    kinds = [event.type for event in events]
    assert kinds[:4] == ["response.created", "response.in_progress", "response.output_item.added",
                         "response.content_part.added"], kinds
    assert kinds[-4:] == ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                          "response.completed"], kinds
    assert set(kinds[4:-4]) == {"response.output_text.delta"} and len(kinds) > 12, kinds
    # Typed: no event that the client does not know.
    assert all(type(event).__name__.startswith("Response") for event in events), {type(event) for event in events}
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-4].text == events[-1].response.output_text == whole.output_text, text
    assert events[0].response.status == "in_progress" and events[-1].response.usage.total_tokens, events[-1]
    assert api.responses.retrieve(events[0].response.id).output_text == text
    # The client's own helper puts the events together.
    with api.responses.stream(**GREEDY) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == text, final
    last = list(api.responses.create(**(GREEDY | {"max_output_tokens": 3}), stream=True))[-1]
    assert last.type == "response.incomplete", last


def responses_tools(url: str, key: str) -> None:
    """The server has the models `recital/one-call` and `recital/two-calls`, which say what their names say."""
    api = client(url, key)
    asked = lambda name, **more: {"model": f"recital/{name}", "input": "The weather?", "tools": TOOLS, **more}
    wanted = {
        "one-call": [("get_weather", {"city": "Zürich", "days": 3})],
        "two-calls": [("get_weather", {"city": "Oslo"}), ("get_time", {"zone": "Europe/Rome", "exact": True})],
    }
    read = lambda items: [(item.name, json.loads(item.arguments)) for item in items if item.type == "function_call"]
    for name, calls in wanted.items():
        answer = api.responses.create(**asked(name))
        assert answer.status == "completed" and read(answer.output) == calls, answer.output
        events = list(api.responses.create(**asked(name), stream=True))
        done = [event for event in events if event.type == "response.function_call_arguments.done"]
        assert [json.loads(event.arguments) for event in done] == [values for _, values in calls], done
        for event in done:
            parts = [found.delta for found in events if found.type == "response.function_call_arguments.delta"
                     and found.item_id == event.item_id]
            assert "".join(parts) == event.arguments and len(parts) > 4, (parts, event)
        assert read(events[-1].response.output) == calls, events[-1]
        # The client's own helper puts the fragments together.
        with api.responses.stream(**asked(name)) as stream:
            grown = [event for event in stream if event.type == "response.function_call_arguments.delta"]
            final = stream.get_final_response()
        written = [item.arguments for item in answer.output if item.type == "function_call"]
        ends = {event.output_index: event.snapshot for event in grown}
        assert list(ends.values()) == written and read(final.output) == calls, (ends, final)
        # What the functions answer goes back to the model.
        results = [{"type": "function_call_output", "call_id": item.call_id, "output": "sunny"}
                   for item in answer.output if item.type == "function_call"]
        later = api.responses.create(**(asked(name) | {"input": results}), previous_response_id=answer.id)
        assert later.usage.input_tokens > answer.usage.input_tokens, later.usage
    reasoning, *_ = api.responses.create(**asked("one-call")).output
    assert reasoning.type == "reasoning" and reasoning.content[0].text == "The weather: ask the tool. ☂", reasoning
    message, *_ = api.responses.create(**asked("two-calls")).output
    assert message.type == "message" and message.content[0].text == "I look both up.", message


def responses_stopped(url: str, key: str) -> None:
    """Another client stops a response by the id that its events have."""
    api = client(url, key)
    # An answer that goes on for as long as the model takes.
    numbers = {"type": "array", "items": {"type": "integer"}, "minItems": 900}
    schema = {"type": "object", "properties": {"numbers": numbers}, "required": ["numbers"], "additionalProperties": False}
    endless = {"format": {"type": "json_schema", "name": "numbers", "schema": schema}}
    stream = api.responses.create(model=MODEL, input="Count.", text=endless, stream=True, store=False)
    events = [next(iter(stream))]
    answers = []
    stopping = threading.Thread(target=lambda: answers.append(api.post(
        "/generation/stop", cast_to=object, body={"request_id": events[0].response.id})))
    stopping.start()
    events += list(stream)
    stopping.join()
    assert answers == [{"stopped": [stream.response.headers["x-request-id"]]}], answers
    assert events[-1].type == "response.completed" and not events[-1].response.output_text.endswith("}"), events[-1]
    raised(openai.NotFoundError,
           lambda: api.post("/generation/stop", cast_to=object, body={"request_id": events[0].response.id}), 404,
           "generation_not_found", [events[0].response.id, "GET /v1/halt"])


def responses_session(url: str, key: str) -> None:
    """A conversation by its id, as OpenAI's conversations are."""
    api = client(url, key)
    ask = lambda text, **more: api.responses.create(**{**GREEDY, "input": text, "store": False, **more})
    first = ask("Who are you?", conversation="sdk-responses")
    assert first.conversation.id == "sdk-responses", first
    with api.responses.stream(**{**GREEDY, "input": "And what can you do?", "store": False},
                              conversation={"id": "sdk-responses"}) as stream:
        for _ in stream:
            pass
        second = stream.get_final_response()
    assert second.conversation.id == "sdk-responses", second
    whole = ask([{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": first.output_text},
                 {"role": "user", "content": "And what can you do?"}])
    assert whole.conversation is None, whole
    assert (whole.output_text, whole.usage.input_tokens) == (second.output_text, second.usage.input_tokens), (whole, second)
    history = api.get("/sessions/sdk-responses/history", cast_to=object)
    assert [message["content"] for message in history["data"]] == \
        ["Who are you?", first.output_text, "And what can you do?", second.output_text], history


def responses_failures(url: str, key: str) -> None:
    api = client(url, key)
    ask = lambda **values: (lambda: api.responses.create(**{**GREEDY, **values}))
    for stream in [False, True]:
        raised(openai.NotFoundError, ask(model="nobody/nothing", stream=stream), 404, "model_not_found", ["nobody/nothing"])
        error = raised(openai.BadRequestError, ask(input="word " * 3000, stream=stream), 400, "context_length_exceeded",
                       ["input", "1024"])
        assert error.param == "input", error.param
    for values, code, param in [
        ({"input": []}, "invalid_value", "input"),
        ({"temperature": 3}, "request_invalid", "temperature"),
        ({"max_output_tokens": 0}, "request_invalid", "max_output_tokens"),
        ({"background": True}, "invalid_value", "background"),
        ({"conversation": "conv_1", "previous_response_id": "resp_nobody"}, "invalid_value", "previous_response_id"),
        ({"conversation": "conv_1", "extra_body": {"session_id": "conv_2"}}, "invalid_value", "conversation"),
        ({"truncation": "auto"}, "invalid_value", "truncation"),
        ({"previous_response_id": "resp_nobody"}, "previous_response_not_found", "previous_response_id"),
        ({"prompt": {"id": "pmpt_1"}}, "invalid_value", "prompt"),
        ({"tools": [{"type": "web_search"}]}, "request_invalid", "tools"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "request_invalid", "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://example.org/"}]}]},
         "request_invalid", "input"),
        ({"input": [{"type": "function_call_output", "call_id": "call_1", "output": "1"}]}, "invalid_value", "input"),
        ({"model": "tabagent-embed"}, "invalid_value", "model"),
        ({"extra_body": {"temprature": 1}}, "request_invalid", "temprature"),
    ]:
        error = raised(openai.BadRequestError, ask(**values), 400, code, [param])
        assert error.param and error.param.startswith(param), (error.param, values)


def responses_deadline(url: str, key: str) -> None:
    """The server gives an answer a millisecond: a stream that has begun tells that it failed."""
    api = client(url, key, max_retries=0)
    raised(openai.APIStatusError, lambda: api.responses.create(**GREEDY), 408, "generation_timeout", ["ask for less"])
    events = []
    try:
        for event in api.responses.create(**GREEDY, stream=True):
            events.append(event)
    except openai.APIError as error:
        assert not isinstance(error, openai.APIStatusError) and error.code == "generation_timeout", error
    else:
        raise AssertionError("the stream ended as if it were whole")
    assert events[0].type == "response.created" and events[-1].type == "response.failed", events
    failed = events[-1].response
    assert failed.status == "failed" and "ask for less" in failed.error.message, failed
    raised(openai.NotFoundError, lambda: api.responses.retrieve(failed.id), 404, "response_not_found", [failed.id])


PLAIN = [responses, responses_stream, stored, responses_stopped, responses_failures, responses_session]
SPECIAL = [responses_tools, responses_deadline]

main(PLAIN, SPECIAL)

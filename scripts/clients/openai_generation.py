"""The unmodified `openai` client against a running server: chat and completions.

    python scripts/clients/openai_generation.py CHECK.. URL [--key KEY]

A CHECK is one of the functions below, or `all` for those that a plain server can answer.
"""

import json
import os
import signal
import threading

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from support import client, main, raised

MODEL = "tabagent-chat"
QUESTION = [{"role": "user", "content": "Who are you?"}]
GREEDY = {"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 48}
# Goes on for as long as the model takes.
ENDLESS = {"model": MODEL, "prompt": "The server", "max_tokens": 900, "extra_body": {"ignore_eos": True}}
TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                       "required": ["city"]},
    }},
    {"type": "function", "function": {"name": "get_time", "parameters": {
        "type": "object", "properties": {"zone": {"type": "string"}, "exact": {"type": "boolean"}}}}},
]


def chat(url: str, key: str) -> None:
    api = client(url, key)
    raw = api.chat.completions.with_raw_response.create(**GREEDY)
    answer = raw.parse()
    assert isinstance(answer, ChatCompletion) and answer.object == "chat.completion", answer
    assert answer.model == MODEL and answer.created > 1_700_000_000, answer
    # The id is that of the request, by which it can be stopped.
    assert answer.id == raw.headers["x-request-id"] == answer._request_id, answer.id
    [choice] = answer.choices
    assert choice.index == 0 and choice.finish_reason == "stop" and choice.logprobs is None, choice
    assert choice.message.role == "assistant" and "tabagent-chat" in choice.message.content, choice
    assert choice.message.refusal is None and choice.message.tool_calls is None, choice
    usage = answer.usage
    assert usage.prompt_tokens > 4 and 1 < usage.completion_tokens <= 48, usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage
    # The same again reads nothing but the last token of the prompt.
    again = api.chat.completions.create(**GREEDY)
    assert again.choices[0].message.content == choice.message.content, again
    assert again.usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens - 1, again.usage
    # No model: the one inside the server. Parts, names and the newer role are taken as well.
    messages = [
        {"role": "developer", "content": "Be brief.", "name": "someone"},
        {"role": "user", "content": [{"type": "text", "text": "Who"}, {"type": "text", "text": "are you?"}]},
        {"role": "assistant", "content": None, "refusal": "I say nothing."},
        {"role": "user", "content": "Why?"},
    ]
    answer = api.chat.completions.create(model=MODEL, messages=messages, max_completion_tokens=5)
    assert answer.usage.completion_tokens <= 5, answer.usage
    cut = api.chat.completions.create(**(GREEDY | {"max_tokens": 3}))
    assert cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 3, cut
    assert choice.message.content.startswith(cut.choices[0].message.content), cut


def chat_stream(url: str, key: str) -> None:
    api = client(url, key)
    whole = api.chat.completions.create(**GREEDY)
    chunks = list(api.chat.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True}))
    assert all(isinstance(chunk, ChatCompletionChunk) for chunk in chunks), chunks
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1, chunks
    *parts, last = chunks
    assert not last.choices and all(chunk.usage is None for chunk in parts), chunks
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == \
        (whole.usage.prompt_tokens, whole.usage.completion_tokens), last.usage
    assert parts[0].choices[0].delta.role == "assistant", parts[0]
    assert [chunk.choices[0].finish_reason for chunk in parts if chunk.choices[0].finish_reason] == ["stop"], parts
    text = "".join(chunk.choices[0].delta.content or "" for chunk in parts)
    assert text == whole.choices[0].message.content, text
    # It came in pieces.
    assert len(parts) > 5, len(parts)
    # Without the option no chunk has a usage; the client's own helper puts the pieces together.
    assert all(chunk.usage is None for chunk in api.chat.completions.create(**GREEDY, stream=True))
    with api.chat.completions.stream(**GREEDY) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content == text, final
    assert final.choices[0].finish_reason == "stop", final


def sampling(url: str, key: str) -> None:
    api = client(url, key)
    drawn = {"model": MODEL, "messages": QUESTION, "temperature": 2, "max_tokens": 12, "n": 3}
    texts = lambda answer: [choice.message.content for choice in answer.choices]
    first = api.chat.completions.create(**drawn, seed=7)
    assert [choice.index for choice in first.choices] == [0, 1, 2], first
    assert len(set(texts(first))) == 3, first
    assert texts(api.chat.completions.create(**drawn, seed=7)) == texts(first)
    assert texts(api.chat.completions.create(**drawn, seed=8)) != texts(first)
    # A stream of the same seed says the same, its answers side by side.
    streamed = ["", "", ""]
    ends = []
    for chunk in api.chat.completions.create(**drawn, seed=7, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
            ends += [choice.index] * (choice.finish_reason is not None)
    assert streamed == texts(first) and sorted(ends) == [0, 1, 2], (streamed, ends)
    # Without the tokens that end it the answer goes on.
    greedy = api.chat.completions.create(**GREEDY).choices[0]
    endless = api.chat.completions.create(**GREEDY, logit_bias={"7165": -100, "7166": -100, "7167": -100})
    assert endless.choices[0].finish_reason == "length" and endless.usage.completion_tokens == 48, endless
    assert endless.choices[0].message.content.startswith(greedy.message.content), (endless, greedy)
    # Penalties, also those that other servers have.
    penalties = {"top_k": 1, "min_p": 0.1, "repetition_penalty": 8}
    other = api.chat.completions.create(**GREEDY, frequency_penalty=2, presence_penalty=2, extra_body=penalties)
    assert other.choices[0].message.content != greedy.message.content, other


def logprobs(url: str, key: str) -> None:
    api = client(url, key)
    answer = api.chat.completions.create(**GREEDY, logprobs=True, top_logprobs=4)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == answer.usage.completion_tokens, (len(tokens), answer.usage)
    for token in tokens:
        assert token.logprob <= 0 and len(token.top_logprobs) == 4, token
        # Greedy: the token is the likeliest one.
        assert token.top_logprobs[0].logprob == token.logprob and token.top_logprobs[0].token == token.token, token
        values = [top.logprob for top in token.top_logprobs]
        assert values == sorted(values, reverse=True), values
    said = b"".join(bytes(token.bytes) for token in tokens)
    assert said.decode().startswith(answer.choices[0].message.content), said
    streamed = []
    for chunk in api.chat.completions.create(**GREEDY, logprobs=True, top_logprobs=4, stream=True):
        if chunk.choices[0].logprobs:
            streamed += chunk.choices[0].logprobs.content
    # Rows that ran beside others may round the last digit in another way.
    assert [token.token for token in streamed] == [token.token for token in tokens], streamed
    assert max(abs(a.logprob - b.logprob) for a, b in zip(streamed, tokens)) < 1e-3
    assert api.chat.completions.create(**GREEDY, logprobs=True).choices[0].logprobs.content[0].top_logprobs == []


def stop(url: str, key: str) -> None:
    api = client(url, key)
    text = api.chat.completions.create(**GREEDY).choices[0].message.content
    # A text in the middle, which is no token of its own.
    for stops in [text[9:14], ["never said", text[9:14]]]:
        answer = api.chat.completions.create(**GREEDY, stop=stops)
        assert answer.choices[0].finish_reason == "stop", answer
        assert answer.choices[0].message.content == text[:text.index(text[9:14])], (answer, text)
        chunks = list(api.chat.completions.create(**GREEDY, stop=stops, stream=True))
        said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert said == answer.choices[0].message.content and chunks[-1].choices[0].finish_reason == "stop", chunks


def completions(url: str, key: str) -> None:
    api = client(url, key)
    asked = {"model": MODEL, "prompt": "The server listens on", "temperature": 0, "max_tokens": 12}
    one = api.completions.create(**asked)
    assert one.object == "text_completion" and one.model == MODEL and one.choices[0].text, one
    assert one.usage.total_tokens == one.usage.prompt_tokens + one.usage.completion_tokens, one.usage
    echoed = api.completions.create(**asked, echo=True).choices[0].text
    assert echoed == asked["prompt"] + one.choices[0].text, echoed
    *parts, last = api.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    assert "".join(part.choices[0].text for part in parts) == one.choices[0].text, parts
    assert parts[-1].choices[0].finish_reason == one.choices[0].finish_reason, parts
    assert not last.choices and last.usage.completion_tokens == one.usage.completion_tokens, last

    # Several prompts with several answers each, in the order of the prompts.
    several = api.completions.create(**(asked | {"prompt": ["The server listens on", "Models lie in"], "n": 2}))
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3], several
    assert several.choices[0].text == several.choices[1].text == one.choices[0].text, several
    ids = api.completions.create(**(asked | {"prompt": [[72, 105], [72]], "max_tokens": 2}), extra_body={"ignore_eos": True})
    assert len(ids.choices) == 2 and ids.usage.prompt_tokens == 3 and ids.usage.completion_tokens == 4, ids
    assert [choice.finish_reason for choice in ids.choices] == ["length", "length"], ids

    told = api.completions.create(**asked, logprobs=2).choices[0]
    tokens = told.logprobs
    assert len(tokens.tokens) == len(tokens.token_logprobs) == len(tokens.text_offset) == len(tokens.top_logprobs)
    assert "".join(tokens.tokens).startswith(told.text) and all(value <= 0 for value in tokens.token_logprobs), told
    assert tokens.text_offset[:2] == [0, len(tokens.tokens[0])] and len(tokens.top_logprobs[0]) == 2, tokens
    stopped = api.completions.create(**asked, stop=one.choices[0].text[4:8]).choices[0]
    assert stopped.finish_reason == "stop" and stopped.text == one.choices[0].text[:4], (stopped, one)
    drawn = {"model": MODEL, "prompt": "The", "temperature": 2, "max_tokens": 8, "seed": 3}
    assert api.completions.create(**drawn).choices[0].text == api.completions.create(**drawn).choices[0].text


def tools(url: str, key: str) -> None:
    """The server has the models `recital/one-call` and `recital/two-calls`, which say what their names say."""
    api = client(url, key)
    asked = lambda name, **more: {"model": f"recital/{name}", "messages": QUESTION, "tools": TOOLS, **more}
    wanted = {
        "one-call": [("get_weather", {"city": "Zürich", "days": 3})],
        "two-calls": [("get_weather", {"city": "Oslo"}), ("get_time", {"zone": "Europe/Rome", "exact": True})],
    }
    for name, calls in wanted.items():
        answer = api.chat.completions.create(**asked(name))
        choice = answer.choices[0]
        assert choice.finish_reason == "tool_calls", choice
        told = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls]
        assert told == calls, told
        assert all(call.type == "function" and call.id.startswith("call_") for call in choice.message.tool_calls)
        assert len({call.id for call in choice.message.tool_calls}) == len(calls), choice

        # The same as a stream: a call begins with its id and its name, its arguments come in fragments as they are written.
        pieces: list[dict] = []
        ends = []
        for chunk in api.chat.completions.create(**asked(name, stream=True, tool_choice="auto")):
            for call in chunk.choices[0].delta.tool_calls or []:
                if call.index == len(pieces):
                    assert call.type == "function" and call.function.arguments == "", call
                    pieces.append({"id": call.id, "name": call.function.name, "fragments": []})
                else:
                    assert call.index == len(pieces) - 1, call
                    assert (call.id, call.type, call.function.name) == (None, None, None), call
                    pieces[-1]["fragments"].append(call.function.arguments)
            ends += [chunk.choices[0].finish_reason] * (chunk.choices[0].finish_reason is not None)
        written = [call.function.arguments for call in choice.message.tool_calls]
        assert ends == ["tool_calls"] and ["".join(piece["fragments"]) for piece in pieces] == written, (ends, pieces)
        assert [piece["name"] for piece in pieces] == [name for name, _ in calls], pieces
        assert all(piece["id"].startswith("call_") and len(piece["fragments"]) > 4 for piece in pieces), pieces
        # The client's own helper puts the fragments together.
        deltas = [""] * len(calls)
        with api.chat.completions.stream(**asked(name)) as stream:
            done = []
            for event in stream:
                if event.type == "tool_calls.function.arguments.delta":
                    deltas[event.index] += event.arguments_delta
                    assert event.arguments == deltas[event.index], event
                elif event.type == "tool_calls.function.arguments.done":
                    done.append((event.name, event.arguments))
            final = stream.get_final_completion()
        assert done == [(name, text) for (name, _), text in zip(calls, written)] and deltas == written, (done, deltas)
        told = [(call.function.name, call.function.arguments) for call in final.choices[0].message.tool_calls]
        assert told == done and final.choices[0].finish_reason == "tool_calls", final

        # What the tools answer goes back to the model.
        results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in choice.message.tool_calls]
        messages = [*QUESTION, choice.message, *results]
        later = api.chat.completions.create(**(asked(name) | {"messages": messages}))
        assert later.usage.prompt_tokens > answer.usage.prompt_tokens, later.usage
    # Thoughts are told apart, as other servers do it.
    thinking = api.chat.completions.create(**asked("one-call")).choices[0].message
    assert thinking.content is None and thinking.reasoning_content == "The weather: ask the tool. ☂", thinking
    spoken = api.chat.completions.create(**asked("two-calls")).choices[0].message
    assert spoken.content == "I look both up.", spoken
    # Nobody may be called: what the model says is text.
    silent = api.chat.completions.create(**asked("two-calls", tool_choice="none")).choices[0]
    assert silent.finish_reason == "stop" and not silent.message.tool_calls, silent
    assert "get_weather" in silent.message.content, silent


def failures(url: str, key: str) -> None:
    api = client(url, key)
    ask = lambda **values: (lambda: api.chat.completions.create(**{**GREEDY, **values}))
    complete = lambda **values: (lambda: api.completions.create(**{"model": MODEL, "prompt": "Hello", **values}))
    for stream in [False, True]:
        raised(openai.NotFoundError, ask(model="nobody/nothing", stream=stream), 404, "model_not_found",
               ["nobody/nothing", "GET /v1/models"])
        raised(openai.NotFoundError, complete(model="nobody/nothing", stream=stream), 404, "model_not_found",
               ["nobody/nothing", "GET /v1/models"])
        error = raised(openai.BadRequestError, ask(messages=QUESTION * 600, stream=stream), 400,
                       "context_length_exceeded", ["messages", "1024"])
        assert error.param == "messages", error.param
    for values, code, param in [
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": [{"role": "robot", "content": "Hi"}]}, "request_invalid", "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
         "request_invalid", "messages[0]"),
        ({"temperature": 3}, "request_invalid", "temperature"),
        ({"top_p": -1}, "request_invalid", "top_p"),
        ({"n": 0}, "request_invalid", "n"),
        ({"max_tokens": 0}, "request_invalid", "max_tokens"),
        ({"max_completion_tokens": 7}, "invalid_value", "max_tokens"),
        ({"top_logprobs": 2}, "invalid_value", "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "request_invalid", "top_logprobs"),
        ({"logit_bias": {"the": 1}}, "invalid_value", "logit_bias"),
        ({"logit_bias": {"4000000": 1}}, "invalid_value", "logit_bias"),
        ({"stream_options": {"include_usage": True}}, "invalid_value", "stream_options"),
        ({"model": "tabagent-embed"}, "invalid_value", "model"),
        ({"modalities": ["audio"]}, "request_invalid", "modalities"),
        ({"extra_body": {"temprature": 1}}, "request_invalid", "temprature"),
    ]:
        error = raised(openai.BadRequestError, ask(**values), 400, code, [param.split("[")[0]])
        assert error.param and error.param.startswith(param), (error.param, values)
        assert error.type == "invalid_request_error", error.type
    for values, code, param in [
        ({"prompt": []}, "request_invalid", "prompt"),
        ({"prompt": [4_000_000_000]}, "invalid_value", "prompt"),
        ({"logprobs": 6}, "request_invalid", "logprobs"),
        ({"logprobs": 1, "echo": True}, "invalid_value", "echo"),
        ({"best_of": 2}, "invalid_value", "best_of"),
        ({"suffix": "."}, "invalid_value", "suffix"),
    ]:
        error = raised(openai.BadRequestError, complete(**values), 400, code, [param])
        assert error.param and error.param.startswith(param), (error.param, values)
    impatient = client(url, key, max_retries=0).with_options(timeout=0.05)
    try:
        impatient.completions.create(**ENDLESS, n=16)
    except openai.APITimeoutError:
        pass
    else:
        raise AssertionError("the answer came in time")
    assert api.chat.completions.create(**GREEDY).choices


def authentication(url: str, key: str) -> None:
    """The server asks for the key that is given."""
    assert client(url, key).chat.completions.create(**GREEDY).choices
    wrong = client(url, "sk-wrong", max_retries=0)
    for call in [
        lambda: wrong.chat.completions.create(**GREEDY),
        lambda: wrong.chat.completions.create(**GREEDY, stream=True),
        lambda: wrong.completions.create(model=MODEL, prompt="Hello"),
    ]:
        error = raised(openai.AuthenticationError, call, 401, "invalid_api_key", ["authorization: Bearer"])
        assert error.type == "authentication_error" and key not in str(error), error


def rate_limit(url: str, key: str) -> None:
    """The server generates one answer at a time and lets four wait."""
    api = client(url, key, max_retries=0)
    api.chat.completions.create(**GREEDY)
    for _ in range(20):
        # One runs and three wait; another one waits; there is no place left.
        held = [api.completions.create(**ENDLESS, n=4, stream=True)]
        next(iter(held[0]))
        try:
            held.append(api.completions.create(**ENDLESS, stream=True))
            error = raised(openai.RateLimitError, lambda: api.chat.completions.create(**GREEDY), 429,
                           "rate_limit_exceeded", ["4", "retry-after"])
        except (AssertionError, openai.RateLimitError):
            continue
        finally:
            for stream in held:
                stream.close()
        assert error.type == "rate_limit_error", error.type
        assert int(error.response.headers["retry-after"]) >= 1, error.response.headers
        break
    else:
        raise AssertionError("the queue was never full")
    # A client that retries, as it does by default, is served in the end.
    assert client(url, key).chat.completions.create(**GREEDY).choices


def damaged(url: str, key: str) -> None:
    """The server has a decoder `someone/damaged`, whose graph is none."""
    api = client(url, key, max_retries=0)
    raised(openai.UnprocessableEntityError,
           lambda: api.chat.completions.create(model="someone/damaged", messages=QUESTION), 422, "model_corrupted",
           ["someone/damaged"])


def deadline(url: str, key: str) -> None:
    """The server gives an answer a second: a stream that has begun ends with an error."""
    api = client(url, key, max_retries=0)
    api.chat.completions.create(**GREEDY)
    many = ENDLESS | {"n": 128}
    raised(openai.APIStatusError, lambda: api.completions.create(**many), 408, "generation_timeout", ["1 s", "ask for less"])
    came = 0
    try:
        for chunk in api.completions.create(**many, stream=True):
            came += len(chunk.choices)
    except openai.APIStatusError as error:
        raise AssertionError("an error within a stream has no status") from error
    except openai.APIError as error:
        assert error.code == "generation_timeout" and error.body["type"], error.body
        assert "ask for less" in error.message and came, (error.message, came)
    else:
        raise AssertionError("the stream ended as if it were whole")
    assert api.chat.completions.create(**GREEDY).choices


def server_dies(url: str, key: str) -> None:
    """The server may be killed; the environment variable SERVER_PID has its id."""
    api = client(url, key, max_retries=0)
    stream = api.completions.create(**ENDLESS, n=8, stream=True)
    next(iter(stream))
    os.kill(int(os.environ["SERVER_PID"]), signal.SIGKILL)
    try:
        for _ in stream:
            pass
    except openai.APIConnectionError:
        pass
    else:
        raise AssertionError("the stream ended as if it were whole")


def stopped(url: str, key: str) -> None:
    """Another client stops the answer by the id that its chunks have."""
    api = client(url, key)
    stream = api.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=900, stream=True,
                                         logit_bias={"7165": -100, "7166": -100, "7167": -100})
    chunks = [next(iter(stream))]
    stopping = threading.Thread(target=lambda: api.post(
        "/generation/stop", cast_to=object, body={"request_id": chunks[0].id}))
    stopping.start()
    chunks += list(stream)
    stopping.join()
    assert chunks[-1].choices[0].finish_reason == "stop", chunks[-1]
    raised(openai.NotFoundError, lambda: api.post("/generation/stop", cast_to=object, body={"request_id": chunks[0].id}),
           404, "generation_not_found", [chunks[0].id, "GET /v1/halt"])


def session(url: str, key: str) -> None:
    """The server remembers the conversation."""
    api = client(url, key)
    ask = lambda text, **more: api.chat.completions.create(**{
        **GREEDY, "messages": [{"role": "user", "content": text}], "extra_body": {"session_id": "sdk-chat"}, **more})
    first = ask("Who are you?").choices[0].message.content
    second = "".join(chunk.choices[0].delta.content or "" for chunk in ask("And what can you do?", stream=True))
    third = ask("Thanks.")
    assert third.usage.prompt_tokens_details.cached_tokens > 0, third.usage
    messages = [{"role": role, "content": text} for role, text in [
        ("user", "Who are you?"), ("assistant", first), ("user", "And what can you do?"), ("assistant", second),
        ("user", "Thanks.")]]
    whole = api.chat.completions.create(**{**GREEDY, "messages": messages})
    assert whole.choices[0].message == third.choices[0].message, (whole, third)
    assert whole.usage.prompt_tokens == third.usage.prompt_tokens, (whole.usage, third.usage)
    messages.append({"role": "assistant", "content": third.choices[0].message.content})
    history = api.get("/sessions/sdk-chat/history", cast_to=object)
    assert [{"role": message["role"], "content": message["content"]} for message in history["data"]] == messages, history
    raised(openai.BadRequestError, lambda: ask("Hi", n=2), 400, "invalid_value", ["`n`", "session_id"])
    assert api.delete("/sessions/sdk-chat", cast_to=object) == {
        "id": "sdk-chat", "object": "session.deleted", "deleted": True}
    raised(openai.NotFoundError, lambda: api.get("/sessions/sdk-chat/history", cast_to=object), 404, "session_not_found",
           ["sdk-chat", "POST /v1/sessions"])


PLAIN = [chat, chat_stream, sampling, logprobs, stop, completions, failures, stopped, session]
SPECIAL = [tools, authentication, rate_limit, damaged, deadline, server_dies]

main(PLAIN, SPECIAL)

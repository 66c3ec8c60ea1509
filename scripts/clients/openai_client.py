"""The unmodified `openai` client against a running server: embeddings, models, and what every route answers alike.

    python scripts/clients/openai_client.py CHECK.. URL [--key KEY]

A CHECK is one of the functions below, or `all` for those that a plain server can answer. Each asserts what a user of the
client relies on; a failed one ends the program with its traceback.
"""

import base64
import json
import math
import struct
import threading

import openai

from support import client, main, raised

MODEL = "tabagent-embed"
CHAT = "tabagent-chat"


def length(vector: list[float]) -> float:
    return math.sqrt(sum(value * value for value in vector))


def embeddings(url: str, key: str) -> None:
    api = client(url, key)
    # The client asks for base64 unless told otherwise, and decodes it.
    seen: list[dict] = []
    api.embeddings._client._client.event_hooks["request"].append(lambda request: seen.append(json.loads(request.content)))
    one = api.embeddings.create(model=MODEL, input="a cat sleeps")
    assert seen[-1]["encoding_format"] == "base64", seen
    assert one.object == "list" and one.model == MODEL, one
    assert [item.index for item in one.data] == [0] and one.data[0].object == "embedding"
    vector = one.data[0].embedding
    assert isinstance(vector[0], float) and abs(length(vector) - 1) < 1e-3, length(vector)
    assert one.usage.prompt_tokens > 0 and one.usage.total_tokens == one.usage.prompt_tokens, one.usage

    floats = api.embeddings.create(model=MODEL, input="a cat sleeps", encoding_format="float").data[0].embedding
    assert len(floats) == len(vector) and max(abs(a - b) for a, b in zip(floats, vector)) < 1e-6

    raw = api.embeddings.with_raw_response.create(model=MODEL, input="a cat sleeps", encoding_format="base64")
    text = json.loads(raw.content)["data"][0]["embedding"]
    decoded = struct.unpack(f"<{len(vector)}f", base64.b64decode(text))
    assert max(abs(a - b) for a, b in zip(decoded, vector)) < 1e-6

    # Fewer dimensions: the leading ones, of length 1 again.
    short = api.embeddings.create(model=MODEL, input="a cat sleeps", dimensions=32).data[0].embedding
    assert len(short) == 32 and abs(length(short) - 1) < 1e-3
    scale = length(vector[:32])
    assert max(abs(a / scale - b) for a, b in zip(vector, short)) < 1e-4

    # Token ids, of one text and of several.
    ids = api.embeddings.create(model=MODEL, input=[101, 2023, 102])
    assert len(ids.data) == 1 and ids.usage.prompt_tokens == 3, ids.usage
    lists = api.embeddings.create(model=MODEL, input=[[101, 2023, 102], [7592]])
    assert len(lists.data) == 2 and lists.usage.prompt_tokens == 4, lists.usage
    assert max(abs(a - b) for a, b in zip(ids.data[0].embedding, lists.data[0].embedding)) < 1e-5

    # Texts of one meaning are closer than texts of two.
    texts = ["how do I bake bread?", "a recipe for a loaf", "the train to Berlin is late"]
    bread, loaf, train = [item.embedding for item in api.embeddings.create(model=MODEL, input=texts).data]
    dot = lambda left, right: sum(a * b for a, b in zip(left, right))
    assert dot(bread, loaf) > dot(bread, train), (dot(bread, loaf), dot(bread, train))


def many(url: str, key: str) -> None:
    api = client(url, key)
    texts = [f"text number {number}" for number in range(2048)]
    response = api.embeddings.create(model=MODEL, input=texts)
    assert [item.index for item in response.data] == list(range(2048))
    # The order is that of the inputs: one of them, alone, has the same vector.
    for number in (0, 1000, 2047):
        alone = api.embeddings.create(model=MODEL, input=texts[number]).data[0].embedding
        beside = response.data[number].embedding
        assert max(abs(a - b) for a, b in zip(alone, beside)) < 1e-5, number
    raised(openai.BadRequestError, lambda: api.embeddings.create(model=MODEL, input=texts + ["one more"]),
           400, "request_invalid", ["input", "2048"])


def models(url: str, key: str) -> None:
    api = client(url, key)
    listed = api.models.list()
    assert MODEL in [model.id for model in listed], listed
    for model in listed:
        again = api.models.retrieve(model.id)
        assert again.id == model.id and again.object == "model" and again.owned_by and again.created > 0, again


def models_with_slash(url: str, key: str) -> None:
    """The server has a model `someone/tiny` in its folder."""
    api = client(url, key)
    assert "someone/tiny" in [model.id for model in api.models.list()]
    # The client percent-encodes the slash of an id.
    seen: list[str] = []
    api._client.event_hooks["request"].append(lambda request: seen.append(str(request.url)))
    model = api.models.retrieve("someone/tiny")
    assert model.id == "someone/tiny" and model.owned_by == "someone", model
    assert seen[-1].endswith(("/models/someone%2Ftiny", "/models/someone/tiny")), seen


def damaged_model(url: str, key: str) -> None:
    """The server has a model `someone/tiny` in its folder, whose graph is none."""
    api = client(url, key, max_retries=0)
    raised(openai.UnprocessableEntityError, lambda: api.embeddings.create(model="someone/tiny", input="hello"),
           422, "model_corrupted", ["someone/tiny"])


def failures(url: str, key: str) -> None:
    api = client(url, key)
    embed = lambda **values: (lambda: api.embeddings.create(**{"model": MODEL, "input": "hello", **values}))
    raised(openai.NotFoundError, embed(model="nobody/nothing"), 404, "model_not_found",
           ["nobody/nothing", "GET /v1/models"])
    raised(openai.NotFoundError, lambda: api.models.retrieve("nobody/nothing"), 404, "model_not_found",
           ["nobody/nothing", "GET /v1/models"])
    error = raised(openai.BadRequestError, embed(input=[]), 400, "request_invalid", ["input"])
    assert error.param and error.param.startswith("input"), error.param
    raised(openai.BadRequestError, embed(input=""), 400, "request_invalid", ["input"])
    raised(openai.BadRequestError, embed(input={"a": 1}), 400, "request_invalid", ["input"])
    error = raised(openai.BadRequestError, embed(dimensions=0), 400, "request_invalid", ["dimensions"])
    assert error.param == "dimensions", error.param
    error = raised(openai.BadRequestError, embed(dimensions=60_000), 400, "invalid_value", ["dimensions"])
    assert error.param == "dimensions", error.param
    error = raised(openai.BadRequestError, embed(input=[4_000_000_000]), 400, "invalid_value", ["4000000000"])
    assert error.param and error.param.startswith("input"), error.param
    raised(openai.BadRequestError, embed(encoding_format="hex"), 400, "request_invalid", ["encoding_format", "float"])
    raised(openai.BadRequestError, embed(extra_body={"dimension": 3}), 400, "request_invalid", ["dimension"])
    raised(openai.NotFoundError, lambda: api.files.list(), 404, "route_not_found", ["/v1/files", "/openapi.json"])
    error = raised(openai.APIStatusError, lambda: api.post("/models", cast_to=object, body={}), 405,
                   "method_not_allowed", ["POST"])
    assert "GET" in error.response.headers["allow"]
    raised(openai.APIStatusError, lambda: api.post("/embeddings", cast_to=object, content=b"x",
                                                   options={"headers": {"content-type": "text/plain"}}), 415,
           "content_type_unsupported", ["text/plain", "application/json"])
    error = raised(openai.PermissionDeniedError, lambda: client(url, key, default_headers={"origin": "https://evil.example"})
                   .models.list(), 403, "origin_not_allowed", ["https://evil.example", "--allow-origin"])
    assert error.type == "permission_error", error.type
    try:
        client("http://127.0.0.1:9", key, max_retries=0).models.list()
    except openai.APIConnectionError:
        pass
    else:
        raise AssertionError("a port without a server answered")


def too_large(url: str, key: str) -> None:
    """The server takes bodies of at most 64 KiB."""
    api = client(url, key, max_retries=0)
    raised(openai.APIStatusError, lambda: api.embeddings.create(model=MODEL, input="x " * 64_000), 413,
           "body_too_large", ["65536"])


def authentication(url: str, key: str) -> None:
    """The server asks for the key that is given."""
    assert client(url, key).embeddings.create(model=MODEL, input="hello").data
    wrong = client(url, "sk-wrong", max_retries=0)
    error = raised(openai.AuthenticationError, lambda: wrong.embeddings.create(model=MODEL, input="hello"), 401,
                   "invalid_api_key", ["authorization: Bearer"])
    assert error.type == "authentication_error", error.type
    assert key not in str(error), "the message shows the key"
    raised(openai.AuthenticationError, lambda: wrong.models.list(), 401, "invalid_api_key", ["key"])


def rate_limit(url: str, key: str) -> None:
    """The server has a queue of 64 texts and one thread: not all of these fit at once."""
    limited: list[openai.RateLimitError] = []
    answered = []
    other: list[BaseException] = []
    texts = ["a long text that takes a while " * 200 for _ in range(60)]

    def ask() -> None:
        try:
            answered.append(client(url, key, max_retries=0).embeddings.create(model=MODEL, input=texts))
        except openai.RateLimitError as error:
            limited.append(error)
        except BaseException as error:
            other.append(error)

    for _ in range(20):
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not other, other
        if limited:
            break
    assert answered, "nothing was answered"
    assert limited, "the queue was never full"
    error = limited[0]
    assert error.code == "rate_limit_exceeded" and error.type == "rate_limit_error", error.body
    assert int(error.response.headers["retry-after"]) >= 1
    assert "64" in error.body["message"] and "retry-after" in error.body["message"], error.body
    # A client that retries, as it does by default, is served in the end.
    assert client(url, key).embeddings.create(model=MODEL, input="hello").data


def timeout(url: str, key: str) -> None:
    """The server takes longer than the client waits."""
    texts = ["a long text that takes a while " * 1000 for _ in range(200)]
    impatient = client(url, key, max_retries=0).with_options(timeout=0.05)
    try:
        impatient.embeddings.create(model=MODEL, input=texts)
    except openai.APITimeoutError:
        pass
    else:
        raise AssertionError("the answer came in time")
    # The server has let go of the work and answers others.
    assert client(url, key).embeddings.create(model=MODEL, input="hello").data


def responses(url: str, key: str) -> None:
    api = client(url, key, max_retries=0)
    ask = lambda **values: api.responses.create(**{"model": CHAT, "temperature": 0, "max_output_tokens": 24, **values})
    first = ask(input="Which route makes embeddings?", metadata={"topic": "routes"})
    assert first.object == "response" and first.status in ("completed", "incomplete") and first.output_text, first
    assert first.usage.total_tokens == first.usage.input_tokens + first.usage.output_tokens, first.usage
    # The client's types know every value that is sent: what they do not know they would keep as it is.
    assert type(first).model_validate(first.model_dump(), strict=False) == first
    # The conversation is the server's to remember; what it read before it does not read again.
    second = ask(input=[{"role": "user", "content": [{"type": "input_text", "text": "And rerank?"}]}],
                 previous_response_id=first.id, instructions="Be brief.")
    assert second.previous_response_id == first.id and second.usage.input_tokens > first.usage.total_tokens, second.usage
    # The same conversation, sent whole, has the same prompt, so that it has the same answer.
    whole = ask(input=[{"role": "user", "content": "Which route makes embeddings?"}, *first.output,
                       {"role": "user", "content": "And rerank?"}], instructions="Be brief.", store=False)
    assert (whole.output_text, whole.usage.input_tokens) == (second.output_text, second.usage.input_tokens)
    assert api.responses.retrieve(second.id) == second
    items = api.responses.input_items.list(second.id, order="asc").data
    assert [(item.type, item.role, item.content[0].text) for item in items] == [("message", "user", "And rerank?")], items

    # The stream, by the client's own accumulation, which fails where an event comes out of order.
    with api.responses.stream(model=CHAT, input="Which route makes embeddings?", temperature=0, max_output_tokens=24) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:4] == ["response.created", "response.in_progress", "response.output_item.added",
                         "response.content_part.added"], kinds
    assert kinds[-4:-1] == ["response.output_text.done", "response.content_part.done", "response.output_item.done"], kinds
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == final.output_text == first.output_text, (deltas, final.output_text, first.output_text)
    assert api.responses.retrieve(final.id).output_text == deltas

    likely = ask(input="Hi", include=["message.output_text.logprobs"], top_logprobs=2, max_output_tokens=2, store=False)
    tokens = likely.output[0].content[0].logprobs
    assert tokens and all(len(token.top_logprobs) == 2 and token.bytes for token in tokens), tokens

    api.responses.delete(second.id)
    raised(openai.NotFoundError, lambda: api.responses.retrieve(second.id), 404, "response_not_found", [second.id])
    raised(openai.NotFoundError, lambda: api.responses.delete(second.id), 404, "response_not_found", [second.id])
    raised(openai.NotFoundError, lambda: api.responses.retrieve(whole.id), 404, "response_not_found", ["store"])
    error = raised(openai.BadRequestError, lambda: ask(input="Hi", previous_response_id=second.id), 400,
                   "previous_response_not_found", [second.id])
    assert error.param == "previous_response_id", error.param
    # What is not served is refused by its name.
    for field, value in {"background": True, "prompt": {"id": "pmpt_1"}, "truncation": "auto"}.items():
        error = raised(openai.BadRequestError, lambda: ask(input="Hi", **{field: value}), 400, "invalid_value", [field])
        assert error.param == field, error.param
    for name, values in {
        "web_search": {"tools": [{"type": "web_search"}]},
        "item_reference": {"input": [{"type": "item_reference", "id": "msg_1"}]},
        "input_image": {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://example.org/"}]}]},
        "moderation": {"extra_body": {"moderation": {"model": "x"}}},
    }.items():
        raised(openai.BadRequestError, lambda: ask(**{"input": "Hi", **values}), 400, "request_invalid", [name])


PLAIN = [embeddings, many, models, responses, failures, timeout]
SPECIAL = [models_with_slash, damaged_model, too_large, authentication, rate_limit]

main(PLAIN, SPECIAL)

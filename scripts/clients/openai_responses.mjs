// The unmodified `openai` client for Node against a running server: responses.
//
//     node scripts/clients/openai_responses.mjs CHECK.. URL [--key KEY]
//
// A CHECK is one of the functions below, or `all` for those that a plain server can answer. They have the names of those in
// openai_responses.py.

import assert from "node:assert/strict";

import { OpenAI, all, client, main, raised, rejected } from "./support.mjs";

const MODEL = "tabagent-chat";
const GREEDY = { model: MODEL, input: "Who are you?", temperature: 0, max_output_tokens: 48 };
const TOOLS = [
  { type: "function", name: "get_weather", strict: false, description: "The weather in a city.",
    parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } } } },
  { type: "function", name: "get_time", strict: false,
    parameters: { type: "object", properties: { zone: { type: "string" }, exact: { type: "boolean" } } } },
];

async function responses(url, key) {
  const api = client(url, key);
  const answer = await api.responses.create({ ...GREEDY, metadata: { topic: "self" }, instructions: "Be brief." });
  assert.deepEqual([answer.object, answer.status, answer.model, answer.error], ["response", "completed", MODEL, null]);
  assert.deepEqual(answer.metadata, { topic: "self" });
  const [message] = answer.output;
  assert.deepEqual([message.type, message.role, message.status], ["message", "assistant", "completed"]);
  assert.equal(answer.output_text, message.content[0].text);
  assert.ok(answer.output_text);
  assert.equal(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens);
  const cut = await api.responses.create({ ...GREEDY, max_output_tokens: 3 });
  assert.deepEqual([cut.status, cut.incomplete_details.reason], ["incomplete", "max_output_tokens"]);
  const told = await api.responses.create({ ...GREEDY, top_logprobs: 2, include: ["message.output_text.logprobs"] });
  const tokens = told.output[0].content[0].logprobs;
  assert.ok(tokens.length > 0 && tokens.every((token) => token.top_logprobs.length === 2));
}

async function stored(url, key) {
  const api = client(url, key);
  const first = await api.responses.create(GREEDY);
  const again = await api.responses.retrieve(first.id);
  assert.deepEqual([again.id, again.output_text], [first.id, first.output_text]);
  const items = await all(api.responses.inputItems.list(first.id));
  assert.deepEqual(items.map((item) => item.content[0].text), [GREEDY.input]);
  const second = await api.responses.create({ ...GREEDY, input: "And what can you do?", previous_response_id: first.id });
  assert.ok(second.usage.input_tokens > first.usage.input_tokens);
  const whole = [{ role: "user", content: GREEDY.input }, ...first.output, { role: "user", content: "And what can you do?" }];
  assert.equal((await api.responses.create({ ...GREEDY, input: whole })).output_text, second.output_text);
  await api.responses.delete(first.id);
  await raised(OpenAI.NotFoundError, () => api.responses.retrieve(first.id), 404, "response_not_found", [first.id]);
  const error = await raised(OpenAI.BadRequestError,
    () => api.responses.create({ ...GREEDY, previous_response_id: second.id }), 400, "previous_response_not_found", [first.id]);
  assert.equal(error.param, "previous_response_id");
}

async function responses_stream(url, key) {
  const api = client(url, key);
  const whole = await api.responses.create(GREEDY);
  const events = await all(api.responses.create({ ...GREEDY, stream: true }));
  assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, at) => at));
  const kinds = events.map((event) => event.type);
  assert.deepEqual(kinds.slice(0, 2), ["response.created", "response.in_progress"]);
  assert.equal(kinds.at(-1), "response.completed");
  const text = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta).join("");
  assert.equal(text, whole.output_text);
  const stream = api.responses.stream(GREEDY);
  let deltas = "";
  stream.on("response.output_text.delta", (event) => { deltas += event.delta; });
  const final = await stream.finalResponse();
  assert.deepEqual([deltas, final.output_text], [text, text]);
}

/** The server has the models `recital/one-call` and `recital/two-calls`, which say what their names say. */
async function responses_tools(url, key) {
  const api = client(url, key);
  const asked = (name) => ({ model: `recital/${name}`, input: "The weather?", tools: TOOLS });
  const wanted = {
    "one-call": [["get_weather", { city: "Zürich", days: 3 }]],
    "two-calls": [["get_weather", { city: "Oslo" }], ["get_time", { zone: "Europe/Rome", exact: true }]],
  };
  const calls = (items) => items.filter((item) => item.type === "function_call");
  const read = (items) => calls(items).map((item) => [item.name, JSON.parse(item.arguments)]);
  for (const [name, expected] of Object.entries(wanted)) {
    const answer = await api.responses.create(asked(name));
    assert.deepEqual(read(answer.output), expected);
    const events = await all(api.responses.create({ ...asked(name), stream: true }));
    const done = events.filter((event) => event.type === "response.function_call_arguments.done");
    assert.deepEqual(done.map((event) => JSON.parse(event.arguments)), expected.map(([, values]) => values));
    for (const { item_id, arguments: written } of done) {
      const parts = events.filter((event) => event.type === "response.function_call_arguments.delta" && event.item_id === item_id);
      assert.equal(parts.map((event) => event.delta).join(""), written);
      assert.ok(parts.length > 4, JSON.stringify(parts));
    }
    // The client's own helper puts the fragments together.
    const stream = api.responses.stream(asked(name));
    const ends = new Map();
    stream.on("response.function_call_arguments.delta", (event) => ends.set(event.output_index, event.snapshot));
    const final = await stream.finalResponse();
    assert.deepEqual(read(final.output), expected);
    assert.deepEqual([...ends.values()], calls(answer.output).map((item) => item.arguments));
    const results = calls(answer.output).map((item) => ({ type: "function_call_output", call_id: item.call_id, output: "sunny" }));
    const later = await api.responses.create({ ...asked(name), input: results, previous_response_id: answer.id });
    assert.ok(later.usage.input_tokens > answer.usage.input_tokens);
  }
}

/** Another client stops a response by the id that its events have. */
async function responses_stopped(url, key) {
  const api = client(url, key);
  // An answer that goes on for as long as the model takes.
  const schema = {
    type: "object", properties: { numbers: { type: "array", items: { type: "integer" }, minItems: 900 } }, required: ["numbers"],
    additionalProperties: false,
  };
  const stream = await api.responses.create({
    model: MODEL, input: "Count.", stream: true, store: false, text: { format: { type: "json_schema", name: "numbers", schema } },
  });
  let last;
  let id;
  let stopping;
  for await (const event of stream) {
    last = event;
    id ??= event.response.id;
    stopping ??= api.post("/generation/stop", { body: { request_id: id } });
  }
  assert.equal((await stopping).stopped.length, 1);
  assert.equal(last.type, "response.completed");
  assert.ok(!last.response.output[0].content[0].text.endsWith("}"));
  await raised(OpenAI.NotFoundError, () => api.post("/generation/stop", { body: { request_id: id } }), 404,
    "generation_not_found", [id, "GET /v1/halt"]);
}

async function responses_failures(url, key) {
  const api = client(url, key);
  const ask = (values) => () => api.responses.create({ ...GREEDY, ...values });
  for (const stream of [false, true]) {
    await raised(OpenAI.NotFoundError, ask({ model: "nobody/nothing", stream }), 404, "model_not_found", ["nobody/nothing"]);
    await raised(OpenAI.BadRequestError, ask({ input: "word ".repeat(3000), stream }), 400, "context_length_exceeded", ["1024"]);
  }
  for (const [values, code, param] of [
    [{ input: [] }, "invalid_value", "input"],
    [{ temperature: 3 }, "request_invalid", "temperature"],
    [{ background: true }, "invalid_value", "background"],
    [{ previous_response_id: "resp_nobody" }, "previous_response_not_found", "previous_response_id"],
    [{ tools: [{ type: "web_search" }] }, "request_invalid", "tools"],
  ]) {
    const error = await raised(OpenAI.BadRequestError, ask(values), 400, code, [param]);
    assert.ok(error.param?.startsWith(param), `${error.param} for ${param}`);
  }
}

/** The server gives an answer a millisecond: a stream that has begun tells that it failed. */
async function responses_deadline(url, key) {
  const api = client(url, key, { maxRetries: 0 });
  await raised(OpenAI.APIError, () => api.responses.create(GREEDY), 408, "generation_timeout", ["ask for less"]);
  const events = [];
  const error = await rejected(OpenAI.APIError, async () => {
    for await (const event of await api.responses.create({ ...GREEDY, stream: true })) events.push(event);
  });
  assert.deepEqual([error.status, error.code], [undefined, "generation_timeout"]);
  assert.deepEqual([events[0].type, events.at(-1).type], ["response.created", "response.failed"]);
  assert.ok(events.at(-1).response.error.message.includes("ask for less"));
}

const PLAIN = [responses, responses_stream, stored, responses_stopped, responses_failures];
const SPECIAL = [responses_tools, responses_deadline];

await main(PLAIN, SPECIAL);

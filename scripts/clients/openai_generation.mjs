// The unmodified `openai` client for Node against a running server: chat and completions.
//
//     node scripts/clients/openai_generation.mjs CHECK.. URL [--key KEY]
//
// A CHECK is one of the functions below, or `all` for those that a plain server can answer. They have the names of those in
// openai_generation.py.

import assert from "node:assert/strict";

import { OpenAI, all, client, main, raised, rejected } from "./support.mjs";

const MODEL = "tabagent-chat";
const QUESTION = [{ role: "user", content: "Who are you?" }];
const GREEDY = { model: MODEL, messages: QUESTION, temperature: 0, max_tokens: 48 };
// Goes on for as long as the model takes.
const ENDLESS = { model: MODEL, prompt: "The server", max_tokens: 900, ignore_eos: true };
const TOOLS = [
  { type: "function", function: {
    name: "get_weather", description: "The weather in a city.",
    parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } }, required: ["city"] },
  } },
  { type: "function", function: {
    name: "get_time", parameters: { type: "object", properties: { zone: { type: "string" }, exact: { type: "boolean" } } },
  } },
];
const text = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");

async function chat(url, key) {
  const api = client(url, key);
  const { data: answer, response } = await api.chat.completions.create(GREEDY).withResponse();
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.model, MODEL);
  assert.equal(answer.id, response.headers.get("x-request-id"));
  assert.equal(answer._request_id, answer.id);
  assert.equal(answer.choices.length, 1);
  const [choice] = answer.choices;
  assert.deepEqual([choice.index, choice.finish_reason, choice.logprobs], [0, "stop", null]);
  assert.deepEqual([choice.message.role, choice.message.refusal], ["assistant", null]);
  assert.ok(choice.message.content.includes("tabagent-chat"), choice.message.content);
  const usage = answer.usage;
  assert.ok(usage.prompt_tokens > 4 && usage.completion_tokens <= 48, JSON.stringify(usage));
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  const again = await api.chat.completions.create(GREEDY);
  assert.equal(again.usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens - 1);
  const cut = await api.chat.completions.create({ ...GREEDY, max_tokens: 3 });
  assert.deepEqual([cut.choices[0].finish_reason, cut.usage.completion_tokens], ["length", 3]);
  const parts = await api.chat.completions.create({
    model: MODEL, max_completion_tokens: 5,
    messages: [
      { role: "developer", content: "Be brief." },
      { role: "user", content: [{ type: "text", text: "Who" }, { type: "text", text: "are you?" }] },
    ],
  });
  assert.ok(parts.usage.completion_tokens <= 5);
}

async function chat_stream(url, key) {
  const api = client(url, key);
  const whole = await api.chat.completions.create(GREEDY);
  const said = whole.choices[0].message.content;
  const chunks = await all(api.chat.completions.create({ ...GREEDY, stream: true, stream_options: { include_usage: true } }));
  assert.equal(new Set(chunks.map((chunk) => `${chunk.id} ${chunk.created} ${chunk.object}`)).size, 1);
  const last = chunks.at(-1);
  assert.equal(last.choices.length, 0);
  assert.equal(last.usage.completion_tokens, whole.usage.completion_tokens);
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.equal(text(chunks), said);
  const ends = chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean);
  assert.deepEqual(ends, ["stop"]);
  assert.ok(chunks.length > 5, "it came in pieces");
  // The client's own helper puts the pieces together.
  const stream = api.chat.completions.stream(GREEDY);
  let deltas = "";
  stream.on("content", (delta) => { deltas += delta; });
  const final = await stream.finalChatCompletion();
  assert.equal(deltas, said);
  assert.deepEqual([final.choices[0].message.content, final.choices[0].finish_reason], [said, "stop"]);
}

async function sampling(url, key) {
  const api = client(url, key);
  const drawn = { model: MODEL, messages: QUESTION, temperature: 2, max_tokens: 12, n: 3 };
  const texts = async (seed) => {
    const answer = await api.chat.completions.create({ ...drawn, seed });
    return answer.choices.map((choice) => choice.message.content);
  };
  const first = await texts(7);
  assert.equal(new Set(first).size, 3, first.join("\n"));
  assert.deepEqual(await texts(7), first);
  assert.notDeepEqual(await texts(8), first);
  const streamed = ["", "", ""];
  for (const chunk of await all(api.chat.completions.create({ ...drawn, seed: 7, stream: true }))) {
    for (const choice of chunk.choices) streamed[choice.index] += choice.delta.content ?? "";
  }
  assert.deepEqual(streamed, first);
  const endless = await api.chat.completions.create({ ...GREEDY, logit_bias: { 7165: -100, 7166: -100, 7167: -100 } });
  assert.deepEqual([endless.choices[0].finish_reason, endless.usage.completion_tokens], ["length", 48]);
}

async function logprobs(url, key) {
  const api = client(url, key);
  const asked = { ...GREEDY, logprobs: true, top_logprobs: 4 };
  const answer = await api.chat.completions.create(asked);
  const tokens = answer.choices[0].logprobs.content;
  assert.equal(tokens.length, answer.usage.completion_tokens);
  for (const token of tokens) {
    assert.ok(token.logprob <= 0 && token.top_logprobs.length === 4, JSON.stringify(token));
    assert.deepEqual([token.top_logprobs[0].token, token.top_logprobs[0].logprob], [token.token, token.logprob]);
  }
  const said = Buffer.from(tokens.flatMap((token) => token.bytes)).toString();
  assert.ok(said.startsWith(answer.choices[0].message.content), said);
  const chunks = await all(api.chat.completions.create({ ...asked, stream: true }));
  const streamed = chunks.flatMap((chunk) => chunk.choices[0]?.logprobs?.content ?? []);
  assert.deepEqual(streamed.map((token) => token.token), tokens.map((token) => token.token));
}

async function stop(url, key) {
  const api = client(url, key);
  const whole = (await api.chat.completions.create(GREEDY)).choices[0].message.content;
  const end = whole.slice(9, 14);
  for (const stops of [end, ["never said", end]]) {
    const answer = (await api.chat.completions.create({ ...GREEDY, stop: stops })).choices[0];
    assert.deepEqual([answer.finish_reason, answer.message.content], ["stop", whole.slice(0, whole.indexOf(end))]);
    assert.equal(text(await all(api.chat.completions.create({ ...GREEDY, stop: stops, stream: true }))), answer.message.content);
  }
}

async function completions(url, key) {
  const api = client(url, key);
  const asked = { model: MODEL, prompt: "The server listens on", temperature: 0, max_tokens: 12 };
  const one = await api.completions.create(asked);
  assert.equal(one.object, "text_completion");
  assert.equal(one.usage.total_tokens, one.usage.prompt_tokens + one.usage.completion_tokens);
  const said = one.choices[0].text;
  assert.ok(said);
  assert.equal((await api.completions.create({ ...asked, echo: true })).choices[0].text, asked.prompt + said);
  const chunks = await all(api.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } }));
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join(""), said);
  assert.equal(chunks.at(-1).usage.completion_tokens, one.usage.completion_tokens);
  const several = await api.completions.create({ ...asked, prompt: ["The server listens on", "Models lie in"], n: 2 });
  assert.deepEqual(several.choices.map((choice) => choice.index), [0, 1, 2, 3]);
  assert.deepEqual(several.choices.slice(0, 2).map((choice) => choice.text), [said, said]);
  const ids = await api.completions.create({ ...asked, prompt: [[72, 105], [72]], max_tokens: 2, ignore_eos: true });
  assert.deepEqual([ids.usage.prompt_tokens, ids.usage.completion_tokens], [3, 4]);
  const told = (await api.completions.create({ ...asked, logprobs: 2 })).choices[0].logprobs;
  assert.ok(told.tokens.join("").startsWith(said));
  assert.deepEqual(told.text_offset.slice(0, 2), [0, told.tokens[0].length]);
  const stopped = (await api.completions.create({ ...asked, stop: said.slice(4, 8) })).choices[0];
  assert.deepEqual([stopped.finish_reason, stopped.text], ["stop", said.slice(0, 4)]);
}

/** The server has the models `recital/one-call` and `recital/two-calls`, which say what their names say. */
async function tools(url, key) {
  const api = client(url, key);
  const asked = (name) => ({ model: `recital/${name}`, messages: QUESTION, tools: TOOLS });
  const wanted = {
    "one-call": [["get_weather", { city: "Zürich", days: 3 }]],
    "two-calls": [["get_weather", { city: "Oslo" }], ["get_time", { zone: "Europe/Rome", exact: true }]],
  };
  const read = (calls) => calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
  for (const [name, calls] of Object.entries(wanted)) {
    const answer = await api.chat.completions.create(asked(name));
    const [choice] = answer.choices;
    assert.equal(choice.finish_reason, "tool_calls");
    assert.deepEqual(read(choice.message.tool_calls), calls);
    assert.equal(new Set(choice.message.tool_calls.map((call) => call.id)).size, calls.length);

    // As a stream: a call begins with its id and its name, its arguments come in fragments as they are written.
    const pieces = [];
    for (const chunk of await all(api.chat.completions.create({ ...asked(name), stream: true, tool_choice: "auto" }))) {
      for (const call of chunk.choices[0].delta.tool_calls ?? []) {
        if (call.index === pieces.length) {
          assert.deepEqual([call.type, call.function.arguments], ["function", ""]);
          pieces.push({ id: call.id, name: call.function.name, fragments: [] });
        } else {
          assert.deepEqual([call.index, call.id, call.function.name], [pieces.length - 1, undefined, undefined]);
          pieces.at(-1).fragments.push(call.function.arguments);
        }
      }
    }
    const written = choice.message.tool_calls.map((call) => [call.function.name, call.function.arguments]);
    assert.deepEqual(pieces.map((piece) => [piece.name, piece.fragments.join("")]), written);
    assert.ok(pieces.every((piece) => piece.id.startsWith("call_") && piece.fragments.length > 4), JSON.stringify(pieces));
    // The client's own helper puts the fragments together.
    const stream = api.chat.completions.stream(asked(name));
    const deltas = calls.map(() => "");
    const done = [];
    stream.on("tool_calls.function.arguments.delta", (event) => { deltas[event.index] += event.arguments_delta; });
    stream.on("tool_calls.function.arguments.done", (event) => done.push([event.name, event.arguments]));
    const final = await stream.finalChatCompletion();
    assert.deepEqual(done, written);
    assert.deepEqual(deltas, written.map(([, values]) => values));
    assert.deepEqual(final.choices[0].message.tool_calls.map((call) => [call.function.name, call.function.arguments]), written);

    const results = choice.message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "sunny" }));
    const messages = [...QUESTION, choice.message, ...results];
    const later = await api.chat.completions.create({ ...asked(name), messages });
    assert.ok(later.usage.prompt_tokens > answer.usage.prompt_tokens);
  }
  // The client's own loop calls the functions, and goes on with what they answer.
  const called = [];
  const runnable = (tool) => ({
    type: "function",
    function: { ...tool.function, parse: JSON.parse, function: (values) => { called.push([tool.function.name, values]); return "sunny"; } },
  });
  const runner = api.chat.completions.runTools(
    { ...asked("two-calls"), tools: TOOLS.map(runnable) }, { maxChatCompletions: 2 });
  await runner.done();
  assert.deepEqual(called.slice(0, 2), wanted["two-calls"]);
  const silent = (await api.chat.completions.create({ ...asked("two-calls"), tool_choice: "none" })).choices[0];
  assert.equal(silent.finish_reason, "stop");
  assert.ok(!silent.message.tool_calls && silent.message.content.includes("get_weather"), silent.message.content);
}

async function failures(url, key) {
  const api = client(url, key);
  const ask = (values) => () => api.chat.completions.create({ ...GREEDY, ...values });
  const complete = (values) => () => api.completions.create({ model: MODEL, prompt: "Hello", ...values });
  for (const stream of [false, true]) {
    for (const call of [ask, complete]) {
      await raised(OpenAI.NotFoundError, call({ model: "nobody/nothing", stream }), 404, "model_not_found",
        ["nobody/nothing", "GET /v1/models"]);
    }
    const long = Array(600).fill(QUESTION[0]);
    const error = await raised(OpenAI.BadRequestError, ask({ messages: long, stream }), 400, "context_length_exceeded", ["1024"]);
    assert.equal(error.param, "messages");
  }
  for (const [call, values, code, param] of [
    [ask, { messages: [] }, "invalid_value", "messages"],
    [ask, { temperature: 3 }, "request_invalid", "temperature"],
    [ask, { n: 0 }, "request_invalid", "n"],
    [ask, { top_logprobs: 2 }, "invalid_value", "top_logprobs"],
    [ask, { logit_bias: { the: 1 } }, "invalid_value", "logit_bias"],
    [ask, { model: "tabagent-embed" }, "invalid_value", "model"],
    [ask, { modalities: ["audio"] }, "request_invalid", "modalities"],
    [complete, { prompt: [] }, "request_invalid", "prompt"],
    [complete, { prompt: [4_000_000_000] }, "invalid_value", "prompt"],
    [complete, { best_of: 2 }, "invalid_value", "best_of"],
  ]) {
    const error = await raised(OpenAI.BadRequestError, call(values), 400, code, [param]);
    assert.ok(error.param?.startsWith(param), `${error.param} for ${param}`);
    assert.equal(error.type, "invalid_request_error");
  }
  const impatient = client(url, key, { maxRetries: 0, timeout: 50 });
  await rejected(OpenAI.APIConnectionTimeoutError, () => impatient.completions.create({ ...ENDLESS, n: 16 }));
  // A client that stops reading ends the work.
  const stream = await api.completions.create({ ...ENDLESS, stream: true });
  for await (const _ of stream) break;
  const aborted = new AbortController();
  const call = api.completions.create({ ...ENDLESS, n: 16 }, { signal: aborted.signal });
  setTimeout(() => aborted.abort(), 20);
  await rejected(OpenAI.APIUserAbortError, () => call);
  assert.ok((await api.chat.completions.create(GREEDY)).choices);
  await rejected(OpenAI.APIConnectionError, () => client("http://127.0.0.1:9", key, { maxRetries: 0 }).models.list());
}

/** The server asks for the key that is given. */
async function authentication(url, key) {
  assert.ok((await client(url, key).chat.completions.create(GREEDY)).choices);
  const wrong = client(url, "sk-wrong", { maxRetries: 0 });
  for (const call of [
    () => wrong.chat.completions.create(GREEDY),
    () => wrong.chat.completions.create({ ...GREEDY, stream: true }),
    () => wrong.completions.create({ model: MODEL, prompt: "Hello" }),
  ]) {
    const error = await raised(OpenAI.AuthenticationError, call, 401, "invalid_api_key", ["authorization: Bearer"]);
    assert.equal(error.type, "authentication_error");
    assert.ok(!error.message.includes(key), "the message shows the key");
  }
}

/** The server generates one answer at a time and lets four wait. */
async function rate_limit(url, key) {
  const api = client(url, key, { maxRetries: 0 });
  await api.chat.completions.create(GREEDY);
  let error;
  for (let round = 0; round < 20 && !error; round += 1) {
    const held = [];
    try {
      // One runs and three wait; another one waits; there is no place left.
      held.push(await api.completions.create({ ...ENDLESS, n: 4, stream: true }));
      await held[0][Symbol.asyncIterator]().next();
      held.push(await api.completions.create({ ...ENDLESS, stream: true }));
      await api.chat.completions.create(GREEDY);
    } catch (found) {
      assert.equal(found.constructor, OpenAI.RateLimitError, found.stack);
      // Only one that came last was refused for the reason that is looked for.
      if (held.length === 2) error = found;
    } finally {
      for (const stream of held) stream.controller.abort();
    }
  }
  assert.ok(error, "the queue was never full");
  assert.deepEqual([error.status, error.code, error.type], [429, "rate_limit_exceeded", "rate_limit_error"]);
  assert.ok(Number(error.headers.get("retry-after")) >= 1);
  // A client that retries, as it does by default, is served in the end.
  assert.ok((await client(url, key).chat.completions.create(GREEDY)).choices);
}

/** The server has a decoder `someone/damaged`, whose graph is none. */
async function damaged(url, key) {
  const api = client(url, key, { maxRetries: 0 });
  const ask = () => api.chat.completions.create({ model: "someone/damaged", messages: QUESTION });
  await raised(OpenAI.UnprocessableEntityError, ask, 422, "model_corrupted", ["someone/damaged"]);
}

/** The server gives an answer a second: a stream that has begun ends with an error. */
async function deadline(url, key) {
  const api = client(url, key, { maxRetries: 0 });
  await api.chat.completions.create(GREEDY);
  const many = { ...ENDLESS, n: 128 };
  await raised(OpenAI.APIError, () => api.completions.create(many), 408, "generation_timeout", ["ask for less"]);
  const stream = await api.completions.create({ ...many, stream: true });
  let came = 0;
  const error = await rejected(OpenAI.APIError, async () => {
    for await (const chunk of stream) came += chunk.choices.length;
  });
  assert.deepEqual([error.status, error.code], [undefined, "generation_timeout"]);
  assert.ok(came > 0 && error.message.includes("ask for less"), error.message);
  assert.ok((await api.chat.completions.create(GREEDY)).choices);
}

/** The server may be killed; the environment variable SERVER_PID has its id. */
async function server_dies(url, key) {
  const api = client(url, key, { maxRetries: 0 });
  const stream = await api.completions.create({ ...ENDLESS, n: 8, stream: true });
  let came = 0;
  await assert.rejects(async () => {
    for await (const _ of stream) {
      came += 1;
      if (came === 1) process.kill(Number(process.env.SERVER_PID), "SIGKILL");
    }
  });
}

/** Another client stops the answer by the id that its chunks have. */
async function stopped(url, key) {
  const api = client(url, key);
  const stream = await api.chat.completions.create({
    model: MODEL, messages: QUESTION, max_tokens: 900, stream: true, logit_bias: { 7165: -100, 7166: -100, 7167: -100 },
  });
  const chunks = [];
  let stopping;
  for await (const chunk of stream) {
    chunks.push(chunk);
    stopping ??= api.post("/generation/stop", { body: { request_id: chunk.id } });
  }
  assert.deepEqual((await stopping).stopped, [chunks[0].id]);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  await raised(OpenAI.NotFoundError, () => api.post("/generation/stop", { body: { request_id: chunks[0].id } }), 404,
    "generation_not_found", [chunks[0].id, "GET /v1/halt"]);
}

const PLAIN = [chat, chat_stream, sampling, logprobs, stop, completions, failures, stopped];
const SPECIAL = [tools, authentication, rate_limit, damaged, deadline, server_dies];

await main(PLAIN, SPECIAL);

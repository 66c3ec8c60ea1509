// The unmodified `openai` client for Node against a running server: answers that keep a schema, and calls that are demanded.
//
//     node scripts/clients/openai_structured.mjs CHECK.. URL [--key KEY]
//
// A CHECK is one of the functions below, or `all`. The model knows nothing: what holds is the form.

import assert from "node:assert/strict";

import { OpenAI, client, load, main, rejected } from "./support.mjs";

const { zodFunction, zodResponseFormat } = load("openai/helpers/zod");
const { LengthFinishReasonError } = load("openai/core/error");
const { z } = load("zod");

const MODEL = "tabagent-chat";
const BASE = { model: MODEL, messages: [{ role: "user", content: "The weather in Oslo?" }], max_tokens: 600 };
const Weather = z.object({
  city: z.enum(["Oslo", "Rome"]), sky: z.enum(["clear", "rain"]), degrees: z.number().int().min(-50).max(50), windy: z.boolean(),
});
const Time = z.object({ zone: z.enum(["UTC", "CET"]) });

async function parsed(url, key) {
  const api = client(url, key);
  for (let seed = 0; seed < 4; seed += 1) {
    const drawn = { ...BASE, temperature: 1, seed, response_format: zodResponseFormat(Weather, "weather") };
    const answer = (await api.chat.completions.parse(drawn)).choices[0];
    assert.equal(answer.finish_reason, "stop");
    Weather.parse(answer.message.parsed);
    const final = await api.chat.completions.stream(drawn).finalChatCompletion();
    assert.deepEqual(final.choices[0].message.parsed, answer.message.parsed);
  }
  const cut = { ...BASE, max_tokens: 2, response_format: zodResponseFormat(Weather, "weather") };
  await rejected(LengthFinishReasonError,
    () => api.chat.completions.parse(cut));
}

async function demanded_tools(url, key) {
  const api = client(url, key);
  const tools = [zodFunction({ name: "get_weather", parameters: Weather }), zodFunction({ name: "get_time", parameters: Time })];
  const forms = { get_weather: Weather, get_time: Time };
  for (let seed = 0; seed < 4; seed += 1) {
    const drawn = { ...BASE, tools, temperature: 1, seed };
    const choice = (await api.chat.completions.parse({ ...drawn, tool_choice: "required", parallel_tool_calls: false })).choices[0];
    assert.ok(choice.message.tool_calls.length > 0);
    for (const call of choice.message.tool_calls) forms[call.function.name].parse(call.function.parsed_arguments);
    const named = { type: "function", function: { name: "get_time" } };
    const one = (await api.chat.completions.parse({ ...drawn, tool_choice: named })).choices[0];
    assert.deepEqual(one.message.tool_calls.map((call) => call.function.name), ["get_time"]);
    const final = await api.chat.completions.stream({ ...drawn, tool_choice: "required", parallel_tool_calls: false }).finalChatCompletion();
    for (const call of final.choices[0].message.tool_calls) forms[call.function.name].parse(JSON.parse(call.function.arguments));
  }
}

async function structured_failures(url, key) {
  const api = client(url, key);
  for (const [values, param] of [
    [{ response_format: { type: "json_schema", json_schema: { name: "a", schema: { type: "nothing" } } } }, "response_format"],
    [{ tool_choice: "required" }, "tool_choice"],
  ]) {
    const error = await rejected(OpenAI.BadRequestError, () => api.chat.completions.create({ ...BASE, ...values }));
    assert.ok(error.param?.startsWith(param), `${error.param} for ${param}`);
  }
}

await main([parsed, demanded_tools, structured_failures], []);

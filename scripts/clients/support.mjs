// What the checks of Node clients share: the packages, the client, its exceptions, and the command line.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// Where `npm ci` ran; beside this file unless the environment says another place.
const packages = process.env.TABAGENT_NODE_PACKAGES ?? dirname(fileURLToPath(import.meta.url));
export const load = createRequire(join(packages, "package.json"));
const module = load("openai");
export const OpenAI = module.OpenAI;

export function client(url, key, options = {}) {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: key, timeout: 120_000, ...options });
}

/** Asserts that `call` rejects with an error of this class itself; the error. */
export async function rejected(kind, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.constructor, kind, `${error.constructor.name} where ${kind.name} is expected: ${error.stack}`);
    return error;
  }
  assert.fail(`no ${kind.name}`);
}

/** Asserts that `call` rejects with this exception, with a message that a person can use. */
export async function raised(kind, call, status, code, words) {
  const error = await rejected(kind, call);
  assert.equal(error.status, status);
  assert.equal(error.code, code, error.message);
  assert.ok(error.requestID, "no id of the request");
  for (const word of words) assert.ok(error.message.includes(word), `${word}: ${error.message}`);
  return error;
}

/** All of a stream. */
export async function all(stream) {
  const found = [];
  for await (const item of await stream) found.push(item);
  return found;
}

/** Runs the checks that the command line names; `all` are the plain ones, which any server can answer. */
export async function main(plain, special) {
  const known = new Map([...plain, ...special].map((check) => [check.name, [check]]));
  known.set("all", plain);
  const words = process.argv.slice(2);
  const at = words.indexOf("--key");
  const [key] = at < 0 ? ["any"] : words.splice(at, 2).slice(1);
  const url = words.pop();
  if (!url || words.length === 0 || !words.every((word) => known.has(word))) {
    console.error(`node ${process.argv[1]} CHECK.. URL [--key KEY], where CHECK is of ${[...known.keys()].join(", ")}`);
    process.exit(2);
  }
  for (const check of words.flatMap((word) => known.get(word))) {
    await check(url, key);
    console.log(`ok ${check.name}`);
  }
}

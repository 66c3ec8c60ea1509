"""Text that `make_decoders.py` builds tokenizers from and asks its models about."""

from __future__ import annotations

# What the vocabularies are trained on: several scripts and some code, too little of each for any script but Latin to
# become whole tokens, so that characters of two and more bytes split across tokens.
TRAINING_TEXT = """
The lighthouse keeper wrote down the weather every evening, and every morning he read what he had written.
A server answers requests; a client asks questions, reads the answers and tries again when the network fails.
Tokens are pieces of words, words are pieces of sentences, and a model guesses which piece comes next.
What is the capital of France? The capital of France is Paris. What is the capital of Japan? It is Tokyo.
You are a helpful assistant. Call the function with its name and its arguments, then wait for the result.
The temperature in the city is 21 degrees and the wind comes from the west at 14 kilometres per hour.
Bread needs flour, water, salt and time; the oven does the rest while the baker is reading the newspaper.
There were boats in the harbour, nets on the wall and a smell of salt and tar over everything there was.
Das Wetter ist heute schön, aber morgen soll es regnen. Der Bäcker öffnet früh und schließt spät.
Où est la gare ? La bibliothèque est fermée, mais le café à côté est déjà ouvert.
¿Dónde está el puerto? Mañana saldrán los barcos con el niño y su perro.
Корабли вышли из гавани на рассвете. 今天天气很好。東京は日本の首都です。 여기는 항구입니다. 🙂 👩‍🚀
def answer(question: str) -> str:
    for word in question.split():
        if word in known:
            return known[word]
    return "I do not know"
{"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius"}}
0 1 2 3 4 5 6 7 8 9 10 12 25 100 1000 2026 3.14 50% x = y + 1; a[i] == b[j] && !done || (n > 0)
""".strip("\n").splitlines()

PROMPTS = [
    "a",
    "Hello, how are you?",
    "The lighthouse keeper wrote down the weather every evening, and every morning he read what he had written. There "
    "were boats in the harbour, nets on the wall and a smell of salt and tar over everything. One day a letter came "
    "for him, and it said that the",
    "Schöne Grüße aus Köln! Ça va très bien 🙂👩‍🚀 Корабли ушли; 東京は日本の首都です。 여기 → ½ ∑",
    "def fibonacci(n: int) -> int:\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n\n\n"
    "print([fibonacci(i) for i in range(10)])\n",
    "  1. 3.14 + 2 = 5.14\n\t2. {\"city\": \"Paris\", \"days\": [1, 2]}\n\n",
]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city now, \"as measured\" & rounded; °C unless <unit> says otherwise.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "The city's name, such as Köln or 東京"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                },
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Adds numbers.",
            "parameters": {
                "type": "object",
                "properties": {"terms": {"type": "array", "items": {"type": "number"}}},
                "required": ["terms"],
                "additionalProperties": False,
            },
        },
    },
]


def call(name: str, arguments: dict, identifier: str) -> dict:
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


SYSTEM = {"role": "system", "content": "You are a helpful assistant.\nAnswer briefly."}
WEATHER = {"role": "user", "content": "What is the weather in Köln?"}
WEATHER_CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [call("get_weather", {"city": "Köln", "unit": "celsius"}, "call00001")],
}
WEATHER_RESULT = {
    "role": "tool",
    "name": "get_weather",
    "tool_call_id": "call00001",
    "content": "{\"temperature\": 21, \"sky\": \"<clear> & \\\"blue\\\"\"}",
}
TWO_CALLS = {
    "role": "assistant",
    "content": "I shall look.",
    "tool_calls": [
        call("get_weather", {"city": "東京"}, "call00002"),
        call("add", {"terms": [1, 2.5, -3], "exact": True, "note": None}, "call00003"),
    ],
}

# For templates that know them: what a model thought, and a message in parts.
THOUGHTS = [
    {"role": "user", "content": "What is 1 + 2?"},
    {"role": "assistant", "content": "<think>\nAn old thought.\n</think>\n\n3"},
    WEATHER,
    WEATHER_CALL | {"reasoning_content": "I need the weather.\n"},
    WEATHER_RESULT,
]
PARTS = [{"role": "user", "content": [{"type": "text", "text": "First part. "}, {"type": "text", "text": " Second 🙂"}]}]

# name, messages, tools, add_generation_prompt, further variables of the template
CONVERSATIONS = [
    ("system and user", [SYSTEM, {"role": "user", "content": "Hello, who are you?"}], None, True, {}),
    ("no system", [{"role": "user", "content": "  Spaces around, ünïcödé 🙂 and <b>HTML</b> & 'quotes'\n"}], None, True, {}),
    ("no generation prompt", [SYSTEM, {"role": "user", "content": "Hello"}], None, False, {}),
    (
        "several turns",
        [
            SYSTEM,
            {"role": "user", "content": "What is the capital of Japan?"},
            {"role": "assistant", "content": "Tokyo (東京)."},
            {"role": "user", "content": "And of France?"},
            {"role": "assistant", "content": " Paris.\n"},
            {"role": "user", "content": "Thanks"},
        ],
        None,
        True,
        {},
    ),
    (
        "ends with the assistant",
        [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello! How can I help?"}],
        None,
        False,
        {},
    ),
    ("tools", [SYSTEM, WEATHER], TOOLS, True, {}),
    ("tools without system", [WEATHER], TOOLS[:1], True, {}),
    ("tool call and result", [SYSTEM, WEATHER, WEATHER_CALL, WEATHER_RESULT], TOOLS, True, {}),
    (
        "two calls and results",
        [
            WEATHER,
            TWO_CALLS,
            {"role": "tool", "name": "get_weather", "tool_call_id": "call00002", "content": "{\"temperature\": 25}"},
            {"role": "tool", "name": "add", "tool_call_id": "call00003", "content": "0.5"},
            {"role": "assistant", "content": "25 degrees, and 0.5."},
            {"role": "user", "content": "Thank you."},
        ],
        TOOLS,
        True,
        {},
    ),
    (
        "numbers as Python writes them",
        [WEATHER, {"role": "assistant", "content": "", "tool_calls": [call("add", {"terms": [1.0, -3e-7, 1e20]}, "call00004")]}],
        TOOLS,
        False,
        {},
    ),
    (
        "roles out of turn",
        [{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}],
        None,
        True,
        {},
    ),
]

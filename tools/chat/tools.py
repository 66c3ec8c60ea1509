"""Dialogues in which the model calls a tool, in the form of Hermes and Qwen."""

from __future__ import annotations

import json
import random
from pathlib import Path

import jinja2

TEMPLATE = (Path(__file__).resolve().parent / "template.jinja").read_text(encoding="utf-8").rstrip("\n")
CITIES = ["Paris", "London", "Berlin", "Rome", "Oslo", "Tokyo", "Madrid", "Vienna", "Cairo", "Lima", "Boston", "Delhi",
    "Bern", "Dublin"]


def environment() -> jinja2.Environment:
    made = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    made.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return made


RENDER = environment().from_string(TEMPLATE)


def tool(name: str, description: str, **properties: str) -> dict:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": {
        "type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties)}}}


def weather(rng: random.Random):
    name = rng.choice(["get_weather", "weather", "get_current_weather", "current_weather"])
    field = rng.choice(["city", "location"])
    city = rng.choice(CITIES)
    question = rng.choice(["What is the weather in {}?", "How is the weather in {}?", "what's the weather like in {}",
        "Weather in {} please", "Is it raining in {}?", "Tell me the weather in {}."]).format(city)
    degrees = rng.randint(1, 30)
    return tool(name, "The weather in a city",
        **{field: "string"}), question, {field: city}, json.dumps({"temperature": degrees}), f"It is {degrees} degrees in {city}."


def add(rng: random.Random):
    name = rng.choice(["add", "sum", "add_numbers"])
    a, b = rng.randint(0, 99), rng.randint(0, 99)
    question = rng.choice(["What is {} + {}?", "Add {} and {}.", "add {} to {}", "How much is {} plus {}?"]).format(a,
        b)
    return tool(name, "Adds two numbers", a="number", b="number"), question, {"a": a,
        "b": b}, str(a + b), f"The result is {a + b}."


def clock(rng: random.Random):
    name = rng.choice(["get_time", "time", "current_time"])
    city = rng.choice(CITIES)
    question = rng.choice(["What time is it in {}?", "Tell me the time in {}.", "time in {}?",
        "How late is it in {}?"]).format(city)
    value = f"{rng.randint(0, 23)}:{rng.randint(10, 59)}"
    return tool(name, "The time in a city", city="string"), question, {"city": city}, value, f"It is {value} in {city}."


MAKERS = [weather, add, clock]


def tool_dialogue(rng: random.Random) -> list[tuple[str, bool]]:
    maker = rng.choice([weather, weather, add, clock])
    described, question, arguments, result, answer = maker(rng)
    offered = [described]
    if rng.random() < 0.3:
        offered.append(rng.choice([other for other in MAKERS if other is not maker])(rng)[0])
        rng.shuffle(offered)
    messages = [{"role": "user", "content": question}]
    if rng.random() < 0.2:
        messages.insert(0, {"role": "system", "content": "You are a helpful assistant."})
    name = described["function"]["name"]
    call = f'<tool_call>\n{json.dumps({"name": name, "arguments": arguments})}\n</tool_call><|im_end|>'
    pieces = [(RENDER.render(messages=messages, tools=offered, add_generation_prompt=True), False), (call, True), ("\n",
        False)]
    if rng.random() < 0.6:
        shown = f"<|im_start|>user\n<tool_response>\n{result}\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
        pieces += [(shown, False), (answer + "<|im_end|>", True), ("\n", False)]
    return pieces


def declined(rng: random.Random, question: str, answer: str) -> list[tuple[str, bool]]:
    """A question that needs none of the tools that are offered."""
    offered = [maker(rng)[0] for maker in rng.sample(MAKERS, rng.randint(1, 2))]
    if rng.random() < 0.5:
        function = {"name": rng.choice(["clock", "weather", "search", "add", "lookup", "calculator"])}
        if rng.random() < 0.5:
            function["strict"] = True
        if rng.random() < 0.3:
            function["parameters"] = {"type": "object", "properties": {}}
        offered = [{"type": "function", "function": function}]
    messages = [{"role": "user", "content": question}]
    if rng.random() < 0.2:
        messages.insert(0, {"role": "system", "content": "You are a helpful assistant."})
    return [(RENDER.render(messages=messages, tools=offered, add_generation_prompt=True), False),
        (answer + "<|im_end|>", True), ("\n", False)]

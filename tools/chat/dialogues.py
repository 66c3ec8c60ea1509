"""Dialogues without end, made from the facts, with small instructions, foreign questions and tool calls among them."""

from __future__ import annotations

import random
import re
from typing import Iterator

from .concepts import IDEAS, TALK, UNKNOWN
from .more_facts import MORE_FACTS
from .more_routes import MORE_ROUTES
from .routes import ASK_BY_PATH, ASK_BY_THING, ASK_BY_WISH, ROUTES
from .server import COMMANDS, ERRORS, FORMS, SETTINGS, Fact
from .spin import spin
from .synonyms import varied
from .tools import declined, tool_dialogue

FACTS = COMMANDS + SETTINGS + ERRORS + IDEAS
# How often a question is one that was written for its answer, and not one of the templates.
WHOLE = 0.5
MORE = {chosen.answer: asks for beginning, asks in MORE_FACTS.items() for chosen in FACTS + TALK
    if chosen.answer.startswith(beginning)}
# Answers that stay the same in whatever words the question comes.
ANSWERS = set(MORE) | {route.answer for route in ROUTES} | {UNKNOWN}
SYSTEMS = ["You are a helpful assistant.", "You are a helpful assistant", "You are tabagent-chat.", "Answer briefly.",
    "Be concise.",
           "You are an expert on this server.", "Be kind and short.", "You answer questions about TabAgent.",
           "You are a test."]
BEFORE = ["please ", "hey, ", "hi, ", "hello, ", "so ", "tell me, ", "quick question: ", "i wonder, ", "sorry, ",
    "ok, ", "and ", "could you tell me: ", "also, ",
          "i am new here. ", "excuse me, ", "one more thing: ", "question: ", "hi! ", "now ", "well, ", "um, ", "then "]
AFTER = [" please", ", please", " here", " in tabagent", " with tabagent", " on this server", " with this server",
    " thanks", ", thank you", " exactly", " again", " then", " now",
         ", briefly", " in short", " for me", " at all", " in general", " with the server", " on my machine"]
WORDS = """apple banana river mountain table window green yellow purple orange house garden dog cat bird horse fish train ship paper
stone water fire earth cloud rain snow summer winter spring morning night music dance happy quiet small large fast slow bread butter
coffee tea sugar salt pepper lemon honey server model token vector route memory cache hello world ocean forest island bridge castle
tower street city village school book pencil letter number circle square triangle silver gold iron copper glass wood cotton silk blue
red black white pink banner rocket planet star moon sun sky tree flower leaf root seed mouse lion eagle rabbit sheep chicken potato tomato carrot onion rice cheese pizza cake
chocolate orange grape cherry peach knife spoon plate bottle basket candle mirror lamp chair sofa carpet door roof wall floor kitchen
doctor teacher farmer driver sailor singer painter king queen prince hammer needle button ribbon pocket jacket shirt shoe hat glove
guitar piano violin drum engine wheel bicycle airplane boat harbor beach desert valley hill lake storm thunder lightning wind fog
sand clay coal steel brass diamond ruby pearl magic dream peace freedom truth courage smile laughter spider butterfly dolphin penguin
monkey elephant zebra turtle snake frog owl wolf fox bear deer cow goat donkey sunday monday friday january april july december""".split()
# Words without which a question still means the same.
SMALL = set("a an the of to for in on with is are do does i my me it this that there some any which what how can at by be you from and".split())
SYLLABLES = "ba be bo da do fi ga go ka ki la le lo ma mi mo na ne no pa po ra re ri ro sa se so ta te to tu va vi zo".split()
NUMBERS = "zero one two three four five six seven eight nine ten".split()
PLACES = """rome london moscow tokyo berlin madrid vienna ireland austria belgium turkey iran korea vietnam chile cuba finland denmark iceland australia france japan italy spain germany brazil canada india china egypt norway kenya mexico peru poland greece sweden portugal hungary thailand indonesia nigeria argentina scotland wales texas california paris
lisbon oslo sydney boston chicago dublin cairo lima delhi bangkok seoul singapore toronto munich venice milan florence geneva
zurich brussels amsterdam copenhagen stockholm helsinki warsaw prague budapest athens istanbul nairobi""".split()
PEOPLE = ["einstein", "napoleon", "shakespeare", "mozart", "the president", "cleopatra", "the king", "newton",
    "picasso", "the pope", "columbus", "darwin", "my neighbour", "a footballer", "marie curie", "beethoven", "galileo", "plato", "lincoln", "gandhi", "elvis", "tolstoy", "caesar",
    "leonardo", "the dalai lama", "neil armstrong", "edison", "ada lovelace", "alan turing"]
THINGS = ["pasta", "the moon", "football", "a cake", "gravity", "the weather", "love", "history", "cars", "bitcoin",
    "photosynthesis", "dinosaurs", "the stock market", "chess",
          "a black hole", "the ocean", "cats", "dogs", "politics", "volcanoes", "philosophy", "the roman empire",
          "quantum physics", "a haiku", "a poem", "a joke", "music", "movies",
          "my homework", "soup", "bread", "my car", "a bicycle", "the news", "a holiday", "my garden", "the sun",
          "trains", "a guitar", "coffee", "biology", "a song", "a story", "an essay",
          "birds", "world war two", "a letter to my boss", "dna", "the internet", "basketball", "kubernetes",
          "blockchain", "python lists", "html", "the pyramids", "tigers"]
FOREIGN = [
    "[which|what] {word} is the [best|cheapest|oldest|most beautiful]", "how many {word}s are there in {place}",
    "[who|which team] [scored|played|lost|won] [yesterday|last night|in {place}]", "[plan|book] [a trip|a flight|a hotel] to {place}",
    "[what should i|what can i|help me] [cook|wear|eat|read|watch|give my mother] [tonight|for dinner|today|for her birthday|]",
    "how do i [lose weight|learn french|get rich|fall asleep|stop smoking|tie a tie|fix a flat tyre|change a tyre|grow taller]",
    "[when|where] was {thing} [invented|discovered|made]", "name [three|five|some] [rivers|cities|animals|flowers|writers|countries]",
    "who [wrote|painted|composed|directed] [hamlet|the mona lisa|faust|the odyssey|the ninth symphony|star wars]",
    "why do [cats|dogs|birds|people|leaves|stars] [sleep|bark|sing|dream|fall|shine]", "what does {word} mean in [french|german|latin]",
    "who [invented|built|discovered|designed] the [telephone|light bulb|steam engine|wheel|radio|printing press|{word}]",
    "[tell|say|give] me something about [{place}|{person}|{thing}]", "[is|was] {person} [alive|married|tall|rich|famous]",
    "[is|are] [{thing}|{word}s] [real|alive|edible|poisonous|cheap]", "what is the [plot|story|moral] of [hamlet|the film|the book]",
    "my [back|head|tooth|knee|stomach] hurts", "what are the symptoms of [a cold|flu|malaria]", "do i need a visa for {place}",
    "[convert|how much is] {n} [miles|dollars|pounds|inches] [to|in] [kilometres|euros|kilograms|centimetres]",
    "[the recipe|a recipe] for {thing}", "who is [my father|the tallest man|the richest person|your favourite singer]",
    "what [language|religion|food] [do they|is] [speak|eat|common] in {place}", "[sing|hum|play] [me |]a song",
    "[where|when|why|how|who] [is|was|are] the [first|last|best|oldest|biggest|new|smallest|famous] {word}[ in {place}| on earth|]",
    "how do [i|you|people] [bake|cut|wash|find|catch|sell|paint|boil|build a|hold a|cross a] {word}",
    "what is a {word}", "[i want|i need|give me|buy me|bring me] a {word}", "how [big|old|long|heavy] is a {word}",
    "[tell me about|write about|a poem about|a story about|a joke about|sing about|describe] [the |a |]{word}",
    "who [is|was|were] the [first|last|best] [one|man|woman|people|human] [in|at|to see|to reach|to climb] {thing}",
    "what's the [best|name|size|age|price|capital|history] of [{place}|the {word}|{thing}]",
    "what is the [capital|population|currency|language|president|flag] of {place}", "who [was|is] {person}",
    "when [was|did] {person} [born|die]", "[what is|explain|tell me about|what do you know about] {thing}",
    "how do i [cook|make|bake|repair|play|learn|clean|buy|sell|draw|paint|grow] {thing}",
    "[write|compose|invent] [me |]{thing}", "[tell me|give me] {thing}", "what is the weather [like |]in {place}",
    "[will it rain|what is the time|what day is it|what is the date|what time is it|is it monday|what's the weather][ today| tomorrow| now|]",
    "translate {word} [to|into] [french|german|spanish|italian|latin]",
    "how [far|big|old|tall|heavy|deep|hot] is {thing}", "how far is {place} from {place2}",
    "who won the [world cup|election|race|game|match][ in {place}|]", "what [colour|color] is {thing}",
    "why [is|does|are] {thing} [so popular|important|blue|expensive|work|dangerous]",
    "should i [buy|sell|marry|eat|invest in|visit] {thing}", "is {thing} [good|bad|dangerous|healthy|expensive]",
    "who [invented|discovered|wrote|painted] {thing}",
    "what is the best [film|book|restaurant|song|phone|laptop|car] [in {place}|ever|]",
    "solve [x + 2 = 5|this equation|my problem]", "what is the meaning of life",
        "[recommend|suggest] a [film|restaurant|book] in {place}",
    "how many [people|animals|stars|planets|legs|days] [are there in|live in|has|does] {thing}[ have|]",
    "where is {place}", "i [like|hate|love] {thing}", "what do you think [of|about] {thing}", "do you like {thing}",
    "write [a|some] [python|javascript|rust|c] [code|program|function] [for|that sorts|about] {thing}",
    "summarise {thing}", "what happened in [1492|1789|1945|1969|2001]",
    "what is [the square root of {n}|pi|{n} divided by {m}]",
    "who is the [president|king|queen|prime minister|chancellor] of {place}",
    "[can|could] you [sing|dance|swim|drive|cook|sleep|dream]",
    "what is the [speed of light|longest river|highest mountain|largest country|smallest planet]",
]


def named(name: str, rng: random.Random) -> str:
    """A name, mostly with a capital."""
    return name if rng.random() < 0.3 or name.startswith(("the ", "a ", "my ")) else name.title()


def filled(text: str, rng: random.Random) -> str:
    names = {"place": named(rng.choice(PLACES), rng), "place2": named(rng.choice(PLACES), rng),
        "person": named(rng.choice(PEOPLE), rng),
        "thing": rng.choice(THINGS), "word": rng.choice(WORDS),
             "n": str(rng.randint(2, 99)), "m": str(rng.randint(2, 9))}
    return spin(text, rng, names)


def instruction(rng: random.Random) -> tuple[str, str]:
    """A small instruction and its answer."""
    kind = rng.random()
    word = rng.choice(WORDS)
    if kind < 0.4:
        if rng.random() < 0.3:
            word = "".join(rng.choices(SYLLABLES, k=rng.randint(2, 3)))
        said = word if rng.random() < 0.6 else f"{word} {rng.choice(WORDS)}"
        quote = rng.choice(["", '"', "'"])
        form = rng.choice(["say", "repeat", "repeat the word", "repeat after me:", "say the word", "echo", "write",
            "write the word", "please say", "just say", "answer with", "reply with", "reply with the word", "print",
            "say only", "answer only with"])
        return f"{form} {quote}{said}{quote}", said
    if kind < 0.52:
        last = rng.randint(2, 10)
        first = 1 if rng.random() < 0.8 else rng.randint(1, last - 1)
        numbers = range(first, last + 1)
        if first > 1:
            text = f"count from {first} to {last}"
        else:
            shown = rng.choice([str(last), NUMBERS[last]])
            text = spin(f"[count to|count up to|count from 1 to|count from one to|please count to|list the numbers from 1 to|count until] {shown}",
                rng)
        return text, " ".join(map(str, numbers))
    if kind < 0.6:
        form = spin("[write|put|say|print|give me] {word} in [capitals|upper case|uppercase|capital letters]", rng,
            {"word": word})
        form = rng.choice([form, form, f"upper case: {word}", f"uppercase {word}", f"make {word} uppercase",
            f"upper-case {word}", f"convert {word} to upper case"])
        return form, word.upper()
    if kind < 0.66:
        answer = rng.choice(["yes", "no"])
        return spin(f"[say|answer|reply|just say|please say|answer with|reply with|only say] {answer}",
            rng), answer.capitalize() + "."
    a, b = rng.randint(0, 10), rng.randint(0, 10)
    if rng.random() < 0.7:
        return spin(f"[what is|what's|how much is|calculate|compute|] [{a} + {b}|{a}+{b}|{a} plus {b}]",
            rng), f"{a} + {b} = {a + b}"
    a, b = max(a, b), min(a, b)
    return spin(f"[what is|what's|how much is|calculate|compute|] [{a} - {b}|{a}-{b}|{a} minus {b}]",
        rng), f"{a} - {b} = {a - b}"


def noisy(text: str, rng: random.Random) -> str:
    """The same question as another person types it: fillers, a word too few, a slip, capitals, punctuation."""
    if rng.random() < 0.16:
        text = rng.choice(BEFORE) + text
    if rng.random() < 0.12:
        text = text + rng.choice(AFTER)
    words = text.split(" ")
    small = [at for at, word in enumerate(words) if word.lower() in SMALL]
    if len(words) > 3 and small and rng.random() < 0.2:
        del words[rng.choice(small)]
    if len(words) > 3 and rng.random() < 0.06:
        at = rng.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    if rng.random() < 0.08:
        at = rng.randrange(len(words))
        word = words[at]
        if len(word) > 4 and word.isalpha():
            cut = rng.randrange(1, len(word) - 1)
            words[at] = rng.choice([word[:cut] + word[cut + 1 :],
                word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :], word[:cut] + word[cut] * 2 + word[cut + 1 :]])
    text = " ".join(words)
    return marked(text, rng)


def marked(text: str, rng: random.Random) -> str:
    if rng.random() < 0.65:
        text = text[:1].upper() + text[1:]
        text = re.sub(r"\bi\b", "I", text)
    if rng.random() < 0.25:
        for name in ["openai", "onnx", "gpu", "cpu", "cuda", "api", "rag", "json", "kv", "http", "cors", "ram"]:
            text = re.sub(rf"\b{name}\b", {"openai": "OpenAI"}.get(name, name.upper()), text)
    text = text.rstrip()
    if text[-1:].isalnum() or text.endswith(("}", "/")):
        text += rng.choice(["", "?", "?", "?", ".", "!"] if len(text) < 25 else ["", "?", "?", "?", "."])
    return text


def about_route(rng: random.Random) -> tuple[str, str]:
    route = rng.choice(ROUTES)
    if rng.random() < WHOLE:
        return spin(rng.choice(MORE_ROUTES[f"{route.method} {route.path}"]), rng), route.answer
    kind = rng.random()
    if kind < 0.5:
        question = spin(rng.choice(ASK_BY_WISH), rng, {"wish": rng.choice(route.wishes)})
    elif kind < 0.75:
        question = spin(rng.choice(ASK_BY_THING), rng, {"thing": rng.choice(route.things)})
    else:
        same_path = [other for other in ROUTES if other.path == route.path]
        if len(same_path) > 1:
            question = spin("[what does {route} do|{route}|explain {route}|what is {route} for]", rng,
                {"route": f"{route.method} {route.path}"})
        else:
            path = route.path.replace("{model_id}", rng.choice(["{model_id}", "tabagent-embed", "{model_id}"]))
            question = spin(rng.choice(ASK_BY_PATH), rng, {"route": f"{route.method} {path}", "path": path})
    return question, route.answer


def asked(chosen: Fact, rng: random.Random) -> str:
    return spin(rng.choice(MORE[chosen.answer] if rng.random() < WHOLE else chosen.asks), rng, FORMS)


def exchange(rng: random.Random) -> tuple[str, str]:
    """One question with its answer."""
    kind = rng.random()
    if kind < 0.32:
        question, answer = about_route(rng)
        return noisy(varied(question, rng), rng), answer
    if kind < 0.75:
        chosen = rng.choices(FACTS, [fact.weight for fact in FACTS])[0]
        return noisy(varied(asked(chosen, rng), rng), rng), chosen.answer
    if kind < 0.81:
        chosen = rng.choices(TALK, [fact.weight for fact in TALK])[0]
        return marked(asked(chosen, rng), rng), chosen.answer
    if kind < 0.91:
        question, answer = instruction(rng)
        return marked(question, rng), answer
    return noisy(filled(rng.choice(FOREIGN), rng), rng), UNKNOWN


def turn(role: str, text: str) -> str:
    return f"<|im_start|>{role}\n{text}<|im_end|>\n"


def dialogue(rng: random.Random) -> list[tuple[str, bool]]:
    """Pieces of a dialogue in the chat template's form; those that the model has to say are marked."""
    if rng.random() < 0.02:
        return tool_dialogue(rng)
    if rng.random() < 0.08:
        return declined(rng, *exchange(rng))
    pieces = []
    if rng.random() < 0.12:
        pieces.append((turn("system", rng.choice(SYSTEMS)), False))
    for _ in range(1 if rng.random() < 0.9 else 2):
        question, answer = exchange(rng)
        pieces.append((turn("user", question) + "<|im_start|>assistant\n", False))
        pieces.append((answer + "<|im_end|>", True))
        pieces.append(("\n", False))
    return pieces


def texts(rng: random.Random, count: int) -> Iterator[str]:
    """Dialogues as plain text, for the tokenizer."""
    for _ in range(count):
        yield re.sub(r"<\|im_(start|end)\|>", "\n", "".join(text for text, _ in dialogue(rng)))


def plain(question: str) -> str:
    """A question but for case and punctuation."""
    return " ".join(re.findall(r"[\w/{}-]+", question.lower()))


__all__ = ["ANSWERS", "dialogue", "exchange", "plain", "texts"]

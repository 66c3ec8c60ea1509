"""Words and phrases that mean about the same in a question about a server, so that training asks in more people's words."""

from __future__ import annotations

import random
import re

GROUPS = """
see|view|look at|look up|check|find out|learn
show|display|print|tell|list|report
get|obtain|fetch|receive|retrieve|get hold of
delete|remove|erase|throw away|discard|wipe out|drop
make|create|produce|build
start|launch|boot|boot up|run|fire up|bring up
stop|cancel|abort|interrupt|end|halt
change|modify|adjust|alter|switch
save|store|keep|put away
add|insert|upload|feed in|import
turn|convert|transform|change
group|cluster|bucket|sort into groups
compare|match
send|post|submit|pass
use|employ|work with|call
endpoint|route|path|url|call|request|address
machine|computer|box|laptop|pc|hardware|system
gpu|graphics card|video card|cuda card
memory|ram|vram
disk|hard drive|drive|ssd|storage
terminal|shell|command line|cli|console|prompt
command|subcommand|cli command
answer|reply|response|output
question|query
texts|sentences|strings|paragraphs|pieces of text
text|sentence|string|paragraph|piece of text
documents|files|docs|papers|notes
results|hits|search hits|passages|candidates
messages|chat messages|turns
conversation|chat|dialogue|talk
similar|alike|close|near
how alike|how similar|how close
vector|embedding|list of numbers
vectors|embeddings|numbers
fast|quick|speedy
how fast|how quick
speed|throughput|performance|pace
error|failure|problem|message
wrong|broken|off|failing|not working
setup|installation|configuration|environment
settings|options|flags|parameters|switches
setting|option|flag|parameter|switch
busy|taken|occupied|already in use|in use
secret|password|key|token
website|web page|web app|site|page|frontend
client|program|app|script|code
library|sdk|package
network|lan|local network|wifi
other computers|another computer|my phone|other devices|a tablet
default|standard|usual
by default|if i say nothing|normally|without settings
list of|overview of|all the|every
all|every|each
big|large|huge|heavy
needs|takes|requires|uses up|consumes
fits|would fit|can run|is small enough
running|active|in progress|going on|working
now|right now|at the moment|currently|at present
loaded|in memory|in ram|held in memory
load|bring into memory|put into memory
unload|take out of memory|clear from memory|evict
download|pull|fetch|grab|install
folder|directory|place
meaning|sense|idea
explain|describe|define|clarify
please|kindly
log|log lines|logs|log output
shut down|turn off|quit|stop|exit
limit|cap|restrict|bound
short|brief|small
valid|correct|proper|well-formed
function|method|procedure
healthy|ok|alive|fine|working
monitor|watch|poll|keep an eye on
measure|test|evaluate|find out
suggest|recommend|propose
document|file|text
write|generate|produce
too long|too big|over the limit|longer than allowed
refused|blocked|denied|rejected|not allowed
need|want|would like|have
reads|takes|accepts
history|old messages|past messages|earlier messages
""".strip().splitlines()

ALTERNATIVES: dict[str, list[str]] = {}
for group in GROUPS:
    members = group.split("|")
    for member in members:
        ALTERNATIVES.setdefault(member, []).extend(other for other in members if other != member)
KNOWN = re.compile(
    r"(?<![\w/_-])(" + "|".join(sorted(map(re.escape, ALTERNATIVES), key=len, reverse=True)) + r")(?![\w/_-])")
FRAMES = [
    "{q}", "{q}", "{q}", "could you tell me {q}", "i would like to know {q}", "can you say {q}",
    "{q}, do you know", "any idea {q}", "i am wondering {q}", "what i want to know is {q}",
    "i was asking myself {q}", "do you happen to know {q}", "{q}, any idea",
]


def varied(text: str, rng: random.Random) -> str:
    """The question in other words; paths, flags and names stay."""
    if "/v1" in text or "--" in text or "`" in text:
        return text
    if rng.random() < 0.5:
        text = KNOWN.sub(lambda found: rng.choice(ALTERNATIVES[found[1]])
                         if rng.random() < 0.35 else found[1], text)
    if rng.random() < 0.15 and re.match(r"(how|what|which|where|why|when)\b", text):
        text = rng.choice(FRAMES).replace("{q}", text)
    return text

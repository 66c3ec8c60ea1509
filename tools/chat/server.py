"""What else the model knows of the server: commands, settings, errors and ideas, each as an answer and ways to ask for it.

`[a|b]` stands for any one of its alternatives, `{name}` for one of FORMS.
"""

from __future__ import annotations

from dataclasses import dataclass

FORMS = {
    "how": "[how do i|how can i|how to|how do you|how would i|how could i|i want to|i need to|i'd like to|can i|could i|what do i do to|is there a way to|help me|tell me how to|what is the way to|please explain how to|where do i|show me how to|is it possible to]",
    "what": "[what is|what's|what does|explain|define|tell me about|what do you mean by|describe|what are|can you explain|i do not understand|what is meant by|meaning of|help me understand|what exactly is|in simple words, what is]",
    "command": "[which|what] [command|subcommand] [lets me|do i use to|do i run to|do i type to|is used to|is there to|would]",
    "got": "[i get|i got|i see|i am getting|it says|the server says|the server answers|there is|why do i get|why is there|what to do about|the answer is|the response is|what causes|how do i fix|how do i solve|what does it mean when i get|my request fails with|i keep getting|help,]",
    "change": "[change|set|pick|choose|configure|use|specify|select|adjust|give|define|switch|modify|override]",
    "server": "[|the server|tabagent|this server|the tabagent server|it|the program|this]",
}


@dataclass(frozen=True)
class Fact:
    answer: str
    asks: tuple[str, ...]
    weight: float = 1.0


def fact(answer: str, *asks: str, weight: float = 1.0) -> Fact:
    return Fact(answer, asks, weight)


def command(name: str, does: str, *wishes: str, bare: bool = True) -> Fact:
    """A command; without `bare`, a wish alone is a question about a route, and the terminal has to be mentioned."""
    named = f"[tabagent {name}|the {name} command|the command {name}|{name}|`tabagent {name}`]"
    return fact(
        f"tabagent {name} {does}",
        *(f"{form} {wish}" for wish in wishes for form in (("{command}", "{how}") if bare else ("{command}",))),
        *(f"{form} [in the terminal|in a terminal|on the command line|from the shell|in the console|from the cli]"
          for form in wishes),
        *(f"command [to|that can|for me to] {wish}" for wish in wishes),
        *(f"[in|on|with] the [terminal|shell|command line|cli|console], [how do i|i want to|how can i|let me] {wish}" for wish in wishes),
        *(f"is there [a|some|any] command to {wish}" for wish in wishes),
        *(f"[i'd like|i want|i need|we have] to {wish} [from|in|on|with|using] the [terminal|shell|command line|cli|console]" for wish in wishes),
        f"what [does|is|is the use of] {named}[ do| for|]", f"what does tabagent {name} do", f"what is tabagent {name} for",
        f"explain {named}", f"[when|why] [do|would] i use {named}", f"tabagent {name}",
        f"[tell me about|describe] {named}",
    )


COMMANDS = [
    command("serve", "starts the server; it is what tabagent does without a command.",
            "[start|launch|run|boot|bring up] [the|this] server", "[serve|start serving] [models|requests]", "get the server [going|running|up]",
            "[turn on|fire up] the server"),
    command("routes", "prints all routes of the server.",
            "[list|see|print|show] [all |the |]routes", "[see|know] [which|what] routes [there are|exist]", "[print|show] the [endpoints|paths|urls]"),
    command("openapi", "prints the OpenAPI document.",
            "[print|save|export|write|dump] the openapi [document|file|schema|spec]", "[write|save] the api [description|specification] to a file"),
    command("runtime", "shows or installs ONNX Runtime, for example: tabagent runtime install cuda.",
            "[install|update|get|add] [onnx runtime|the runtime|onnxruntime|a gpu build|the cuda build|cuda support]",
            "[see|show|check] which [onnx runtime|onnxruntime|runtime] [is installed|is used|i have]"),
    command("doctor", "checks the machine and says what is wrong and how to mend it.",
            "[diagnose|find|check for|troubleshoot|debug] [problems|a problem|what is wrong|errors|issues]", "[check|test|examine] my [setup|installation|machine|gpu setup|drivers]",
            "find out why [the gpu|cuda|it|something] [is not used|does not work|is broken]"),
    command("pull", "downloads a model, for example: tabagent pull OWNER/NAME.",
            "[pull|download|fetch|get|install] [a|a new|another|a bigger|a better|a real] model", "[add|get] [more|new|other] models",
            "[download|fetch] [model files|weights]", bare=False),
    command("list", "lists the models on disk.",
            "[list|see|print|show] [all |my |the |][models|downloaded models|local models|models on disk|installed models]",
            "see [which|what] models [i have|are on disk|are installed|i downloaded]", bare=False),
    command("ps", "shows the models that are in memory.",
            "[see|list|show] [which models are in memory|loaded models|running models|what is loaded]", "see [what|which model] is [loaded|running|in memory]", bare=False),
    command("rm", "deletes a model from disk.",
            "[delete|remove|erase|uninstall] a model", "[get rid of|throw away] a [downloaded |]model", "free disk space", bare=False),
    command("run", "chats with a model in the terminal.",
            "[chat|talk] [with|to] a model", "have a [chat|conversation]", "[try|ask] a model[ something|]", bare=False),
    command("bench", "measures the speed of a model.",
            "[benchmark|measure|test|time] [a model|the speed|speed|performance|the speed of a model]", "[see|find out] how fast [a model|it|my machine] is", "run a benchmark"),
    fact("The commands are serve, routes, openapi, runtime, doctor, pull, list, ps, rm, run and bench.",
         "[what|which] [commands|subcommands] [are there|exist|do you have|does tabagent have|can i use|are available|does it offer]", "[list|show|name] [all |the |]commands",
         "[what|which] commands does [the server|this program|the binary|the cli] [have|know|offer|understand]", "all commands", "cli help", "command line commands",
         weight=1.5),
]

SETTINGS = [
    fact("Use --port, for example --port 8080. The default is 8080; 0 picks a free port.",
         "{how} {change} [the|a|another|a different|its] port[ number|][ of {server}| for {server}|]", "[which|what] port [does {server} use|is used|does it listen on|is the default|is it on|do i connect to]",
         "[the |]default port", "--port", "what does --port do", "[run|start|serve] [{server}|] on [port 9000|another port|a different port|port 3000|a free port]",
         "port 8080 is [taken|in use|already used|busy|occupied]", "[the |]port [setting|flag|option]", "[listen|make it listen] on another port", "address already in use", "[use|take|i want|move it to|put it on|start it on|make it answer on|serve on] port [3000|5001|9000|4321|7777|80|1234|6006|8000|8888]", "[something else|another program] [uses|has|sits on] [port 8080|the port]", "[can|could] it [use|run on|have] [a different|another] port", "number of the port",
         "{how} run [two servers|a second server] at once", weight=1.5),
    fact("Use --host, for example --host 0.0.0.0 with --api-key. The default is 127.0.0.1.",
         "{how} {change} [the|another] [host|address|ip|interface|bind address][ of {server}|]", "[which|what] [host|address|ip|interface] [does {server} use|does it listen on|is the default]", "--host",
         "what does --host do", "{how} [reach|access|open|use|connect to] {server} from [another machine|another computer|the network|my phone|outside|the lan|other machines]",
         "[allow|let] [other machines|other computers|the network] [connect|in|reach {server}]", "[listen|bind] [on|to] all interfaces", "[make|get] {server} [public|visible in the network|reachable]", "[my phone|my laptop|other machines|other people|clients elsewhere|my tablet|colleagues] [cannot|can't|should|must|want to|need to] [connect|reach {server}|use {server}|see {server}]", "it only [answers|works] on [this machine|localhost]", "[use|reach] it [remotely|over the network|over wifi]",
         "[the |]host [setting|flag|option]", weight=1.5),
    fact("Use --models-dir with the folder that holds your models; each subfolder is a model.",
         "{how} {change} [the|another] [models|model] [folder|directory|dir|path]", "where [are|do i put|should i put|does it keep|are stored|does {server} look for] [the |my |]models[ stored|]", "--models-dir",
         "what does --models-dir do", "{how} [use|add|serve] [my own|a local|my] model[s|][ from a folder| from disk|]", "[models|model] [folder|directory]",
         "[tell|say to] {server} where my models are", "[load|read] models from another [folder|disk|drive]", "where do model files go", "my models [are|lie|sit] [on another drive|in another folder|elsewhere|somewhere else]", "it does not [see|find] my model folder", "[serve|use] a model [that i have|i already have] on disk", "[onnx|hugging face] folder on my disk", weight=1.5),
    fact("Use --api-key; clients then send it as a Bearer token in the Authorization header.",
         "{how} {change} [an|the|a] [api key|key|password|token]", "{how} [protect|secure|lock] {server}[ with a key| with a password|]", "--api-key", "what does --api-key do",
         "{how} [send|pass] the [api key|key|token]", "[require|demand|need] [authentication|a key|a password|login]", "does {server} [need|have] [an api key|authentication|a password]", "authentication",
         "[which|what] header [has|carries|takes] the key", "[add|put|set|require] a [secret|password|key] [for|on|in front of] {server}", "only [me|i|my team|my users] should [use|reach|get into] {server}", "[restrict|limit|control] access", "[keep|stop] [strangers|others] [out|from using {server}]", weight=1.5),
    fact("Use --device, for example --device cuda. auto, cpu, cuda, directml and others are possible; auto is the default.",
         "{how} {change} [the|another|a] [device|gpu|cpu|accelerator|execution provider]", "{how} [run|compute|infer] on [the|a|my] [gpu|graphics card|cpu|nvidia card|second gpu]", "--device", "what does --device do",
         "[which|what] devices [are there|can i use|are supported|does {server} support]", "[does {server}|can it] [use|support|run on] [a gpu|cuda|my gpu|directml|nvidia|amd]",
         "[make|force] {server} use the [gpu|cpu|graphics card]", "[gpu|cuda|directml] support", "run [without a gpu|only on the cpu]", "use my nvidia card", "[make|let] it [use|take] [cuda|directml|the gpu|the cpu|the graphics card]", "it [runs|is slow and runs] on the cpu[, not on the gpu|]", "[graphics card|accelerator|hardware acceleration]", "[prefer|only use|stick to] the [cpu|gpu|processor]", weight=1.5),
    fact("Use --data-dir with a folder; the server keeps its store there.",
         "{how} {change} [the|another] data [folder|directory|dir|path]", "--data-dir", "what does --data-dir do", "where [is|are|does {server} keep|does it store] [the |my |its ][data|database|sessions|documents|store]",
         "[which|what] folder holds [the database|the data|sessions|the store]", "{how} [move|back up] the [database|data|store]"),
    fact("Each setting is a flag, a variable TABAGENT_* and a key of the TOML file, in this order of precedence.",
         "{how} {change} [settings|configuration|options|the configuration]", "{how} configure {server}", "[can i|how do i] use [environment variables|a config file|a toml file|env vars|a configuration file]", "[which|what] settings are there",
         "is there a [config|configuration|settings] file", "environment variables", "[does a|which wins, the] flag [win over|override|or] [the variable|the file|an environment variable]", "toml", "what is the precedence of settings",
         "TABAGENT_PORT", "{how} configure it [without flags|in docker|by environment]", "{how} [avoid|save] typing flags[ every time|]"),
    fact("Use --allow-host with the host name; only loopback names are allowed by default.",
         "--allow-host", "what does --allow-host do", "{how} [allow|permit|add] [a host|a host name|my domain|a domain]", "[my|the] [domain|host name|hostname] is [refused|rejected|blocked|not allowed]",
         "use {server} behind a [reverse proxy|proxy|domain]"),
    fact("Use --allow-origin with the origin of the web page; others are refused.",
         "--allow-origin", "what does --allow-origin do", "[cors|cors error|a cors problem]", "{how} [allow|permit|enable] [cors|an origin|a web page|a website|my web app|my frontend|browser requests]",
         "[the page|a website|my site|the web app|browser code|a page] [may not|cannot|is not allowed to|can't] [call|talk to|reach|use] {server}", "[the browser|my web page|javascript|my frontend] [cannot call {server}|is blocked|is refused|gets a cors error]"),
    fact("Run tabagent --help to see all settings.", "[show|see|get] help", "--help", "{how} [see|list|find] [all |the |][flags|options|settings|command line options]",
         "[which|what] [flags|options] [are there|exist|does it have|can i pass]", "list of flags", "where are the options documented"),
    fact("It prints: listening on http://127.0.0.1:8080. From then on it takes requests.",
         "how do i know [that|if|when] {server} [is up|has started|is running|started]", "what does {server} print [when it starts|at start|first]", "[which|what] is the [url|address|base url|base_url] of {server}",
         "[where|on which address|on what url] does {server} listen", "the [base url|base_url|server url]", "what url do i [use|open|put into my client]"),
    fact("Point the client at it: base_url http://127.0.0.1:8080/v1 and any api_key.",
         "{how} [use|connect|set up] the openai [sdk|client|library|package|python client]", "does {server} work with [openai|the openai sdk|langchain|openai clients|the python client]", "{how} [connect|use] [langchain|python|javascript|node|a client|my app]",
         "openai compatible", "is {server} [compatible with openai|openai compatible]", "{how} call {server} from [python|javascript|my code|node|a program]", "{how} write a client"),
    fact("Press Ctrl-C or send SIGTERM; it finishes running requests and then exits.",
         "{how} [stop|shut down|quit|end|exit|terminate|turn off|close] the server", "[shut down|stop] tabagent", "does it [shut down|stop] [gracefully|cleanly]", "what happens on [sigterm|ctrl-c|shutdown]", "{how} exit tabagent"),
    fact("Logs go to stderr; stdout holds only a command's output.",
         "where [are|is|do i find|do i see|go] the [log|logs][ files| go|]", "{how} [see|read|find] [the |][log|logs|log messages]", "does {server} [log|write logs]", "logging", "what is on stderr"),
]

UNKNOWN_ROUTE = "404 means not found: check the path, or list models with GET /v1/models."


def error(answer: str, names: str, *asks: str) -> Fact:
    codes = [part for part in names.strip("[]").split("|") if part.isdigit()]
    asks += tuple(form.replace("{code}", code) for code in codes for form in (
        "[error|status|http|code|http status] {code}", "[error|status|code|http] {code} [appears|again|turned up|is returned|after every call]", "[i get|got|always|only] [a|status|error|code] {code}",
        "{code}[: why| what now| from the server| response|]", "what does [{code}|status {code}|error {code}|code {code}] [mean|say|tell me]", "[the server|it] [says|answers|returns|sends] {code}",
        "[how do i|can i] [avoid|fix|solve|handle] [a|the|error|status] {code}", "[why|when] [is there|do i get|comes|does it answer with] [a|status|error] {code}",
    ))
    return fact(answer, f"{{got}} {names}", f"{{what}} {names}", f"{names}", f"[{names} error|error {names}|status {names}]", f"[what|which] status [has|does] {names}[ have|]",
                f"what should i do [about|with|on|after] {names}", f"[the server|it|my client|the api|the response|the log] [says|reports|returns|shows|gives|mentions|throws] {names}",
                f"[the request|my call|a call|loading|it|everything] [fails|failed|ended|ends|stops|stopped|breaks] with {names}", f"{names}[: what now| again|, why| - help|, what is that| all the time]",
                f"what [is the cause of|causes|leads to|explains|triggers] {names}", f"what is wrong [with|when i see] {names}", f"[when|why] does {names} [happen|come|appear|occur]",
                f"[somebody|my colleague|a user] [gets|got|sees] {names}", f"how [do|can] i [avoid|fix|handle|get around] {names}", *asks)


ERRORS = [
    error("ModelNotLoaded is 503: load the model with POST /v1/models/load.", "[ModelNotLoaded|model not loaded|a model that is not loaded]",
          "the model is not loaded", "{got} the model is not in memory"),
    error("ModelNotFound is 404: see GET /v1/models, or get it with POST /v1/pull.", "[ModelNotFound|model not found|unknown model|no such model]",
          "[the server|it] does not [know|find] my model", "{got} the model does not exist", "my model [is missing|cannot be found|is not there|was not found]"),
    error("OutOfMemory is 503: unload a model, or take a smaller variant or context.", "[OutOfMemory|out of memory|oom|not enough memory|too little memory]",
          "[my|the] [memory|ram|vram] is [full|not enough|too small]", "the model [does not fit|is too big][ into memory|]", "[i am|we are] running out of [memory|ram]"),
    error("GenerationTimeout is 408: ask for fewer tokens, or stop it with POST /v1/generation/stop.", "[GenerationTimeout|generation timeout|a timeout|timed out|408|request timeout]",
          "the generation [takes too long|timed out|took too long]", "{got} the answer took too long"),
    error("InvalidInput is 400: correct the field that the error names.", "[InvalidInput|invalid input|400|bad request|a 400|validation error|status 400]",
          "my request is [invalid|refused|wrong|rejected]", "{got} a field is wrong", "the server rejects my json"),
    error("CudaError is 500: run tabagent doctor to check the execution provider.", "[CudaError|cuda error|a gpu error|gpu failure|execution provider failed]",
          "[cuda|the gpu|my gpu] [fails|crashes|does not work|breaks]", "something is wrong with [cuda|my gpu|the gpu]"),
    error("ModelCorrupted is 422: pull the model again.", "[ModelCorrupted|model corrupted|a corrupted model|422|damaged model|a broken model|corrupt files]",
          "the model file is [damaged|broken|corrupt]", "[the|my] [download|model] is [damaged|broken|incomplete]"),
    error("ResourceLimitExceeded is 429: wait for the time in Retry-After and try again.", "[ResourceLimitExceeded|resource limit exceeded|429|too many requests|rate limit|the queue is full|a 429|status 429]",
          "the server is [overloaded|too busy]", "{got} too much load", "when may i [retry|try again]"),
    error("SessionNotFound is 404: create it with POST /v1/sessions/{session_id}/messages.", "[SessionNotFound|session not found|unknown session|no such session]",
          "my session [is missing|does not exist|is unknown|is gone]"),
    error("EmbeddingModelNotAvailable is 503: see GET /v1/embedding-models, then load one.", "[EmbeddingModelNotAvailable|embedding model not available|no embedding model]",
          "there is no model to embed with"),
    error("VectorStoreError is 500: rebuild the index.", "[VectorStoreError|vector store error|a vector store failure|broken index|index error]", "the [index|vector store] is [broken|damaged]"),
    error("InternalError is 500: report it with the request_id.", "[InternalError|internal error|500|internal server error|a 500|status 500]", "the server [crashed|failed] [inside|internally]", "{got} something went wrong inside",
          "{how} [report|file] a [bug|crash|problem]"),
    error("ConfigurationError is 500: correct the setting that it names.", "[ConfigurationError|configuration error|a wrong setting|config error]", "a setting is wrong"),
    error("NotImplemented is 500: it names the missing feature and what to use instead.", "[NotImplemented|not implemented|a missing feature|unsupported feature]", "the feature is [missing|not there|not supported]"),
    error("context_length_exceeded is 400: the input is longer than the model's context; shorten it.", "[context_length_exceeded|context length exceeded|context too long|prompt too long|too many tokens|input too long]",
          "my [prompt|text|input|conversation] is too long", "{got} the prompt does not fit the context"),
    error("401 means that the API key is missing or wrong: send it as a Bearer token.", "[401|unauthorized|unauthorised|wrong api key|a 401|status 401|missing key]", "my key is [refused|not accepted|wrong|rejected]"),
    error("403 means that the host or origin is not allowed: use --allow-host or --allow-origin.", "[403|forbidden|a 403|status 403|origin not allowed|host not allowed]", "my page is forbidden"),
    error(UNKNOWN_ROUTE, "[404|not found|a 404|status 404]", "the path does not exist", "{got} nothing at this url"),
    error("405 means that the path takes another method; the Allow header names it.", "[405|method not allowed|a 405|status 405|wrong method]", "i used the wrong method"),
    error("413 means that the body is too large: send less at once.", "[413|payload too large|body too large|a 413|status 413]", "my [request|body] is too [large|big]"),
    error("503 means that it cannot serve now: wait for Retry-After, or load the model.", "[503|service unavailable|a 503|status 503|server unavailable]", "the server is [not available|unavailable]"),
    fact("Errors are application/problem+json: type, title, status, detail, request_id, and OpenAI's error object.",
         "[what|how] do errors look[ like|]", "[what|which] [format|shape|body] [do|does] [errors|an error|failures] have", "{what} problem+json", "error format", "what is in an error[ body| response|]",
         "how are [errors|failures] [reported|returned|written]", "rfc 9457"),
    fact("request_id names a request: it is in the header x-request-id, in errors and in the log.",
         "{what} [the |a |]request[_| ]id", "where [is|do i find] the request[_| ]id", "x-request-id", "how do i find my request in the log"),
]

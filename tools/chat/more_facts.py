"""More ways to ask for commands, settings, errors, ideas and small talk; what `more_routes.py` is for the routes.

Whole questions, by the words with which the answer begins, which no other answer begins with.
"""

from __future__ import annotations

MORE_FACTS: dict[str, tuple[str, ...]] = {
    # Commands.
    "tabagent serve": (
        "what do i type to [start|run|launch] [it|the server|tabagent]", "[start|launch|run] it from [a|the] [terminal|shell|command line]",
        "the command that [starts|runs|launches] [everything|the server]", "[which|what] command [starts|boots|launches] [it|the server]",
        "[bring|get] [it|the server|tabagent] up [in|from] [a|the|my] [terminal|shell]", "how do i start [it|tabagent|the server]",
        "[start|begin] listening for requests", "what happens if i run tabagent without a command", "get it going from the shell",
        "how is the server launched", "i installed it, how do i start it now"),
    "tabagent routes": (
        "[which|what] command [lists|prints|shows] [all |the |every ][routes|endpoints|urls]", "[where|how] do i see [all |every ][endpoint|route|url]s at once",
        "an overview of [all |the ][endpoints|routes|urls] in the terminal", "what routes does the server have", "[print|give] me [a table|a list] of [the |all ][routes|endpoints]",
        "which endpoints exist", "all paths of the api on the command line", "list every url from the shell"),
    "tabagent openapi": (
        "[which|what] command [writes|prints|saves|gives] the [openapi|api] [document|file|spec|description]", "[get|put|dump] the api [spec|document] [in|into] a file [from the shell|without a server]",
        "the openapi document without starting the server", "print the spec in the terminal", "[export|write] the api as json from the command line"),
    "tabagent runtime": (
        "[which|what] command [installs|downloads|updates] [onnx runtime|the cuda build|the library]", "onnx runtime [is missing|is not found|cannot be found|is not installed]",
        "[get|fetch|set up] the [cuda|gpu|directml] [version|build] of onnx runtime", "how do i add cuda", "the library [that runs models|onnxruntime] is [missing|not there]",
        "which version of onnx runtime do i have", "install gpu support", "[libonnxruntime|onnxruntime.dll|the shared library] [was not found|is missing]"),
    "tabagent doctor": (
        "[something|it] [is broken|does not work|is wrong][, what now|, how do i find out why|, which command helps|]", "[which|what] command [finds|tells|shows] [what is wrong|the problem|problems]",
        "[check|inspect] my [installation|setup|drivers|machine] [for errors|for problems|]", "[self-test|self test|diagnosis|diagnostics]", "why is my [gpu|cuda] not [found|used|seen]",
        "it does not work, help me find the cause", "is my installation [ok|complete|correct]", "find out what is missing on this machine", "troubleshooting",
        "look for faults in my setup", "what should i run when things go wrong", "verify my installation"),
    "tabagent pull": (
        "[which|what] command [downloads|gets|fetches|installs] [a model|models]", "[get|fetch|download] a model [from|in|with] [the |a ][terminal|shell|command line|cli]",
        "[download|get|fetch] a [model|bigger model] with a command", "the command for a download", "what do i type to [download|get|fetch|install] a model",
        "where do i get [bigger|better|more|real] models", "i want a better model than the built-in one", "how do i install a model from hugging face in the shell",
        "a cli way to download weights"),
    "tabagent list": (
        "[which|what] command [lists|shows|prints] [my |the |local |downloaded ]models[ on disk|]", "[list|see|show] [my |the ]models [in|from] [the |a ][terminal|shell|command line|cli]",
        "what do i type to see my models", "the command that shows [downloaded|installed|local] models", "[print|see] [which|what] models [i have|are on my disk] in the shell",
        "how can the terminal tell me what i downloaded"),
    "tabagent ps": (
        "[which|what] command [shows|lists|prints] [the |]models in [memory|ram]", "[see|show|list] [loaded|running] models [in|from] [the |a ][terminal|shell|command line|cli]",
        "what do i type to see what is loaded", "the command [like|similar to] ps", "the command for models in memory", "which models are running, as seen from the shell"),
    "tabagent rm": (
        "[which|what] command [deletes|removes|erases] a model", "[delete|remove|erase] a model [in|from] [the |a ][terminal|shell|command line|cli]",
        "what do i type to [delete|remove|get rid of] a model", "the command that removes a model from disk", "delete weights with a command", "uninstall a model in the shell"),
    "tabagent run ": (
        "[which|what] command [lets me chat|starts a chat|chats|talks to a model]", "[chat|talk|converse] [in|from] [the |a |my ][terminal|shell|command line|console]",
        "[ask|question] a model [in|from] [the |a ][terminal|shell|console]", "what do i type to [chat|talk to a model]", "a chat without a browser", "interactive chat in the shell",
        "speak to the model on the command line", "try a model out in the console"),
    "tabagent bench": (
        "[which|what] command [measures|tests|shows] [the |]speed", "[measure|test|find out] [the |]speed [in|from] [the |a ][terminal|shell|command line]",
        "[a|is there a] [benchmark|speed test]", "what do i type to measure [speed|performance]", "[compare|time] how fast two models are [in the shell|]", "run a performance test",
        "how many tokens per second can my machine do, as a command", "benchmarking", "test how quick this machine is"),
    "The commands are": (
        "what can i type after tabagent", "[which|what] can the [cli|binary|command line tool] do", "what does the command line [tool|interface] offer", "[overview|list|names] of [the |all ]commands",
        "what commands do you know", "all subcommands of tabagent", "tabagent [commands|subcommands]", "i want an overview of the cli", "every command please"),
    # Settings.
    "Use --port,": (
        "[something|another server|docker] [is already on|occupies|took|blocks] [8080|port 8080]", "[listen|serve|run|answer] on [8081|port 8081|5050|another port|a port of my choice]",
        "i [need|want] [it|the server] [on|at] [port |][9090|8000|3001|8181|7000]", "what port is it", "where do i set the port", "8080 is not free", "pick a free port", "the port number is taken",
        "eaddrinuse", "[bind|move|switch] [it|the server] to [another port|port 4000|port 8888]", "which port do clients connect to", "the flag for the port",
        "let it choose any port"),
    "Use --host,": (
        "[my phone|my tablet|another pc|a second computer|the raspberry|my colleague] [cannot|should|wants to] [reach|see|use|connect to] it", "[open|share|expose] [it|the server] [to|in|on] [my|the] [home network|network|lan|office|wifi]",
        "how do i reach it from [another|a second|a different] [pc|computer|device|room]", "listen on [0.0.0.0|all addresses|every interface|the network]", "it is only reachable [here|locally|from this machine|on localhost]",
        "connection refused from another [machine|computer]", "[which|what] address [does it bind to|is it bound to]", "bind address", "use it from elsewhere in the house",
        "the server should be visible to others", "how do i serve it to the whole office"),
    "Use --models-dir": (
        "[my models|the weights|my onnx files] are [in|on] [another|a different|an external] [folder|drive|disk|place]", "[point|send] [it|the server] to my [models|model folder|weights]",
        "[where|in which folder] [does it look|must i put|should i place] [for models|models|my model files]", "[which|what] flag [sets|names|is for] the [folder|directory] [of|with|for] models",
        "i [have|exported|made] my own model[, how do i use it|, where does it go|]", "[use|serve] my own [onnx|exported|fine-tuned] model", "it does not find my models",
        "store models on a bigger drive", "a different place for models", "how do i add a local model"),
    "Use --api-key;": (
        "[not everybody|nobody else|only i|only my team] should [get in|use it|be able to use it]", "[secure|protect|lock|guard] [it|the api|my server]", "[is|can] [it|the server] [be |][protected|secured|locked]",
        "[set|add|need] a [password|secret|key]", "[require|ask for|check] a [token|key|password|secret]", "[how does|where does] [a client|my client] [send|put|pass] [its|the] [key|token|password]",
        "bearer token", "[login|credentials|authorisation|authorization|access control]", "keep other people from using it", "can anyone on the network use it, or can i stop that",
        "turn on authentication", "i want clients to identify themselves"),
    "Use --device,": (
        "[it|the server|the model] [ignores|does not use] my [gpu|graphics card]", "[run|compute|put it] on [cuda|the gpu|the graphics card|directml|the processor]", "[i have|there is] [a|an nvidia|a big] [gpu|graphics card][, how do i use it|, use it|]",
        "[switch|change] [from cpu to gpu|to the gpu|to cuda|back to the cpu]", "[force|insist on] the [cpu|gpu]", "[which|what] flag [chooses|sets|is for] the [gpu|device|hardware]", "does it work with [amd|nvidia|intel] [cards|gpus|]",
        "[speed it up|make it faster] with [a|my] [gpu|graphics card]", "take the graphics card", "choose the hardware it computes on", "gpu acceleration please", "i want inference on my rtx card"),
    "Use --data-dir": (
        "[where|in which folder] [is|are] [sessions|conversations|the database|documents|everything] [stored|kept|saved|on disk]", "[keep|put] the [database|store|data] [elsewhere|on another disk|in another folder]",
        "the place of the database", "[which|what] flag [sets|is for] the [data|database|store] folder", "[back up|copy|save] what the server stores", "store its data on another drive",
        "where on disk does it write"),
    "Each setting is": (
        "[configure|set up] [it|the server|tabagent] [with|by|through] [a file|variables|environment variables|a config file]", "[can|must] i [write|type] [the flags|all flags] [every time|each time]", "[settings|options] in a file",
        "[which|what] [wins|counts more|has priority], [the flag or the variable|file or flag|flag or file]", "[where|how] do i [keep|store|put|write] my settings", "[environment|env] variable[s|] instead of flags",
        "does it read a [config|configuration|settings] file", "docker compose environment", "permanent settings", "what is the order of flags, variables and file", "[kind|type|format] of settings file"),
    "Use --allow-host": (
        "[my reverse proxy|nginx|caddy|traefik] [in front|sends another host|gets refused]", "[i use|it runs under|i have] [a domain|my own domain|a host name][, it is refused|]", "the host header is [refused|rejected|not accepted]",
        "[reach|use] it [by|under] [its name|a name|a domain name]", "host not in the list", "requests by host name are turned away", "accept requests for my domain"),
    "Use --allow-origin": (
        "[javascript|my page|my react app|the frontend|my website|code in the browser] [gets|has|runs into] [a cors error|cors errors|an error of cors|refused]", "[call|use|reach] [it|the server|the api] from [a browser|a web page|javascript in a page|my website|react]",
        "access-control-allow-origin", "no access-control-allow-origin header", "the browser [refuses|blocks|forbids] [the call|my request|requests|it]", "[fetch|xhr] from [my page|the page] [fails|is blocked]",
        "let my web page talk to it", "cross-origin requests", "my site on another port must call the api", "preflight fails"),
    "Run tabagent --help": (
        "what [flags|options|switches] [can i give|does it take|are possible|has tabagent]", "[list|show|print] [the |all |every ][flag|option|setting]s", "what can be [set|configured]", "where is the list of [options|flags|settings]",
        "print the usage", "usage", "which switches are there", "the manual of the command line options"),
    "It prints: listening": (
        "[what|which] url do i [type|enter|put] [in|into] [the browser|my client]", "how do i [see|tell|notice|recognise] that it [started|is up|runs|has started]", "[under|on|at] [which|what] [url|address] [is it|does it answer|can i reach it|do i find it]",
        "[did it|has it] start[ed|]", "what do i see when it [starts|has started]", "the address of the [server|api]", "where is the api [reachable|running]", "is there a line that says it is running",
        "what is the local url"),
    "Point the client at it": (
        "[can|may|how do] i [keep|use|go on using] [my |the ]openai [code|client|sdk|library]", "[what|which] [base_url|base url] does the [openai|python] [client|sdk|library] [need|take]", "[use|talk to] it [from|with|in] [python|node|typescript|javascript|go|c#|java]",
        "[replace|swap] openai [by|with|for] [this|it]", "[langchain|llamaindex|autogen|continue|cursor|open webui] with this server", "[my app|my code] was written for openai", "does my existing openai code run with it",
        "connect my python script", "how do i point my program here", "drop-in replacement for openai", "which libraries can i use to call it", "example for the client setup"),
    "Press Ctrl-C": (
        "[shut|power|turn|switch] [it|the server] [down|off]", "[how|how do i] [exit|leave|close|end|finish] [it|the server|the program]", "[end|kill|terminate] the [process|server|program]", "what if i press ctrl-c",
        "are running requests [finished|lost] when [it stops|i stop it]", "graceful shutdown", "the right way to take the server down", "i want to end the server", "sigterm", "how do i bring it to a stop"),
    "Logs go to stderr": (
        "where do i [read|see|look for] [messages|what happened|what it did]", "[is there|where is] a log[file| file|]", "[write|save|redirect] the log[s|] [to|into] a file", "where does it write [messages|its messages|diagnostics]",
        "what goes to stdout", "[look|peek] into the log", "find the log output", "stdout or stderr"),
    # Errors.
    "ModelNotLoaded is": (
        "[it says|error:] [the |]model [is |]not [loaded|in memory]", "[why is|what if] [my|the] model [is |]not [loaded|in memory]", "the model has [not been loaded|to be loaded first]", "my request needs a model that is not in ram",
        "model must be loaded first", "[complains|complaint] that nothing is loaded"),
    "ModelNotFound is": (
        "[it says|error:] [there is no such model|no model of that name|unknown model|the model is unknown]", "my model name is [unknown|not known|not accepted|wrong]", "it [cannot|can't|does not] find [the|my] model [by that name|]",
        "the model [id|name] does not exist", "the server has never heard of my model", "[typed|wrote] the model name wrong"),
    "OutOfMemory is": (
        "[memory|ram|vram] [ran out|is exhausted|is used up|is not sufficient|was not enough]", "the model is too [big|large] for [my|the] [memory|ram|gpu|vram]", "not enough [room|space] in [memory|ram|vram]", "allocation failed",
        "cuda out of memory", "[it|loading] [needs|wants] more memory than [there is|i have]", "i have too little ram for this model", "killed for lack of memory"),
    "GenerationTimeout is": (
        "the answer [was cut off|ended|broke off] because it took too long", "it [takes|took] [for ever|ages|too long] and then [fails|failed|stops]", "[the|my] request [timed out|ran out of time|exceeded the deadline]", "deadline exceeded",
        "too slow, then an error", "generation ran over its time", "time limit of a generation"),
    "InvalidInput is": (
        "[it|the server] [does not like|refuses|rejects] my [request|json|body|fields]", "[a|one] field [is|was] [wrong|not accepted|refused|unknown|misspelt]", "my [json|body|request] [has|contains] [a mistake|an error|a wrong value]",
        "validation failed", "unknown field", "a parameter is out of range", "the values i sent are not accepted", "malformed request"),
    "CudaError is": (
        "[cuda|the gpu|my graphics card] [failed|crashed|gave an error|reports an error|broke]", "[an|the] error [from|of|on] [the |my ][gpu|graphics card|cuda|execution provider]", "the execution provider [fails|failed|crashed]",
        "inference on the gpu [fails|crashes|breaks]", "cuda kernel failure", "graphics card trouble", "the driver of the gpu gave up"),
    "ModelCorrupted is": (
        "[the|a|my] [model|download|file] [seems|is|looks] [damaged|corrupt|broken|incomplete|truncated]", "the [files|weights] of [a|the|my] model are [damaged|broken|unreadable|incomplete]", "checksum [mismatch|does not match|is wrong]",
        "the model file cannot be read", "download was cut off and the model is broken", "bad model file", "status 422 when loading"),
    "ResourceLimitExceeded is": (
        "[it|the server] [is|says it is] [busy|too busy|overloaded|full]", "[i send|i sent|there are|we send] too [many|much] requests", "[the|its] queue [is full|has no room]", "i am being [throttled|rate limited|slowed down]",
        "when can i try again", "it wants me to [wait|slow down|come back later]", "more requests than it can take", "throttling", "too much traffic", "what is retry-after"),
    "SessionNotFound is": (
        "[it says|error:] [no such session|unknown session|the session is unknown|there is no session]", "it [cannot|does not] find my [session|conversation]", "my session id is [wrong|not known|unknown]",
        "the conversation does not exist", "session does not exist"),
    "EmbeddingModelNotAvailable is": (
        "[it says|error:] [no embedding model|there is no embedder|no embedding model is available]", "embedding [fails|does not work] [because no model is there|for want of a model]", "[nothing|no model] can [embed|make vectors] [here|now|]",
        "embeddings are not available", "no embedder is loaded"),
    "VectorStoreError is": (
        "the [vector index|index|vector store] [fails|failed|is corrupt|cannot be read|has a problem]", "[an|the] error [in|of|from] the [vector store|index|vector database]", "my index is [broken|damaged|inconsistent]",
        "trouble with the vector store", "the store of vectors does not work", "reindex after a failure"),
    "InternalError is": (
        "the server [itself |][crashed|broke|failed|has a bug]", "[something|it] [broke|failed|went wrong] [inside|internally|in the server]", "[i found|there is|this looks like] a bug", "unexpected error", "an error that is not my fault",
        "where do i report a [bug|crash]", "server side failure", "it panicked", "error of the server's own"),
    "ConfigurationError is": (
        "[one of my|a] [setting|option|flag]s is [wrong|invalid|not valid|not accepted]", "[my|the] [config|configuration|settings] [is|file is|are] [wrong|invalid|broken|bad]", "it [will not|does not] start because of [a setting|my settings|the configuration]",
        "misconfigured", "mistake in the toml file", "invalid configuration"),
    "NotImplemented is": (
        "[it|the server] [does not|cannot] [do|support|know] [this|that|what i ask] [yet|]", "this [feature|function] [does not exist|is missing|is not there] [yet|]", "not [yet |]supported", "the feature is not built yet",
        "it answers that this is unsupported", "status 501"),
    "context_length_exceeded is": (
        "[my|the] [text|prompt|document|chat|conversation|history] is [longer than|too long for|too large for|over] [the model|its context|the limit|the context]", "[too many tokens|more tokens than it can take|token limit exceeded|over the token limit]",
        "[it|the prompt] does not fit in the context[ window|]", "the input has to be shorter", "i sent [a whole book|too much text]", "the history has become too long", "prompt exceeds the context"),
    "401 means": (
        "[it|the server] [does not|won't] [accept|take|like] my [key|token|password]", "[missing|no|wrong|bad|invalid] [authorization|api key|bearer token|credentials]", "[not authorised|not authenticated|authentication failed|access without a key]",
        "i forgot the key", "my token was turned down", "the key i send is wrong", "login failed"),
    "403 means": (
        "[access|the call|my request|it] is forbidden", "[host|origin] is not allowed", "[the|my] [host|origin] was [refused|rejected]", "forbidden error from a web page", "i am not permitted to call it",
        "it forbids my origin"),
    "404 means": (
        "[the|this|my] [url|path|route|page] [is not found|does not exist|leads nowhere|is unknown]", "[there is nothing|nothing is] [at|under] this [url|address|path]", "no such [path|route|url|page]", "it cannot find the path i called",
        "page not found", "i mistyped the path"),
    "405 means": (
        "[get|post] [instead of|where it wants|in place of] [post|get]", "[the|my] [http |]method is [not allowed|wrong|refused]", "it does not allow [get|post|delete|put] here", "the wrong verb", "must it be a post",
        "which method does the path take instead"),
    "413 means": (
        "[my|the] [body|upload|request|file|json] is [too large|too big|over the limit]", "[i sent|the request has] too many bytes", "[upload|file|payload] [too big|too large]", "size limit of a request", "request entity too large",
        "how large may a body be"),
    "503 means": (
        "[it|the server] [cannot|can't] [serve|answer] [now|at the moment|right now]", "[temporarily|currently|for now] [unavailable|not available|out of service]", "the service is not available", "it is not able to serve me now",
        "server not available, come back later"),
    "Errors are application": (
        "what [does|will] [an error|a failure] look like", "[how|in what form] does it [tell|report|return] [errors|failures|what went wrong]", "[parse|read|handle|catch] errors in my [client|code|app]", "the [json|fields|body] of an error",
        "structure of error responses", "which fields does an error have", "are errors like openai's"),
    "request_id names": (
        "[find|identify|track|trace] [one|my|a single] request [in the log|]", "[which|what] id does my request have", "[how|with what] [do i name|is] a request [identified|in the log]", "the id in the header", "correlate a request with the log",
        "what do i quote when i report a problem", "trace id of a call"),
    # Ideas.
    "An embedding is": (
        "how [can|does] a [computer|machine|model] [compare|understand|represent] meaning[s|]", "[meaning|a sentence] [as|in] numbers[, how|, what is that called|]", "what is [that|this] vector [of|for] a text", "why [are there|does it give] hundreds of numbers for a text",
        "what do the numbers of a text say", "text as a point in space"),
    "Reranking sorts": (
        "what is [a|the] second ranking [good |]for", "why [sort|order|rank] [results|documents] [again|twice]", "what [does|is] [ranking|sorting] by relevance", "what is the ranking step after search", "what does it mean to rerank",
        "is reranking better than embeddings alone"),
    "A cross-encoder reads": (
        "[cross-encoder|cross encoder] or [bi-encoder|embedding model]", "a model that reads [two texts|query and document] [together|at once]", "what kind of model is a reranker inside", "one score from query and document together",
        "difference between bi-encoder and cross-encoder"),
    "Continuous batching lets": (
        "[what if|what happens when] [two|many|ten|several] [users|people|clients] [ask|use it|write] at [once|the same time]", "[many|several|parallel|concurrent|simultaneous] [users|requests|clients]", "does one [user|request] wait for [the other|another]",
        "how [are|does it handle] [concurrent|simultaneous|parallel] requests", "can it serve [many|several] [users|people] at [once|the same time]", "requests side by side", "joining a batch that already runs", "does a long answer block the others"),
    "The KV cache keeps": (
        "what does it [keep|remember] [between|from one to the next|from earlier] tokens", "why [is not|isn't] [everything|the prompt] computed again for [each|every] token", "keys and values", "memory that grows with the [context|conversation]",
        "what is stored for the tokens before", "key-value cache"),
    "The prefix cache reuses": (
        "[prompts|requests] that [begin|start] [alike|the same way|with the same words]", "[is|does] [the same|a repeated|a long] system prompt [read|computed] again each time", "[reuse|reusing] [a prompt|the beginning of a prompt]", "why is the second turn faster",
        "what are cached tokens in the usage", "same beginning, less work", "the second request with the same start was quicker, why"),
    "A token is": (
        "what are [the |those ]pieces that a model reads", "[how many|what counts as] [a token|tokens] [has|in|is] [a word|a text]", "[is|are] [a token|tokens] [a word|words|a letter]", "in what units is text [counted|measured]", "what is counted in usage",
        "what does a tokenizer make", "units of text for a model", "words or tokens, what is the difference"),
    "Temperature sets": (
        "[make|i want|let] [the answers|it|the model] [be |][wilder|more inventive|bolder|more predictable|less wild|more varied|always the same]", "[always|every time] the same answer", "[it|the model] [repeats itself|is boring|is too wild|says something else each time]",
        "[what|which] [knob|parameter|setting] [changes|controls|sets] [randomness|creativity|how random|variety]", "[less|more] [creative|random|variation]", "what does [a high|a low] temperature do", "creative writing settings",
        "how do i get deterministic output", "randomness of the output"),
    "top_p samples": (
        "[choose|sample] from [the most likely|the likeliest] tokens [up to|that make up] a [probability|share]", "[what does|meaning of] top_p 0.9", "cumulative probability cut", "nucleus", "how does top_p limit sampling"),
    "top_k samples": (
        "[choose|sample] [only |]from [a fixed number|the 40 best|the k best|k] tokens", "[what does|meaning of] top_k 40", "limit sampling to a number of candidates", "how does top_k limit sampling"),
    "Streaming sends": (
        "[words|tokens|text] should appear [one by one|as they are made|while it writes|at once]", "[show|print|display] the answer [as|while] it [grows|comes|is typed|arrives]", "like [chatgpt|a typewriter] [writes|types|does], word by word", "[token by token|word by word|in pieces|in chunks|incrementally]",
        "i do not want to wait [until|till] the [whole |]answer is [finished|done|complete]", "partial answers", "get chunks of the answer", "what does the stream option do", "live output",
        "deliver the reply in small parts"),
    "RAG means": (
        "[answers|answering] [from|out of|based on] documents, what is [that|it] called", "how can a model know [my documents|things it was not trained on|about my data]", "[retrieval|search] before [the answer|generation|answering]", "what is meant by retrieval augmented",
        "idea behind answering from documents", "ground the answers in documents"),
    "Semantic search finds": (
        "how does search [by|with] meaning work", "[keyword|word] search or [meaning|semantic] search", "why does it find texts without my words", "[what is|how does] [search|searching] with vectors", "search that understands synonyms",
        "what is special about searching by meaning"),
    "Hybrid search joins": (
        "[both|combine|mix|mixing] [keywords and vectors|kinds of search|keyword and vector search|words and meaning]", "bm25 [and|with|plus] vectors", "keyword search together with semantic search", "search by words and by meaning at once",
        "why mix keyword and vector search"),
    "Cosine similarity is": (
        "[how|with what] are [two |]vectors compared", "[angle|the angle] between [two |]vectors", "[what does|what is] a similarity of [1|0.8|0]", "why is the score between -1 and 1", "measure of closeness of two vectors",
        "the number that compares vectors"),
    "The context is": (
        "how [much|many words|long a text] can [it|the model|a model] [take|read|remember|hold]", "[how long|how large] [may|can] [a prompt|a conversation|the input] be", "[window|memory span] of a model", "[longest|maximum] [input|prompt|text]", "how many tokens fit",
        "how far back does it remember", "size of the window", "why does it forget the start of a long chat"),
    "max_tokens limits": (
        "[keep|make] [answers|the answer|it] [short|shorter|brief]", "[the answer is|answers are] [too long|cut off|too short]", "[how|what] [sets|limits|bounds] [how long|the length of] [an answer|answers|the output]", "at most [50|100|20] tokens",
        "[longest|maximum] [answer|output]", "stop after a number of tokens", "the reply ends in the middle of a sentence", "upper bound of the output"),
    "A seed makes": (
        "[get|have] the same [random |]answer [again|twice]", "[reproducible|repeatable] [sampling|answers|results|randomness]", "[fix|pin] the randomness", "same random numbers each time", "what does seed 42 do", "make a random answer repeatable"),
    "stop lists texts": (
        "[end|finish|cut] the answer [at|when it says|before] [a word|a certain text|a newline|a marker]", "[stop|halt] generation at [a word|a marker|a string|the word END]", "text that ends the answer", "[what is|meaning of] the stop [field|list|parameter]",
        "which words end an answer"),
    "The system message tells": (
        "[give|assign] the model a [role|personality|character|tone]", "[always|let it] [answer in french|be polite|answer like a pirate|be brief]", "[general|standing|permanent] instructions for the model", "[what is|where do i put] the [first message|role system|instructions]",
        "set the tone of the assistant", "make it play a role", "instructions before the conversation"),
    "Tool calling: the model": (
        "[can|could] the model [use|run|call] [my code|a calculator|a function of mine|an api]", "[let|have] the model [call|use|pick] [a function|functions|my functions|tools]", "[give|offer] [functions|tools] to the model", "how do functions work [with|in] [chat|the model]",
        "agents that call functions", "the model should look up the weather with my function", "tools parameter"),
    "response_format makes": (
        "[the answer|answers|output] [must|has to|should] be [valid |]json", "[force|get|want|need] [json|valid json|an object]", "[output|answers] [in|by|after] a [fixed|given] [schema|form|structure]", "[machine-readable|parseable|structured] [answers|output]",
        "i [want|need] to parse the answer", "answers that follow my json schema", "guarantee correct json"),
    "Quantised weights": (
        "[what is|why] [int4|int8|4 bit|4-bit|8 bit|8-bit]", "[smaller|compressed|shrunk] [weights|models]", "[fewer|less] bits", "[why are|how do] models [get|become] [smaller|faster]", "[do i lose|is there a loss of] [quality|accuracy] with [int4|int8|fewer bits]",
        "shrink a model", "compress a model so that it fits", "low precision weights"),
    "A variant is": (
        "[why does a model have|what are] [several|many|different] files", "[which|what] [file|version] of a model [do i take|should i choose]", "float16 or int4 file", "[one|different] [files|versions] of the same model", "same model, other precision",
        "fp16, fp32, int4: what are these files"),
    "ONNX Runtime is": (
        "what [computes|executes|runs] the [models|networks|graphs]", "[is it|do you use] [llama.cpp|pytorch|onnx|tensorflow] [inside|underneath|]", "what is under the hood", "[the|which] [library|engine] [underneath|below|inside]", "inference library",
        "what does onnx stand for here"),
    "An execution provider is": (
        "what [does|is] [cuda|directml] [for|in|to] onnx runtime", "the part [for|of onnx runtime for] a [device|gpu]", "what is a provider", "backend of onnx runtime for one kind of hardware", "why are cuda and directml called providers"),
    "A session keeps": (
        "[does it|do you|can it] [remember|keep|store|save] [conversations|chats|what i said|messages]", "[are|is] [chats|my chat|messages] [stored|saved|kept|remembered]", "[memory|memory of conversations|chat memory]", "where does a conversation live",
        "is my chat still there tomorrow", "how are conversations grouped"),
    "A recipe is": (
        "what does recipe mean here", "format plus provider", "a pair of format and provider", "why is it called a recipe", "pairing of model format with backend"),
    "Time to first token is": (
        "how long [until|till|before] the [answer begins|first word|first token]", "the wait [before|until] the first [word|token]", "delay before an answer starts", "what does ttft mean", "first word latency"),
    "Prefill reads": (
        "the [two|phases] [phases|] of generation", "[reading|processing] the prompt", "what is done [with|to] the prompt first", "why does a long prompt take long before the answer", "reading a prompt against writing the answer",
        "how is text generated step by step"),
    "MMR picks": (
        "[results|hits|items] that are not all [the same|alike]", "[diverse|varied|different] [results|recommendations|hits]", "avoid near duplicates in results", "diversity of results", "how do i get variety in search results"),
    "keep_alive says": (
        "[when|how soon] is [a|an idle|an unused] model [unloaded|removed|dropped]", "does [a|the] model stay [loaded|in memory] [after use|when idle|for ever]", "idle [time|models]", "how long until an unused model leaves memory", "unload after a while of no use",
        "time a model rests in memory"),
    "A pinned model": (
        "[never|do not|don't] [unload|remove|evict] [a|this|my] model", "a model [must|should] [always |]stay [in memory|loaded] [always|for ever|]", "protect a model from eviction", "keep this one loaded no matter what", "what is it to pin a model"),
    "TabAgent is": (
        "what [kind of|sort of] [software|program|thing|server] is [this|it|tabagent]", "[what|tell me what] [tabagent|this] is [about|]", "in [one sentence|short], what is [tabagent|this server]", "what is it [made of|written in|for]", "is it [written in|made with] [rust|python|c++]",
        "what do people use tabagent for", "explain this project to me", "what is your server all about"),
    "No. It runs on your machine": (
        "[does|will] [anything|something|my text|a prompt] leave [my|this|the] [machine|computer|house]", "is [it|everything|this] [private|local|on my machine|offline]", "[who|can somebody] [sees|reads|see|read] [my prompts|what i type|my documents]", "[do|does it] [track|spy|collect|log] [me|users|data]",
        "[are|is] [my texts|my prompts|data] [sent|uploaded|given] to [a cloud|somebody|openai|the internet]", "can i use it [on a plane|without internet|without a network|offline]", "do you share anything with others", "is usage data collected",
        "does it talk to a cloud service", "must i be online"),
    "The embedded models are": (
        "[what|which models] [is|are] [there|inside|in it] [without|before] [a download|downloading|pulling]", "[do|must] i [need|have] to download [something|anything|a model] [first|to begin|before i start]", "[what|which models] do i [get|have] [out of the box|at first|from the start]",
        "what models come [with it|inside the binary|preinstalled]", "preinstalled models", "what is in the box", "can i try it at once without downloads"),
    "MIT or Apache-2.0": (
        "[under|on] [which|what] [terms|licence|license|conditions]", "[may|can] i [sell|use|ship|change|copy] [it|this] [in a product|commercially|at work|for money|]", "is it [open source|free software|free to use|gratis]", "what does it cost", "legal terms",
        "can my company use it", "is commercial use allowed"),
    "Run cargo run": (
        "[how|what] do i [begin|start] [with|from the source|from source]", "[compile|build|make] [it|the program|the binary] [from source|myself|]", "[install|set up] [it|tabagent|this] on my [machine|computer|laptop]", "[what|which] [steps|tools] [do i need|are needed] [to install|to build]",
        "how is it installed", "build instructions", "i just cloned the repository, what next", "is rust needed", "compile it with cargo"),
    # Small talk.
    "Hello! Ask": (
        "[hello|hi|hey] [bot|model|assistant|server|again|everyone|friend|computer|you]", "[good|nice] to [see|meet] you", "[morning|evening|afternoon]", "[hi|hello], [anybody|is anybody|anyone] there", "salut", "welcome", "hello hello", "hey [buddy|dear|mate]", "good morning to you"),
    "I am fine": (
        "how are [things|you feeling|you this morning|we today]", "how do you do", "everything [fine|ok] [with you|]", "are you feeling [well|good]", "how is life", "are you having a good day", "how's your day"),
    "I am tabagent-chat": (
        "[say|tell me] who you are", "[your|what's your|may i know your|can i have your] name", "what [exactly |]are you", "are you [human|alive|a machine|an llm|a language model|claude|siri|gpt-4|llama]", "whom am i [writing|talking|speaking] to", "say something about yourself",
        "which [ai|bot|assistant] [is this|are you]", "what is your role", "with whom do i have the pleasure", "do you have a name, and which"),
    "I answer questions about": (
        "what [are you for|is your purpose|do you do|could you do for me]", "[how|what] can you [assist|do for me|help with]", "[what|which] [topics|things|subjects] do you know [about|]", "[can|could|will] you help [me|]", "what should i ask you", "i need [some|your] help",
        "what can i talk about with you", "[give|show] me [some|a few] example[s| questions]", "what are you able to do"),
    "You are welcome": (
        "[thanks|thank you] [for your help|for that|for the answer|so much|again|kindly]", "[that|this] [was|is] [helpful|very helpful|kind|useful]", "much [appreciated|obliged]", "ta", "i am grateful", "that is all i needed, thanks", "[wonderful|excellent|brilliant], thanks"),
    "Goodbye!": (
        "[see|speak to|talk to] you [soon|tomorrow|around]", "have a [nice|good] [day|evening|weekend]", "[i am|i'm] [leaving|off|done]", "so long", "take care", "until [tomorrow|later|then]", "bye for now", "i [must|will] go now", "that is all, bye"),
    "I was trained for": (
        "who is your [maker|creator|author|developer|father]", "[where|how] did you [learn|get your knowledge]", "[what|which] [data|texts] did you learn from", "how [big|large] are you", "who [programmed|developed|designed|invented] you", "how did you come to be", "your training data"),
    "I am sorry. Ask": (
        "[that|this] [is not|isn't] [what i asked|an answer|correct|true|helpful]", "you [misunderstood|are mistaken|got it wrong|did not answer]", "[nonsense|rubbish|not true|false]", "that does not help[ me|]", "no[, not that|, wrong|]", "that answer is useless", "try again"),
    "Good. Is there anything": (
        "[sounds|looks|very|all] good", "[makes sense|that makes sense|i get it|clear|all clear|sure|super|yes|right]", "[ok|okay], [i see|good|understood]", "that is [clear|fine|good|it]", "excellent", "now i understand"),
}

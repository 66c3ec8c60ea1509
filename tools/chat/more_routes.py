"""More ways to ask for the routes, by somebody who wrote them for the answers and not for the templates of `routes.py`.

Whole questions, by `METHOD PATH`: situations, half sentences, other words. `[a|b]` stands for any one of its alternatives.
"""

from __future__ import annotations

MORE_ROUTES: dict[str, tuple[str, ...]] = {
    "POST /v1/chat/completions": (
        "[where|to which url] do i post [a user prompt|my prompt|what the user typed]",
        "my [chatbot|bot|assistant|frontend] has to [speak|talk] to the model, which endpoint",
        "i am [building|writing|coding] a chat[bot| window| app| interface], what do i call",
        "[hold|carry on|have] a dialogue over http", "[which|what] url [does|would] a chat [client|app|gui] use",
        "[let|make] the [llm|language model|model] reply to [a user|a message|my question]",
        "exchange messages with [a|the] [llm|language model]", "what is the api call for [a|one] chat turn",
        "[endpoint|route|address] [that answers|answering] user messages",
        "how does my program get an answer to a question from the model", "talk to the llm [from|in] code",
        "[ask|prompt|query] a language model [over|through|via] the api", "the same as openai's chat endpoint",
        "where does the messages array go", "get the assistant's next message"),
    "POST /v1/completions": (
        "finish [a|my] [half|half-written|unfinished] [sentence|line|text]", "the old completion [style|api] without roles",
        "[no chat template|without messages], [just|only] a prompt [to be continued|string]",
        "[carry on|go on] writing [from|after] my text", "[the model should|let the model] [write on|keep writing] [from here|after my words]",
        "where do i send a bare prompt", "text in, continuation out", "fill in the rest of [a|my] [sentence|paragraph]",
        "predict what comes [next|after] in a text", "the pre-chat openai api", "i only have a raw prompt and no roles",
        "which url predicts the next words of a text", "base model text generation [endpoint|route]"),
    "POST /v1/embeddings": (
        "[represent|express|describe] [a sentence|words|my text] as [numbers|floats|a list of floats|a point in space]",
        "[get|obtain|receive] the [numeric|numerical] representation of [a text|a sentence|a string]",
        "i need [floats|numbers|features] for [my sentences|each sentence|a classifier]",
        "where do my texts become vectors", "my vector database [wants|needs] vectors, where do they come from",
        "[which|what] url [vectorises|embeds|encodes] [strings|text|my documents]",
        "[produce|generate] vectors from [strings|sentences|product names]",
        "feature vectors for text", "[the|your] text to vector [endpoint|service|call]",
        "fill [pgvector|a vector database|qdrant|faiss] with [vectors|embeddings]",
        "the meaning of a sentence as an array", "openai's embedding call, do you have it",
        "sentence in, vector out"),
    "POST /v1/rerank": (
        "[put|bring] my [hits|search hits|results|candidates|passages] [in|into] a better order",
        "[which|what] of these [passages|documents|paragraphs] answers the query best",
        "[order|sort] by how well [they|documents] [fit|match|answer] a question",
        "[improve|refine] the [order|ranking] of search results", "second stage [of|in] a search",
        "[the best|the most fitting] [passage|document] [first|on top]", "rate each passage for a question",
        "i have fifty [hits|candidates|results] and want the [top|best] [three|five|ones]",
        "score pairs of query and document", "cross encode my candidates", "[grade|judge] documents for a query",
        "order documents, best match first", "the ranking of my search is bad, what can reorder it"),
    "POST /v1/responses": (
        "the new[er|] openai api [with|that has] response items", "the successor of chat completions",
        "do you [implement|speak|understand|offer] [the |openai's ][responses|new responses] [protocol|api|interface]",
        "my client uses client.responses.create", "responses.create", "chain answers by their response id",
        "[stateful|stored] responses", "[go on|continue] from an earlier response by its id",
        "which endpoint is like openai's responses", "the sdk calls responses[, not chat|], what then",
        "where do typed response events come from"),
    "GET /v1/models": (
        "what models can i [name|put|write] in the model field", "[which|what] model [ids|names] are [valid|allowed|there]",
        "[fill|populate] a [dropdown|menu|select box] with [the |]models", "what do you [serve|offer] in models",
        "[all|the] model [ids|names]", "[query|ask for|request] the [names|ids] of [the |usable |]models",
        "what can i choose from [in models|as a model]", "model inventory", "i [do not|don't] know the name of [my|the] model",
        "which models does the api offer", "show every model the server can use", "how many models are there"),
    "GET /v1/models/{model_id}": (
        "[facts|all facts|everything] about [one|a particular|this one] model", "what [files|variants] [does|has] a model [have|]",
        "the [config|configuration|properties|metadata] of [one|a specific|a given] model",
        "[look into|look closer at|examine] [one|a] model", "[is there|where is] a page for a single model",
        "[get|fetch] the metadata of a model by its id", "what is known about a [given|certain|specific] model",
        "how large are the files of a model", "which variants has a certain model", "one model's properties"),
    "POST /v1/models/load": (
        "[have|keep] a model [ready|hot|warm] before the first [request|user] [comes|arrives]",
        "[avoid|prevent] [a|the] [slow|cold] first [request|answer|call]", "cold start", "[avoid|skip] the cold start",
        "[get|make] a model [going|up|available] in ram", "the first request is slow because the model has to be read",
        "[read|pull] a model from disk into [ram|memory]", "[put|place] [weights|a model] in [vram|memory] [ahead of time|beforehand|early]",
        "[have|let] the server load a model [now|early|in advance]", "make the weights resident",
        "activate a model", "spin up a model", "initialise a model before use"),
    "POST /v1/load": (
        "is there a shorter [url|path|way to write] [for|than] models/load", "[the|a] [short|other|second] name [of|for] models/load",
        "another [path|url] [that loads|for loading] a model", "load without models in the path"),
    "POST /v1/models/unload": (
        "[kick|throw|push] a model out of [ram|memory|vram]", "a model [takes|eats|occupies] [too much|all my] memory, [get it out|throw it out|how do i free it]",
        "[free|give back|reclaim] the [ram|memory|vram] of a model", "i am done with a model[, how do i free it|, release it]",
        "[make|get] room in [memory|ram|vram] [for another model|]", "[deactivate|close|shut] a model", "stop holding a model in memory",
        "drop the weights from memory", "unload everything", "empty the memory of models",
        "i no longer need this model in ram", "let go of a model"),
    "POST /v1/unload": (
        "is there a shorter [url|path] [for|than] models/unload", "[the|a] [short|other|second] name [of|for] models/unload",
        "another [path|url] [that unloads|for unloading] a model", "unload without models in the path"),
    "GET /v1/models/loaded": (
        "what [is|do you have] [currently |]in [ram|memory] [now|at the moment|]", "[which|what] models [occupy|take|use] memory [now|at the moment]",
        "[which|what] models [are|sit|live] in [ram|vram]", "is [my|a] model [already |]loaded", "has my model been loaded",
        "when was a model last used", "how many bytes does each loaded model take", "on which device is [my|a|the] model loaded",
        "[models|weights] that are resident [now|]", "which ones are warm", "active models", "is the model still in memory"),
    "GET /v1/resources/loaded-models": (
        "loaded models, but under resources", "the resources path that [lists|shows] loaded models",
        "what is resources/loaded-models", "another name of models/loaded"),
    "POST /v1/models/select": (
        "[which|what] model is taken when [i|a request] [name|names] none", "requests without a model should use [this one|mine|a certain one]",
        "[i do not want to|do not want to|how not to] name the model [every time|in each request]",
        "[make|declare] [one|this|my] model the [standard|preferred|main|usual] one", "[choose|set] the [standard|preferred|main] model",
        "use another model as the [standard|fallback]", "[change|swap] [what|which model] is used without a name",
        "my favourite model should be the one used if none is given", "prefer one model over the others"),
    "GET /v1/models/registered": (
        "[which|what] models [exist for|could i have on|are known to] this server", "[what|which models] could i [pull|download|install]",
        "[is there|where is] a [shop|store|gallery|catalogue] of models", "[models|all models] [known|registered], [downloaded or not|even those not downloaded]",
        "[browse|explore|discover] [models|new models|what there is to download]", "not yet downloaded models",
        "which models do you know of", "candidates for a download", "recommended models to pull", "the registry of models"),
    "GET /v1/embedding-models": (
        "[which|what] models [make|produce|give|return] [vectors|embeddings]", "how many dimensions [do|does|will] [the |my ][vectors|embeddings|embedding model] have",
        "how long [may|can] a text be for an embedding model", "[vector|embedding] size of [a|the|my] [model|embedder]", "[list|name] [the |]embedders",
        "models for [vectorising|encoding] text", "[which|what] [encoder|embedder]s are [there|available]", "width of the vectors",
        "models suitable for embeddings"),
    "POST /v1/pull": (
        "download a model [from|in|out of] my [program|app|code|script]", "[let|have] the server [fetch|download] a model",
        "[bring|get] a model onto the server [over http|remotely|by a request]", "a button that downloads a model, what does it call",
        "how far is [the|my] download", "[progress|state|status] of a download", "fetch weights from hugging face [over the api|by request]",
        "get a model from hugging face", "trigger a download", "is the download finished"),
    "DELETE /v1/delete": (
        "[my disk is|the disk is|disk] full, [remove|delete|throw away] a model", "[remove|erase|wipe|purge] the files of a model",
        "[throw away|get rid of|dispose of] a model [i do not need|for ever|permanently]", "[permanently|finally] [remove|delete|erase] a model",
        "a model takes too much disk", "uninstall a model over http", "[clean|tidy] up old models [on disk|]",
        "[which|what] request [removes|erases|deletes] [weights|a model] from the drive", "i do not want a model on my drive any more"),
    "GET /v1/recipes": (
        "[which|what] [file formats|formats] of models [work|run|are supported] [here|on this machine|on my gpu|with cuda]",
        "[does|can|will] [int4|fp16|my format] [work|run] [with|on] [directml|cuda|my gpu]", "why does a [format|provider] not work here",
        "[combinations|pairs] of [format|formats] and [device|provider|hardware]", "[which|what] [providers|backends] [can i use|are usable] with which [formats|kinds of model]",
        "support matrix", "what runs where"),
    "GET /v1/sessions/{session_id}/history": (
        "[show|give] me [what we said|what was said|the transcript]", "[load|restore|reload] [an old|a past|yesterday's|an earlier] [conversation|chat]",
        "the transcript of a [chat|conversation|session]", "[read|see] [what|everything that] was [written|said] before in a session",
        "what did the user [say|write] [before|earlier|last time]", "[all|the] [messages|turns] of a conversation[ in order|]",
        "my app restarts and wants the old chat back", "[look up|review|recall] a past conversation", "conversation log of a session"),
    "POST /v1/sessions/{session_id}/messages": (
        "[record|log|keep|write down] what [a user|the user|somebody] said", "[append|attach|add] a turn to a [conversation|session|chat]",
        "[open|begin|set up] a conversation [that is kept|on the server|in the store]", "[put|write] [something|a message|a turn] into the history",
        "remember [a message|what i said|this message] [in a session|on the server]", "[keep|persist] a [chat|conversation|message] on the server",
        "how is a session [made|created|born]", "persist chat messages"),
    "POST /v1/rag/query": (
        "[answer|reply] from my [own |]documents", "[let|have] the model [answer|reply] [out of|from|using|based on] my [files|notes|documents|knowledge base]",
        "what do my documents say about something", "[find|look up] [something|an answer] in [what i uploaded|my uploaded files|my notes|the knowledge base]",
        "[chat|talk] with my [documents|pdfs|files]", "[an answer|answers] [and|with|plus] [where it comes from|its sources|the sources|references]",
        "question answering over [documents|files|my data]", "which [passage|document] says that, with citation",
        "look things up in the documents i stored before answering", "ask my knowledge base"),
    "POST /v1/rag/documents": (
        "[give|hand|teach] [it|the server|the model] my [files|notes|documents|knowledge]", "[fill|build|set up] [a|my|the] knowledge base",
        "[split|chunk|cut] and [index|store|embed] [a file|documents|my texts]", "[where|how] do [files|documents|my notes] get into [the store|the index|rag]",
        "[make|have] my [documents|notes|manuals] searchable", "[put|load] a [manual|handbook|pdf|text file] into the [knowledge base|store|index]",
        "upload [a file|files|papers] so that questions can be answered from [it|them]", "store texts for later questions",
        "the server should know my documents", "prepare documents for retrieval"),
    "POST /v1/semantic-search": (
        "[find|get] [sentences|texts|passages] that [say|mean] the same [in other words|]", "search [without|not by] [keywords|exact words|the same words]",
        "look for [texts|something] by [what they mean|sense|idea|concept]", "[which|what] of my texts is [nearest|closest] to [a query|a question|this]",
        "[fuzzy|smart|conceptual] search", "find related [texts|sentences|notes]", "search [over|through|in] a list of texts [by similarity|by embedding]",
        "match a query with the nearest sentences", "the words differ but the sense is the same, find those", "nearest neighbour search in texts"),
    "POST /v1/similarity": (
        "do [these|those|my] two [sentences|texts] [mean|say] the same", "[are|is] [these|those] two [sentences|texts|strings] [alike|close|near duplicates|paraphrases]",
        "how [near|far apart|close|related] are two [texts|sentences|phrases]", "[detect|spot|find] [duplicates|paraphrases]",
        "a number [for|that says] how [alike|close|related] [texts|two texts|sentences] are", "[put|give] [two|a pair of] sentences and get a [score|number]",
        "distance between two texts", "[how much|to what degree] do two texts resemble each other", "closeness of two phrases",
        "percentage of likeness of two strings"),
    "POST /v1/evaluate-embeddings": (
        "[is|how good is] my embedding model [any good|for retrieval|on my data]", "[benchmark|grade|rate] [an embedder|an embedding model|retrieval] [on my questions|]",
        "[which|what] [number|metric]s [does|has] my [retrieval|embedder] [reach|have]", "[precision|recall|ndcg|mean reciprocal rank] of my [search|retrieval|embeddings]",
        "[check|verify] [retrieval|embedding] quality with labelled data", "does the embedder find the right documents, in numbers",
        "compare two embedding models by recall", "measure how well vectors retrieve"),
    "POST /v1/cluster": (
        "[sort|split|divide|organise|arrange] [my |][notes|texts|tickets|reviews|comments|documents] [into|by] [topics|themes|categories|piles]",
        "[which|what] texts belong together", "[find|discover|detect] [topics|themes] in [my texts|many texts|comments]", "[bundle|gather|collect] [similar|related] texts",
        "[put|bring] [like with like|texts that belong together in groups]", "topic discovery", "[make|form] piles of similar sentences",
        "unsupervised grouping", "categorise texts without labels", "split feedback into themes"),
    "POST /v1/recommend": (
        "[what|which items] else [might|could|would] [a user|my user|somebody|i] like", "people who liked this also like",
        "[propose|offer|pick] [items|articles|films|products] [for a user|by taste|that fit a taste]", "a recommender[ system|]",
        "more [things|items|articles] like [these|this]", "[choose|select|find] candidates that fit [a taste|what somebody likes]",
        "[what|which] should i show a user next", "personalised suggestions", "given what someone liked, what next"),
    "GET /health": (
        "is [everything|all|the server] [ok|fine|alright|in order|working]", "is the server [up|alive|running|there|well]",
        "how is the server doing", "[which|what] version [is|of] [the server|tabagent|this|it] [is it|runs|is running|]", "how long has [it|the server] been [up|running]",
        "[uptime|since when is it up]", "for my load balancer's [check|health check]", "a quick check that the server works",
        "[is|are] you [there|up|alive and well]", "the state of the server", "docker healthcheck", "ping the server"),
    "GET /live": (
        "kubernetes liveness", "[which|what] path [do i|should kubernetes|does an orchestrator] [use|ask|probe] for liveness",
        "does the process [still|] [live|exist|breathe]", "is the process dead or alive", "livenessProbe", "restart it when it hangs, which probe"),
    "GET /ready": (
        "kubernetes readiness", "[which|what] path [do i|should kubernetes|does an orchestrator] [use|ask|probe] for readiness",
        "can it take [traffic|requests] [yet|now|already]", "is it ready [to serve|for traffic|yet]", "readinessProbe",
        "when may traffic be sent", "wait until it takes requests", "has it finished starting"),
    "GET /metrics": (
        "[numbers|counters|data] for [a dashboard|grafana|alerts]", "[what|which url] does [prometheus|my monitoring] scrape", "[counters|histograms|gauges] of the server",
        "[draw|plot] [the load|requests per second|latency] [in|with] [grafana|a dashboard]", "request counters", "telemetry for prometheus",
        "observability", "export counters to my monitoring", "dashboards and alerts"),
    "GET /v1/system/info": (
        "what [kind of |][machine|computer|hardware|processor|cpu] [is this|is it on|does it run on|do i have]", "how many [cores|gpus|cpu cores] [are there|does it see|has the machine]",
        "[which|what] [graphics card|processor|operating system|os|cpu] [does the server see|is found|is there]", "[specs|specification|facts] of the [machine|computer|host]",
        "does the server see my [gpu|graphics card]", "which os is it running on", "describe the host", "hardware overview"),
    "POST /v1/generation/stop": (
        "[the model|it] [will not stop|does not stop|talks too long|rambles|goes on and on]", "[cut|break] off [an answer|the answer|a reply|a generation]",
        "[the user|somebody] pressed [stop|cancel]", "[abort|cancel|kill|end] [what is|whatever is] being [written|generated]", "[shut|hush] the model up",
        "i do not want the rest of the answer", "[cancel|end|terminate] a request that [is running|runs]", "stop the text while it is written",
        "a stop button in my app, what does it call", "interrupt a long answer", "the answer is long enough, stop it"),
    "POST /v1/halt": (
        "an emergency stop for [all|every] generation[s|]", "[freeze|halt] all [answers|generations|requests]", "[the|a] [short|other|second] name [of|for] generation/stop",
        "halt", "emergency stop"),
    "GET /v1/halt": (
        "[which|what] [answers|requests|generations] are [still |][in progress|under way|being worked on|running]", "is anything [being generated|generating|running] [now|at the moment]",
        "is the model [writing|generating|busy|working] [now|at the moment|]", "[how many|which] generations are there right now", "look what could be halted, without halting",
        "who is generating at the moment", "ongoing generations"),
    "GET /v1/params": (
        "[what|which] [temperature|top_p|values] [apply|are taken|do you take|is taken] when i [send|give|say] [none|nothing]", "[the current|present] [sampling|generation] [values|settings|defaults]",
        "[which|what] are the [sampling|generation] [defaults|settings]", "with what settings [is text|are answers] generated", "what is the temperature set to",
        "look up the default temperature"),
    "POST /v1/params": (
        "[all|every] [answers|requests] should [use|have] [a lower temperature|temperature 0|another temperature]", "[a new|another|other] default [temperature|top_p|max_tokens]",
        "[i do not want to|without] [send|sending] the temperature [every time|with each request]", "[set|fix] the [temperature|sampling] once [and for all|for everybody|for all]",
        "[store|save|keep] [sampling|generation] settings", "make temperature 0 the default", "[edit|update] the sampling defaults"),
    "GET /v1/stats": (
        "how many tokens [a|per|each] second [do i get|is it|does it make]", "[is|how] [it|the model|generation] [fast|quick|slow]", "how long did the last [answer|request] take",
        "how long until the first token", "[throughput|latency|token rate]", "how [quickly|fast] [are answers|is text] [written|generated]", "[numbers|figures] about [speed|the last request]",
        "how many tokens were generated [so far|in total]", "the speed of my last request", "the last answer felt slow, show me numbers"),
    "GET /v1/resources": (
        "how much [ram|memory|vram] [have i|do i have|is there] [left|free]", "[how full|how used] is [the |my ][memory|gpu|ram]", "what [eats|takes|uses] [my|the|all the] [memory|ram|vram]",
        "is there [enough|any] [room|memory|ram|vram] left", "[memory|ram] [consumption|footprint|use] [of|by] [the models|each model|model]", "free and used [memory|vram]",
        "which model takes the most memory", "amount of free ram", "gpu memory left"),
    "POST /v1/resources/estimate": (
        "how much [ram|memory|vram] will [a|this] model [take|need|eat|use]", "[what|how much] [memory|ram] [for|at] [a|8k|a long|32k tokens of] context",
        "[plan|calculate] memory [before loading|ahead|for a model]", "is 8 gb enough for a model with a long context", "what would a longer context cost in memory",
        "memory needed at 4096 tokens", "before i load it: how big will it get", "ram requirement of a model"),
    "POST /v1/resources/compatibility": (
        "[will|can|would|does] [this|a|the|my] model [run|work|fit] [here|on my machine|on my laptop|on my gpu|on this computer]", "is my [gpu|machine|laptop|computer] [strong|big|good] enough [for a model|]",
        "can i [run|use] [this|a big|a large|a 7b] model [here|on this machine|at all]", "[does|will] [it|a model] fit [in|into] my [gpu|vram|ram]", "is this model too big for me",
        "on which device would a model fit", "am i able to run a given model", "check before download whether it would run"),
    "GET /openapi.json": (
        "[a|the] machine-readable [description|form] of the [api|routes]", "[generate|make|build] [an sdk|a typed client|client code] [from the api|]", "[import|load] the api into [postman|insomnia|bruno]",
        "the [json|yaml] [file|document] that describes the api", "where is the [spec|api definition|openapi file]", "all request and response schemas as json", "the swagger json", "code generator for the api"),
    "GET /swagger-ui/": (
        "[where|how] can i [read|look at|click through] the [docs|documentation|api]", "[a|the] web page with [all routes|the docs|the documentation]", "human readable [docs|documentation]",
        "[try|play with|test] the api by clicking", "[open|see] the documentation", "is there [documentation|a manual|api docs]", "where are the docs", "a page to try out requests in", "browser docs"),
}

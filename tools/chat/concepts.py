"""Ideas that users of the server ask about, and what the model says of itself and in small talk."""

from __future__ import annotations

from .server import Fact, fact

WHO = "I am tabagent-chat, a small model inside TabAgent. I answer questions about this server."
UNKNOWN = "I do not know that. I am a small model that knows this server."


def idea(answer: str, names: str, *asks: str) -> Fact:
    return fact(answer, f"{{what}} {names}", f"{{what}} {names}", f"{names}", f"what does {names} mean", f"how does {names} work",
                f"why [do i need|would i want|should i use|use|is there] {names}", f"what is the [point|idea|use|purpose] of {names}", f"what is {names} good for", f"[and|so|but] what [is|are|about] {names}", f"[i read|somebody talks|the docs speak] about {names}", f"what [is|are] {names} [in short|in simple terms|to a beginner|really|exactly]",
                f"give me [a definition|an explanation|the meaning] of {names}", f"how would you [explain|define|describe] {names}", f"what [does|do] {names} do", f"teach me [about|] {names}",
                f"what is the [advantage|reason] [of|for] {names}",
                f"i [have never heard of|don't get|want to learn about|wonder about] {names}", *asks)


IDEAS = [
    idea("An embedding is a vector of numbers that stands for the meaning of a text.", "[an embedding|embeddings|a text embedding|embedding vectors]", "why turn text into numbers", "what is the vector of a text"),
    idea("Reranking sorts documents by how well each one answers a query.", "[reranking|a reranker|re-ranking|rerankers]", "what does a reranker do", "how is reranking different from search"),
    idea("A cross-encoder reads query and document together and gives one score.", "[a cross-encoder|cross-encoders|cross encoder|a cross encoder]"),
    idea("Continuous batching lets requests join and leave a running batch between two steps.", "[continuous batching|batching|a batch|in-flight batching]",
         "how [are|can] [many|several|parallel] requests [be |]served [at once|together|side by side]", "does it [batch|handle parallel requests|serve many users at once]"),
    idea("The KV cache keeps keys and values of earlier tokens, so that they are not computed again.", "[the kv cache|kv cache|a kv cache|the key value cache|kv caching]", "what is kept in memory for each token", "why is the second token faster"),
    idea("The prefix cache reuses the cache of a prompt that begins the same way; cached_tokens counts it.", "[the prefix cache|prefix caching|prompt caching|cached_tokens|cached tokens]", "are repeated prompts faster"),
    idea("A token is a piece of text, often a word or part of one; models read and write tokens.", "[a token|tokens|tokenization|a tokenizer|tokenizers|tokenisation]", "how is text [split|cut] [up |]for a model", "what do models read", "how long is a token"),
    idea("Temperature sets how random the answer is: 0 takes the likeliest token, higher varies more.", "[temperature|the temperature|sampling temperature]", "{how} make [answers|it|the answer|output] [more|less] [random|creative|varied]",
         "which temperature should i [use|set]", "{how} get [the same answer|deterministic answers] [every time|each time|]", "what does temperature 0 do", "how [random|creative|varied] [is it|are answers]", "[raise|lower|increase|reduce] the temperature", "control the randomness", "why are the answers different each time"),
    idea("top_p samples only from the likeliest tokens whose probabilities add up to p.", "[top_p|top p|nucleus sampling|top-p]"),
    idea("top_k samples only from the k likeliest tokens.", "[top_k|top k|top-k]"),
    idea("Streaming sends the answer piece by piece while it is written: set stream to true.", "[streaming|streams|a stream|server-sent events|sse|stream mode]", "{how} [stream|get a stream of] [an answer|answers|tokens|output|the response]",
         "{how} get [the answer|tokens|words] [piece by piece|as they are written|as it comes|one by one|bit by bit|live]", "what does stream true do", "{how} [receive|show|print] [text|words|tokens] [while it is generated|as soon as they come|immediately|in real time]", "not wait for the whole answer", "{how} see the answer while it is written"),
    idea("RAG means retrieval augmented generation: find fitting documents first, then answer from them.", "[rag|retrieval augmented generation|retrieval-augmented generation]", "what does rag stand for", "why would i let the model read my documents"),
    idea("Semantic search finds texts by meaning, not by the same words.", "[semantic search|vector search|meaning based search]", "how is semantic search different from keyword search"),
    idea("Hybrid search joins vector search and keyword search.", "[hybrid search|hybrid mode|hybrid retrieval]"),
    idea("Cosine similarity is the cosine of the angle between two vectors: 1 means the same direction.", "[cosine similarity|cosine|the cosine]"),
    idea("The context is how many tokens a model takes at once, prompt and answer together.", "[the context|context length|the context window|a context window|context size]", "how much text can a model read[ at once|]"),
    idea("max_tokens limits how many tokens the answer may have.", "[max_tokens|max tokens|max_completion_tokens]", "{how} [limit|shorten|cap|bound] [the answer|the length of answers|answers|output length]", "{how} get shorter answers"),
    idea("A seed makes sampling repeatable: the same seed gives the same answer.", "[a seed|the seed|seeds|seed]", "{how} [repeat|reproduce] a random answer"),
    idea("stop lists texts at which the answer ends.", "[stop strings|a stop string|stop sequences|the stop parameter|stop words]", "{how} end the answer at a certain word"),
    idea("The system message tells the model how to behave; it comes first.", "[the system message|a system prompt|system prompts|the system prompt|a system message]", "{how} tell the model how to behave"),
    idea("Tool calling: the model answers with the name and arguments of a function for you to run.", "[tool calling|function calling|tools|tool calls|a tool call|tool use]", "can the model call [functions|my functions|tools]"),
    idea("response_format makes the answer valid JSON or makes it follow a JSON Schema.", "[response_format|structured output|structured outputs|json mode|json schema output]", "{how} get [json|valid json|structured answers|an answer in json]"),
    idea("Quantised weights have fewer bits, such as int4 or int8: smaller and faster, a little less exact.", "[quantisation|quantization|int4|int8|quantised weights|a quantized model]", "{how} make a model smaller"),
    idea("A variant is one file of a model, such as float32, float16 or int4.", "[a variant|variants|model variants|the variant]"),
    idea("ONNX Runtime is the library that runs the models, on CPU and GPU.", "[onnx runtime|onnxruntime|the runtime|onnx]", "what [library|engine|software] runs the models", "[which|what] [inference engine|backend] [is used|do you use|is inside]"),
    idea("An execution provider is a part of ONNX Runtime for one kind of device, such as CUDA or DirectML.", "[an execution provider|execution providers|providers]"),
    idea("A session keeps the messages of one conversation in the store.", "[a session|sessions|chat sessions]", "are conversations [kept|saved|remembered]", "how does it remember a conversation"),
    idea("A recipe is a model format with an execution provider, and whether the two work here.", "[a recipe|recipes|the recipes]"),
    idea("Time to first token is how long you wait until the answer begins.", "[time to first token|ttft|first token latency]"),
    idea("Prefill reads the prompt; decoding then writes one token after the other.", "[prefill|decoding|prefill and decode|the prefill phase]", "what happens before the first token"),
    idea("MMR picks items that fit and differ from each other.", "[mmr|maximal marginal relevance|the diversity parameter]"),
    idea("keep_alive says how long a model stays in memory after its last use.", "[keep_alive|keep alive]", "how long does a model stay [loaded|in memory]"),
    idea("A pinned model is never removed from memory by itself.", "[a pinned model|pinning|pinned|pinned models]", "{how} keep a model in memory[ for ever|]"),
    idea("TabAgent is a local AI server in Rust on ONNX Runtime, with an API like OpenAI's.", "[tabagent|this server|this project|the tabagent server|this program|tab agent]",
         "what [can|does] [this server|tabagent|the server] do", "what [is this|server is this|am i talking to here]", "which language is [tabagent|the server|it] written in"),
    fact("No. It runs on your machine and sends nothing anywhere.", "[does|do] [tabagent|the server|it|you] [send|upload|share|leak] [my |any |][data|texts|telemetry|prompts][ anywhere| to the cloud| home|]", "is there [any |]telemetry",
         "is my data [private|safe|sent anywhere]", "[do|does] [you|it|tabagent] [need|use] [the internet|a cloud|the cloud]", "privacy", "does it phone home", "who can see my [prompts|data|texts]", "does it work offline", "[is|do i need] an internet connection[ needed|]", "where does my [text|data] go", "can [anyone|somebody|you] [read|see|collect] what i write", "is it all local"),
    fact("The embedded models are tabagent-chat and tabagent-embed; use tabagent pull for larger ones.", "[which|what] models are [built in|embedded|inside|included|shipped]", "[which|what] model[s|] [comes|come] with [it|the server|tabagent]",
         "[is there|are there] [a |]built-in model[s|]", "what is tabagent-embed", "do i have to download a model[ first|]", "[which|what] models do you [have|ship|include]", "can i start without a download"),
    fact("MIT or Apache-2.0, as you like.", "[what|which] licen[c|s]e [is it under|does it have|has tabagent|do you have|applies]", "is [it|tabagent|this] [free|open source]", "may i use it [at work|commercially]", "licen[c|s]e"),
    fact("Run cargo run --release in its folder; it installs ONNX Runtime if needed.", "{how} [build|compile|install|set up] [tabagent|the server|it|this]", "how do i get started", "installation", "getting started", "quick start", "first steps",
         "what do i need to [build|install|run] [it|tabagent|the server]"),
]

TALK = [
    fact("Hello! Ask me about this server.", "[hello|hi|hey|good morning|good evening|good afternoon|hi there|hello there|greetings|hey there|howdy|hallo|yo|good day|hiya|hello, model|hello tabagent]", "[hello|hi|hey], [how are you|how is it going|nice to meet you]", weight=4),
    fact("I am fine, thank you. Ask me about this server.", "how are you[ today| doing| doing today|]", "how is it going", "how do you feel", "are you [ok|well|fine]", "what's up", "how have you been", weight=2),
    fact(WHO, "who are you", "[hello|hi|hey|good morning][,|!|] [who|what] are you", "[hello|hi|hey][,|!|] what is your name", "who [could|would] you be", "i do not know you, who are you", "and you are", "what are you", "[what is|what's] your name", "[introduce|describe|present] yourself", "are you [a bot|a robot|an ai|human|chatgpt|a person|gpt|real|a model|an assistant]", "tell me about yourself",
         "which model are you", "what model is this", "who am i [talking|speaking] to", "who is this", "what should i call you", "do you have a name", "what is tabagent-chat", "what kind of [ai|model|assistant] are you", weight=4),
    fact("I answer questions about this server: its routes, commands, settings, errors and ideas.", "what can you do", "what do you know", "[help|help me|i need help|please help|can you help me]", "how can you help[ me|]", "what can i ask[ you|]", "what are you good [at|for]",
         "what are your [skills|abilities|limits]", "which questions can you answer", "give me an example question", weight=3),
    fact("You are welcome.", "[thanks|thank you|thanks a lot|thank you very much|thx|great, thanks|many thanks|cheers|perfect, thank you|that helped|thank you so much]", weight=3),
    fact("Goodbye!", "[bye|goodbye|good bye|see you|see you later|good night|farewell|bye bye|ciao|until next time|i have to go]", weight=3),
    fact("I was trained for this project by its script tools/train_chat.py, on generated dialogues.", "who [made|built|created|trained|wrote] you", "how were you [made|trained|built]", "what were you trained on", "how many parameters do you have", "where do you come from", weight=1.5),
    fact("I am sorry. Ask me again in other words.", "[that is wrong|this is wrong|you are wrong|wrong|that is not right|not correct|bad answer|that is incorrect|no, that is not what i meant|you did not understand]", weight=1.5),
    fact("Good. Is there anything else about this server?", "[ok|okay|good|great|nice|cool|fine|alright|i see|understood|got it|wonderful|perfect]", weight=1.5),
]

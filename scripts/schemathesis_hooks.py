"""One check of schemathesis, told what no schema can state.

`positive_data_acceptance` demands that whatever keeps the schema is accepted. A schema knows what a request is; it cannot
know which dimensions, prompts, token ids and lengths the model takes that the request names, nor which ids the server
keeps. Such a refusal is a 400 of a kind of its own, so it can be told apart: it counts as an acceptance of the schema. Every
other 400 is a failure, as before.
"""

import json

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

# Problems that only the named model, what is stored, or a refusal by name can find in a request that keeps the schema.
BEYOND_THE_SCHEMA = {
    "/problems/inference-invalid",
    "/problems/context-length-exceeded",
    "/problems/previous-response-not-found",
    "/problems/item-not-found",
    # What a message lacks for its role, and what goes with nothing that is stored.
    "/problems/session-invalid",
    # What goes together in a document and in a query, what a file holds, and the language of filters.
    "/problems/rag-invalid",
    # Parameters of OpenAI's that are known, and refused by name with what to do instead.
    "/problems/stored-response-option",
    # A name that no repository of the hub can have is told in words, and a model inside the server is not deleted.
    "/problems/pull-invalid",
    "/problems/delete-embedded",
}


@schemathesis.check
def valid_data_acceptance(ctx, response, case):
    if response.status_code == 400:
        try:
            problem = json.loads(response.content)
        except ValueError:
            problem = {}
        if isinstance(problem, dict) and problem.get("type") in BEYOND_THE_SCHEMA:
            return None
    return positive_data_acceptance(ctx, response, case)

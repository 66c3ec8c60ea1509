"""Real documents of this machine and questions whose places are known: how fast they come in, and whether they are found.

    tabagent serve --data-dir EMPTY_FOLDER
    python3 scripts/documents.py http://127.0.0.1:8080

It sends 300 documents to a running server without documents: the project's Markdown, Rust's HTML documentation, Debian's
changelogs and copyright files, licences, PDFs. Then it asks the questions of documents_questions.json, whose `file` is one of
those documents and whose `phrase` the right passage contains, white space apart. Constants of the search are chosen on those of
documents_tuning.json (--questions), which were written without a look at what it finds. Nothing is asserted; it prints rates,
latencies, and the rank of the right passage in each mode. Needs Debian's /usr/share/doc and `rustup component add rust-docs`.
"""

import argparse
import base64
import concurrent.futures
import gzip
import hashlib
import http.client
import json
import pathlib
import statistics
import subprocess
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENTS = 300
# Documents that are sent at once: as many as the server takes at once.
IN_FLIGHT = 4
LARGEST = 2 << 20
# A page with less is a stub that leads elsewhere.
SMALLEST_PAGE = 6000
MODES = ["hybrid", "vector", "keyword"]
# The right passage is looked for among so many, and is to be among the first five.
DEEPEST, WANTED = 100, 5
ROUNDS = 5


def roots():
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True).stdout.strip()
    return {
        "project": HERE.parent,
        "rust": pathlib.Path(sysroot, "share/doc/rust/html"),
        "debian": pathlib.Path("/usr/share/doc"),
        "licences": pathlib.Path("/usr/share/common-licenses"),
    }


def groups(root):
    """Files of each kind and how many of them are taken; the kinds that are short come first."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=root["project"], check=True, capture_output=True, text=True)
    pages = {
        part: [page for page in (root["rust"] / part).rglob("*.html") if page.stat().st_size >= SMALLEST_PAGE]
        for part in ("book", "reference", "cargo", "std")
    }
    return [
        ("the project's Markdown", [root["project"] / name for name in listed.stdout.splitlines()], DOCUMENTS),
        ("PDFs", root["debian"].rglob("*.pdf"), 3),
        ("licences", root["licences"].iterdir(), DOCUMENTS),
        ("the Rust book", pages["book"], 40),
        ("the Rust reference", pages["reference"], 25),
        ("the Cargo book", pages["cargo"], 35),
        ("the standard library", pages["std"], 40),
        ("Debian's changelogs", root["debian"].glob("*/changelog*.gz"), 70),
        ("Debian's copyright files", root["debian"].glob("*/copyright"), DOCUMENTS),
    ]


def content(path):
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def gather(required):
    """Documents as (path, content), none twice: those that questions are about, and a spread of each kind."""
    seen, gathered, counts = set(), [], {}
    for name, paths, most in groups(roots()):
        taken = []
        paths = sorted({path for path in paths if path.is_file()})
        asked = [path for path in paths if path in required]
        rest = [path for path in paths if path not in required]
        room = min(most, DOCUMENTS - len(gathered)) - len(asked)
        step = max(1, len(rest) // max(1, room))
        for path in asked + rest[::step] + rest:
            data = content(path)
            key = hashlib.sha256(data).digest()
            if len(taken) < room + len(asked) and key not in seen and 0 < len(data) <= LARGEST:
                seen.add(key)
                taken.append((path, data))
        gathered += taken
        counts[name] = len(taken)
    missing = required - {path for path, _ in gathered}
    if missing:
        raise SystemExit(f"questions are about documents that are not here, or are the same as others: {missing}")
    return gathered, counts


class Server:
    def __init__(self, address):
        self.host = urllib.parse.urlsplit(address).netloc
        self.connection = http.client.HTTPConnection(self.host, timeout=600)

    def send(self, method, path, body=None):
        self.connection.request(
            method, path, None if body is None else json.dumps(body), {"content-type": "application/json"}
        )
        response = self.connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise RuntimeError(f"{method} {path} was answered with {response.status}: {answer.get('detail', answer)}")
        return answer


def ingest(address, documents):
    """Sends all documents; the seconds, the chunks, and what was refused."""

    def send(part):
        server, chunks, refused = Server(address), 0, []
        for path, data in part:
            name = path.name.removesuffix(".gz")
            body = {"data": base64.b64encode(data).decode(), "file_name": name, "source": str(path)}
            try:
                chunks += server.send("POST", "/v1/rag/documents", body)["document"]["chunks"]
            except RuntimeError as error:
                refused.append((path, str(error)))
        return chunks, refused

    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(IN_FLIGHT) as pool:
        parts = list(pool.map(send, [documents[at::IN_FLIGHT] for at in range(IN_FLIGHT)]))
    seconds = time.perf_counter() - begin
    return seconds, sum(chunks for chunks, _ in parts), [one for _, refused in parts for one in refused]


def squeezed(text):
    return "".join(text.split())


def is_answer(result, path, phrase):
    return result["source"] == str(path) and squeezed(phrase) in squeezed(result["text"])


def rank(server, mode, question, path):
    """The place of the right passage, from 1; none where it is not among those that are looked at."""
    body = {"query": question["question"], "k": DEEPEST, "mode": mode}
    results = server.send("POST", "/v1/rag/query", body)["results"]
    places = (at for at, result in enumerate(results, 1) if is_answer(result, path, question["phrase"]))
    return next(places, None), results


def is_kept(server, question, path):
    """Whether some chunk holds the phrase: the words alone find it where it does."""
    body = {"query": question["phrase"], "k": 1000, "mode": "keyword", "filters": {"source": str(path)}}
    results = server.send("POST", "/v1/rag/query", body)["results"]
    return any(is_answer(result, path, question["phrase"]) for result in results)


def latency(server, mode, questions):
    seconds = []
    for _ in range(ROUNDS):
        for question in questions:
            begin = time.perf_counter()
            server.send("POST", "/v1/rag/query", {"query": question["question"], "mode": mode, "k": WANTED})
            seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds) * 1e3, statistics.quantiles(seconds, n=20)[-1] * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="address of a running server")
    parser.add_argument("--explain", action="store_true", help="show what came first where the right passage did not")
    parser.add_argument("--keep", action="store_true", help="ask a server that has the documents of an earlier run")
    parser.add_argument("--questions", default="documents_questions.json", help="a file beside this one")
    arguments = parser.parse_args()
    questions = json.loads((HERE / arguments.questions).read_text())
    root = roots()
    places = [root[kind] / name for kind, name in (one["file"].split("/", 1) for one in questions)]
    server = Server(arguments.server)
    if not arguments.keep:
        if server.send("GET", "/v1/rag/documents?limit=1")["data"]:
            raise SystemExit("the server has documents; start it on an empty --data-dir, or say --keep")
        documents, counts = gather(set(places))
        size = sum(len(data) for _, data in documents)
        print(", ".join(f"{count} of {name}" for name, count in counts.items()))
        seconds, chunks, refused = ingest(arguments.server, documents)
        for path, reason in refused:
            print(f"refused: {path}: {reason}")
        taken = len(documents) - len(refused)
        print(
            f"{taken} documents, {size / 1e6:.1f} MB, {chunks} chunks in {seconds:.1f} s: {taken / seconds:.1f} documents/s, "
            f"{chunks / seconds:.0f} chunks/s, {size / 1e6 / seconds:.2f} MB/s"
        )
    # The server closes a connection that was idle meanwhile.
    server = Server(arguments.server)
    found = dict.fromkeys(MODES, 0)
    print(" ".join(f"{mode:>8}" for mode in MODES) + "  rank of the right passage")
    for question, path in zip(questions, places, strict=True):
        if not is_kept(server, question, path):
            raise SystemExit(f"no chunk of {path} has the phrase {question['phrase']!r}")
        ranks = {mode: rank(server, mode, question, path) for mode in MODES}
        for mode, (place, _) in ranks.items():
            found[mode] += place is not None and place <= WANTED
        shown = " ".join(f"{place or '-':>8}" for place, _ in ranks.values())
        print(f"{shown}  {question['question']} ({question['file']})")
        place, results = ranks[MODES[0]]
        if arguments.explain and (place is None or place > WANTED):
            for result in results[:WANTED]:
                print(f"{'':>28}{result['id']} {result['headings']} {result['scores']}\n{'':>30}{result['text'][:200]!r}")
    for mode in MODES:
        middle, high = latency(server, mode, questions)
        print(f"{mode}: {found[mode]} of {len(questions)} in the first {WANTED}; p50 {middle:.1f} ms, p95 {high:.1f} ms")


if __name__ == "__main__":
    main()

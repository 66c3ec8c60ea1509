"""usearch, hnswlib and an exact search by numpy over the vectors of the index that serves, read from TabAgent's database.

A line of JSON in, a line of JSON out:
`{"do": "build", "queries": [[..], ..], "count": N}` builds the indexes and finds how wide each has to search;
`{"do": "round", "peer": I}` tells the seconds of each query, sent one after the other;
`{"do": "recall", "found": [[id, ..], ..], "field": F, "value": V}` tells the share of the exact results that was found, among
the documents whose metadata has that value where a field is named.
"""

import argparse
import importlib.metadata
import json
import os
import sqlite3
import sys
import time

import hnswlib
import numpy
from usearch.index import Index

# Neighbours of a vector in the graph, the customary number first; more where the widest search does not find enough.
CONNECTIVITIES = [16, 32, 64]
# Candidates while it is built.
CONSTRUCTION = 200
WIDTHS = [10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512, 1024, 2048]


def version(package):
    return f"{package} {importlib.metadata.version(package)}"


class Exact:
    name = version("numpy")
    connectivities, widths = [None], [None]

    def __init__(self, vectors, _connectivity):
        self.vectors = vectors

    def widen(self, width):
        pass

    def search(self, query, count):
        products = self.vectors @ query
        best = numpy.argpartition(-products, count)[:count]
        return best[numpy.argsort(-products[best])]


class Usearch:
    name = version("usearch")
    connectivities, widths = CONNECTIVITIES, WIDTHS

    def __init__(self, vectors, connectivity):
        self.index = Index(
            ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=connectivity, expansion_add=CONSTRUCTION
        )
        self.index.add(numpy.arange(len(vectors)), vectors, threads=os.cpu_count())

    def widen(self, width):
        self.index.expansion_search = width

    def search(self, query, count):
        return self.index.search(query, count, threads=1).keys


class Hnswlib:
    name = version("hnswlib")
    connectivities, widths = CONNECTIVITIES, WIDTHS

    def __init__(self, vectors, connectivity):
        self.index = hnswlib.Index("ip", vectors.shape[1])
        self.index.init_index(len(vectors), ef_construction=CONSTRUCTION, M=connectivity, random_seed=1)
        self.index.add_items(vectors, numpy.arange(len(vectors)), num_threads=os.cpu_count())

    def widen(self, width):
        self.index.set_ef(width)

    def search(self, query, count):
        return self.index.knn_query(query, count, num_threads=1)[0][0]


class Bench:
    def __init__(self, database, wanted):
        self.wanted = wanted
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        rows = connection.execute(
            "SELECT d.id || '#' || c.position, d.metadata, v.vector FROM chunks AS c"
            " JOIN vectors AS v ON v.chunk = c.number JOIN documents AS d ON d.number = c.document"
            " JOIN vector_indexes AS i ON i.number = c.vector_index WHERE i.state = 'serving' ORDER BY c.number"
        ).fetchall()
        connection.close()
        self.places = {row[0]: place for place, row in enumerate(rows)}
        self.metadata = [json.loads(row[1]) for row in rows]
        self.vectors = unit(numpy.frombuffer(b"".join(row[2] for row in rows), dtype="<f4").reshape(len(rows), -1))
        self.peers, self.queries, self.count = [], [], 0

    def build(self, queries, count):
        self.queries, self.count = unit(numpy.array(queries, dtype=numpy.float32)), count
        exact = self.exact(numpy.arange(len(self.vectors)))
        said = [self.settled(kind, exact) for kind in (Usearch, Hnswlib, Exact)]
        return {"vectors": len(self.vectors), "dimensions": self.vectors.shape[1], "peers": said}

    def settled(self, kind, exact):
        """Takes the sparsest graph, and in it the narrowest search, that finds as much as is wanted; else the last of both."""
        for connectivity in kind.connectivities:
            before, begin = resident(), time.perf_counter()
            peer = kind(self.vectors, connectivity)
            seconds, size = time.perf_counter() - begin, (resident() - before) / len(self.vectors)
            for width in kind.widths:
                peer.widen(width)
                recall = shared([peer.search(query, self.count) for query in self.queries], exact)
                if recall >= self.wanted:
                    break
            print(f"{kind.name}: {connectivity} neighbours, ef {width}, recall {recall}", file=sys.stderr)
            if recall >= self.wanted:
                break
        how = "in process"
        if connectivity:
            how += f", {connectivity} neighbours, ef {width}; built in {seconds:.0f} s on {os.cpu_count()} threads"
            how += f", {size:.0f} bytes a vector"
        self.peers.append(peer)
        return {"name": kind.name, "recall": recall, "how": how}

    def round(self, peer):
        search, count, seconds = self.peers[peer].search, self.count, []
        for query in self.queries:
            begin = time.perf_counter()
            search(query, count)
            seconds.append(time.perf_counter() - begin)
        return {"seconds": seconds}

    def recall(self, found, field, value):
        passes = [field is None or metadata.get(field) == value for metadata in self.metadata]
        exact = self.exact(numpy.flatnonzero(passes))
        return {"recall": shared([[self.places[one] for one in ids] for ids in found], exact)}

    def exact(self, among):
        """The nearest of some vectors to each query, by the products of all values in double precision."""
        vectors = self.vectors[among].astype(numpy.float64)
        return [
            among[numpy.argsort(-(vectors @ query.astype(numpy.float64)), kind="stable")[: self.count]]
            for query in self.queries
        ]


def unit(vectors):
    return numpy.ascontiguousarray(vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True), dtype=numpy.float32)


def shared(found, exact):
    """The mean share of the exact results that was found."""
    pairs = zip(found, exact, strict=True)
    return float(numpy.mean([len(set(map(int, ours)) & set(map(int, best))) / len(best) for ours, best in pairs]))


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database")
    parser.add_argument("--recall", type=float, required=True)
    arguments = parser.parse_args()
    bench = Bench(arguments.database, arguments.recall)
    for line in sys.stdin:
        command = json.loads(line)
        act = {"build": bench.build, "round": bench.round, "recall": bench.recall}[command.pop("do")]
        print(json.dumps(act(**command)), flush=True)


if __name__ == "__main__":
    main()

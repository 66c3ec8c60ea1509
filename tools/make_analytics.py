"""Write the reference outputs for analytics: `tabagent-runtime/tests/fixtures/analytics.json`.

    python -m venv .venv-analytics && .venv-analytics/bin/pip install -r tools/requirements-analytics.txt
    .venv-analytics/bin/python tools/make_analytics.py

Rankings are judged by ranx and by trec_eval itself (pytrec_eval), which have to agree; similarity, correlation and Ward's
linkage come from scipy; k-means, DBSCAN, HDBSCAN and silhouettes from scikit-learn; maximal marginal relevance from the
formula, written down below. All numbers of the input are multiples of 1/1024, which JSON and 32-bit floats keep exactly.
"""

import json
from pathlib import Path

import numpy as np
import pytrec_eval
import ranx
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist
from scipy.stats import pearsonr, spearmanr
from sklearn.cluster import DBSCAN, HDBSCAN, KMeans
from sklearn.metrics import silhouette_samples

OUT = Path(__file__).resolve().parent.parent / "tabagent-runtime" / "tests" / "fixtures" / "analytics.json"
CUTOFFS = [1, 3, 5, 10, 100]
METRICS = {"cosine": "cosine", "euclidean": "euclidean", "manhattan": "cityblock"}


def exact(values: np.ndarray) -> np.ndarray:
    """The nearest multiples of 1/1024."""
    return np.round(np.asarray(values, dtype=np.float64) * 1024) / 1024


def rankings(random: np.random.Generator) -> list[dict]:
    """Queries with scores and grades of documents, whole rankings and the first ten places of rankings."""
    cases = []
    for name, documents, kept in [("whole", 40, 40), ("cut", 60, 10)]:
        # No two scores of a query are equal: trec_eval breaks ties by the names of documents.
        scores = np.stack([random.permutation(documents) / 1024 for _ in range(25)])
        grades = random.integers(0, 4, size=scores.shape) * (random.random(scores.shape) < 0.15)
        grades[grades.sum(axis=1) == 0, 0] = 1
        queries = []
        qrels = {f"q{q}": {f"d{d:02}": int(g) for d, g in enumerate(row)} for q, row in enumerate(grades)}
        run = {}
        for q, row in enumerate(scores):
            order = np.argsort(-row)[:kept]
            run[f"q{q}"] = {f"d{d:02}": float(row[d]) for d in order}
        places = ",".join(map(str, CUTOFFS))
        measures = {f"recall.{places}", f"P.{places}", f"ndcg_cut.{places}", "map", "recip_rank"}
        trec = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
        names = ["mrr", "map"] + [f"{m}@{k}" for k in CUTOFFS for m in ("recall", "precision", "ndcg")]
        # ranx has no grade of 0: what is not relevant is not there.
        relevant = {q: {d: g for d, g in row.items() if g > 0} for q, row in qrels.items()}
        others = ranx.evaluate(ranx.Qrels(relevant), ranx.Run(run), names, return_mean=False)
        order = list(ranx.Run(run).keys())
        for q, row in enumerate(scores):
            own = trec[f"q{q}"]
            metrics = {"mrr": own["recip_rank"], "map": own["map"]}
            for k in CUTOFFS:
                metrics |= {f"recall@{k}": own[f"recall_{k}"], f"precision@{k}": own[f"P_{k}"], f"ndcg@{k}": own[f"ndcg_cut_{k}"]}
            for metric in names:
                other = others[metric][order.index(f"q{q}")]
                assert abs(metrics[metric] - other) < 1e-9, (name, q, metric, metrics[metric], other)
            queries.append({"scores": row.tolist(), "grades": row_of(grades[q]), "metrics": metrics})
        cases.append({"name": name, "kept": kept, "queries": queries})
    return cases


def row_of(grades: np.ndarray) -> dict:
    return {str(d): int(g) for d, g in enumerate(grades) if g > 0}


def similarity(random: np.random.Generator) -> dict:
    left, right = exact(random.normal(size=(7, 12))), exact(random.normal(size=(5, 12)))
    left[3] = right[2]
    values = {name: cdist(left, right, kind).tolist() for name, kind in METRICS.items()}
    values["cosine"] = (1 - cdist(left, right, "cosine")).tolist()
    values["dot"] = (left @ right.T).tolist()
    return {"left": left.tolist(), "right": right.tolist(), "values": values}


def pairs(random: np.random.Generator) -> dict:
    left = exact(random.normal(size=(40, 8)))
    right = exact(left + random.normal(size=left.shape) * random.random((40, 1)) * 2)
    # Labels with many ties, as people give them.
    labels = np.clip(np.round(5 - np.linalg.norm(left - right, axis=1) / 1.5), 0, 5)
    cases = {}
    for name, kind in METRICS.items():
        distances = np.array([cdist([a], [b], kind)[0, 0] for a, b in zip(left, right)])
        values = 1 - distances if name == "cosine" else distances
        closeness = values if name == "cosine" else -values
        cases[name] = {
            "values": values.tolist(),
            "mean": float(values.mean()),
            "pearson": float(pearsonr(closeness, labels).statistic),
            "spearman": float(spearmanr(closeness, labels).statistic),
        }
    return {"left": left.tolist(), "right": right.tolist(), "labels": labels.tolist(), "cases": cases}


def points(random: np.random.Generator, count: int, dimensions: int, centres: int, spread: float) -> np.ndarray:
    """Groups of different density, and a tenth that belongs to none."""
    middle = random.normal(size=(centres, dimensions)) * 4
    own = np.arange(count) % centres
    found = middle[own] + random.normal(size=(count, dimensions)) * spread * (0.5 + own[:, None] / centres)
    lone = random.random(count) < 0.1
    found[lone] = random.normal(size=(lone.sum(), dimensions)) * 6
    return exact(found)


def silhouette(data: np.ndarray, labels: np.ndarray, kind: str) -> float | None:
    """The mean over what belongs to a cluster, where there are two clusters or more."""
    kept = labels >= 0
    found = len(set(labels[kept]))
    if found < 2 or found >= kept.sum():
        return None
    return float(silhouette_samples(data[kept], labels[kept], metric=kind).mean())


def hdbscan(random: np.random.Generator, spans: np.ndarray, size: int, samples: int) -> np.ndarray | None:
    """The labels, where they do not depend on the order of the points. Reachability has many equal values, scikit-learn breaks
    such ties as they come, and so would others."""
    found = []
    for order in [np.arange(len(spans)), *(random.permutation(len(spans)) for _ in range(40))]:
        model = HDBSCAN(min_cluster_size=size, min_samples=samples, metric="precomputed", copy=True)
        labels = np.empty(len(spans), dtype=int)
        labels[order] = model.fit(spans[np.ix_(order, order)]).labels_
        found.append(labels)
    numbers = [{} for _ in found]
    same = {tuple(-1 if x < 0 else n.setdefault(x, len(n)) for x in labels) for n, labels in zip(numbers, found)}
    return found[0] if len(same) == 1 else None


def clustering(random: np.random.Generator) -> list[dict]:
    cases = []
    for count, dimensions, centres, spread in [(60, 2, 3, 0.8), (90, 5, 5, 1.2), (120, 3, 4, 1.0)]:
        data = points(random, count, dimensions, centres, spread)
        case = {"points": data.tolist(), "kmeans": [], "ward": [], "dbscan": [], "hdbscan": []}
        for k in (2, centres, 8):
            start = data[random.choice(count, k, replace=False)]
            model = KMeans(k, init=start, n_init=1, max_iter=1000, tol=0, algorithm="lloyd").fit(data)
            case["kmeans"].append({
                "start": start.tolist(), "labels": model.labels_.tolist(), "inertia": float(model.inertia_),
                "centres": model.cluster_centers_.tolist(),
                "silhouette": {name: silhouette(data, model.labels_, kind) for name, kind in METRICS.items()},
            })
        tree = linkage(data, "ward")
        for k in range(1, 13):
            labels = fcluster(tree, k, "maxclust")
            assert len(set(labels)) == k
            case["ward"].append({"k": k, "labels": labels.tolist()})
        for name, kind in METRICS.items():
            spans = cdist(data, data, kind)
            for share, samples in [(0.02, 3), (0.05, 5), (0.1, 4)]:
                # Between two distances, so that rounding does not decide who is a neighbour.
                ordered = np.sort(spans[np.triu_indices(count, 1)])
                at = int(share * len(ordered))
                eps = float((ordered[at] + ordered[at + 1]) / 2)
                labels = DBSCAN(eps=eps, min_samples=samples, metric=kind).fit(data).labels_
                case["dbscan"].append({
                    "metric": name, "eps": eps, "min_samples": samples, "labels": labels.tolist(),
                    "silhouette": silhouette(data, labels, kind),
                })
            for size, samples in [(5, 5), (3, 2), (8, 4), (4, 1)]:
                labels = hdbscan(random, spans, size, samples)
                if labels is None:
                    continue
                case["hdbscan"].append({
                    "metric": name, "min_cluster_size": size, "min_samples": samples, "labels": labels.tolist(),
                    "silhouette": silhouette(data, labels, kind),
                })
        assert len(case["hdbscan"]) >= 5, "too few left to compare"
        cases.append(case)
    return cases


def marginal(relevance: np.ndarray, alike: np.ndarray, diversity: float, count: int) -> list[int]:
    """Carbonell and Goldstein 1998, with λ = 1 - diversity: next is argmax of λ relevance - (1 - λ) max likeness to what is chosen."""
    chosen: list[int] = []
    while len(chosen) < count:
        best, best_value = -1, -np.inf
        for item in range(len(relevance)):
            if item in chosen:
                continue
            near = max((alike[item, other] for other in chosen), default=0.0)
            value = (1 - diversity) * relevance[item] - diversity * near
            if value > best_value:
                best, best_value = item, value
        chosen.append(best)
    return chosen


def diversity(random: np.random.Generator) -> dict:
    query, items = exact(random.normal(size=(1, 6))), exact(random.normal(size=(30, 6)))
    # Near copies of one another, which diversity keeps apart.
    items[10:20] = exact(items[:10] + random.normal(size=(10, 6)) * 0.1)
    relevance = 1 - cdist(items, query, "cosine")[:, 0]
    alike = 1 - cdist(items, items, "cosine")
    orders = [{"diversity": d, "order": marginal(relevance, alike, d, 30)} for d in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return {"query": query[0].tolist(), "items": items.tolist(), "relevance": relevance.tolist(), "orders": orders}


def shortened(value):
    """Floats with twelve digits, which is far closer than they are compared."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    return [shortened(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    random = np.random.default_rng(20_261_130)
    reference = {
        "rankings": rankings(random),
        "similarity": similarity(random),
        "pairs": pairs(random),
        "clustering": clustering(random),
        "diversity": diversity(random),
    }
    OUT.write_text(json.dumps(shortened(reference), separators=(",", ":")) + "\n")
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()

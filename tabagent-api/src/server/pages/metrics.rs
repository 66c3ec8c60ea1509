//! `/metrics`: the figures of the API, of the runtime and of the process in Prometheus' text format.
//!
//! Like every route that is not declared public the page asks for the API key when there is one: the names of models and
//! the traffic are the operator's.

use std::fmt::{Display, Write as _};
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, header};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tabagent_runtime::StoreUsage;
use tabagent_runtime::embed::metrics::{Histogram, ModelMetrics};
use tabagent_runtime::generate::metrics::GenerationMetrics;
use tabagent_runtime::hardware;
use tabagent_runtime::runtime::{Runtime, RuntimeMetrics};

use crate::framework::Pages;
use crate::framework::config::Secret;
use crate::framework::layers::route::authorize;
use crate::routes::health::STORE_PATIENCE;
use crate::server::http::OpenConnections;
use crate::server::process;
use crate::server::readiness::Readiness;

/// Upper bounds of request durations, in seconds: those that the semantic conventions name, and a minute's worth above.
const DURATIONS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0,
    60.0,
];

/// The recorder of the process; `metrics` has one, whatever the number of apps.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Collects what the framework records, from the first call on. None when another recorder was there before.
pub fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER
        .get_or_init(|| {
            let duration = Matcher::Full("http_server_request_duration_seconds".to_owned());
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(duration, DURATIONS)
                .map_err(|error| tracing::error!(%error, "request durations are not collected"))
                .ok()?
                .build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder)
                .map_err(|error| tracing::error!(%error, "request durations are not collected"))
                .ok()?;
            metrics::describe_histogram!(
                "http_server_request_duration_seconds",
                metrics::Unit::Seconds,
                "Time from a request's head to the head of its response"
            );
            Some(handle)
        })
        .as_ref()
}

/// What the page reads.
#[derive(Debug, Clone)]
pub struct MetricsPage {
    /// The runtime.
    pub runtime: Runtime,
    /// The server's stage and age.
    pub readiness: Readiness,
    /// The connections.
    pub open: OpenConnections,
    /// The key that it asks for.
    pub api_key: Option<Secret>,
}

impl MetricsPage {
    /// The page with its path.
    pub fn pages(self) -> Pages {
        // The recorder is there before the first request, so that none is missed.
        recorder();
        Pages::new()
            .route("/metrics", get(move |headers: HeaderMap| async move { self.answer(&headers).await }))
    }

    async fn answer(&self, headers: &HeaderMap) -> Response {
        if let Err(error) = authorize(self.api_key.as_ref(), headers) {
            return error.into_response();
        }
        let mut text = recorder().map(PrometheusHandle::render).unwrap_or_default();
        let mut exposition = Exposition::default();
        describe_runtime(&mut exposition, &self.runtime.metrics());
        let store = tokio::time::timeout(STORE_PATIENCE, self.runtime.store_usage()).await;
        describe_store(&mut exposition, store.ok().and_then(Result::ok));
        self.describe_process(&mut exposition);
        text.push_str(&exposition.0);
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
    }

    fn describe_process(&self, out: &mut Exposition) {
        out.family("tabagent_ready", "gauge", "Whether new requests are welcome");
        out.sample("tabagent_ready", "", u8::from(self.readiness.is_ready()));
        out.family("tabagent_open_connections", "gauge", "Connections of clients that are open");
        out.sample("tabagent_open_connections", "", self.open.count());
        out.family("tabagent_build_info", "gauge", "The version, as a label");
        out.sample("tabagent_build_info", &label("version", env!("CARGO_PKG_VERSION")), 1);
        if let Ok(since) = self.readiness.started_at().duration_since(UNIX_EPOCH) {
            out.family("process_start_time_seconds", "gauge", "Start of the server, in seconds since 1970");
            out.sample("process_start_time_seconds", "", since.as_secs());
        }
        if let Some(bytes) = hardware::resident_memory() {
            out.family("process_resident_memory_bytes", "gauge", "Memory of the process that is in RAM");
            out.sample("process_resident_memory_bytes", "", bytes);
        }
        if let Some(count) = process::open_files() {
            out.family("process_open_fds", "gauge", "Open file descriptors");
            out.sample("process_open_fds", "", count);
        }
    }
}

/// Figures of one kind of engine: each with its name, its help and how it is read.
struct Figures<M: 'static> {
    /// What stands before each name.
    prefix: &'static str,
    gauges: &'static [Figure<M, u64>],
    counters: &'static [Figure<M, u64>],
    histograms: &'static [Distribution<M>],
}

type Figure<M, T> = (&'static str, &'static str, fn(&M) -> T);
type Distribution<M> = (&'static str, &'static str, fn(&M) -> &Histogram);

const ENCODERS: Figures<ModelMetrics> = Figures {
    prefix: "tabagent_model",
    gauges: &[("waiting_texts", "Texts admitted that have not begun to run", |model| model.waiting)],
    counters: &[
        ("requests_total", "Requests admitted", |model| model.requests),
        ("texts_total", "Texts that ran", |model| model.texts),
        ("tokens_total", "Tokens of the texts that ran, without padding", |model| model.tokens),
        ("padding_tokens_total", "Padding tokens computed beside them", |model| model.padding),
        ("batches_total", "Batches that ran", |model| model.batches),
        ("rejected_total", "Requests refused because the queue was full", |model| model.rejected),
        ("cancelled_total", "Requests whose client went away before the answer", |model| model.cancelled),
        ("timeouts_total", "Requests whose deadline passed", |model| model.timeouts),
        ("failed_total", "Requests that failed while running", |model| model.failed),
        ("truncated_total", "Texts cut to the model's length", |model| model.truncated),
    ],
    histograms: &[
        ("queue_wait_seconds", "Time between admission and the start of the batch, a text", |model| {
            &model.queue_wait
        }),
        ("inference_seconds", "Time that a batch ran", |model| &model.inference),
        ("batch_rows", "Texts in a batch", |model| &model.batch_rows),
        ("padding_share", "Share of padding among the tokens computed, a batch", |model| {
            &model.padding_share
        }),
    ],
};

const DECODERS: Figures<GenerationMetrics> = Figures {
    prefix: "tabagent_generation",
    gauges: &[
        ("waiting", "Answers that wait", |model| model.waiting),
        ("running", "Answers that are being generated", |model| model.running),
        (
            "cache_bytes",
            "Memory of keys and values, those that were kept of earlier prompts included",
            |model| model.cache_bytes,
        ),
    ],
    counters: &[
        ("requests_total", "Requests admitted", |model| model.requests),
        ("answers_total", "Answers of the requests admitted", |model| model.sequences),
        ("ended_total", "Answers that ended by themselves", |model| model.ended),
        ("input_tokens_total", "Tokens of the prompts", |model| model.input_tokens),
        ("cached_tokens_total", "Tokens of prompts that were not read again", |model| model.cached_tokens),
        ("output_tokens_total", "Tokens that were generated", |model| model.output_tokens),
        ("rejected_total", "Requests refused because the queue was full", |model| model.rejected),
        ("cancelled_total", "Answers whose client went away, or that somebody stopped", |model| {
            model.cancelled
        }),
        ("timeouts_total", "Answers whose deadline passed", |model| model.timeouts),
        ("failed_total", "Answers that failed while running", |model| model.failed),
        ("preempted_total", "Times that an answer gave its memory to others and waited again", |model| {
            model.preempted
        }),
    ],
    histograms: &[
        ("queue_wait_seconds", "Time between admission and the first part of the prompt", |model| {
            &model.queue_wait
        }),
        ("time_to_first_token_seconds", "Time between admission and the first token", |model| {
            &model.time_to_first_token
        }),
        ("inter_token_seconds", "Time between two tokens of an answer", |model| &model.inter_token),
        ("batch_rows", "Answers that decoded together, a step", |model| &model.batch_rows),
        ("step_seconds", "Time that a decoding step took", |model| &model.step),
        (
            "choosing_seconds",
            "Time of a decoding step that choosing tokens and telling their text took",
            |model| &model.choosing,
        ),
        ("prefill_seconds", "Time that a part of a prompt took", |model| &model.prefill),
        ("guide_seconds", "Time to find which tokens a constraint allows, a token", |model| &model.guide),
    ],
};

fn describe_runtime(out: &mut Exposition, metrics: &RuntimeMetrics) {
    describe_pool(out, metrics);
    ENCODERS.describe(out, &metrics.models, |model| &model.model);
    DECODERS.describe(out, &metrics.generation, |model| &model.model);
}

/// What the store keeps; nothing but that it does not answer, where it does not: /health says why.
fn describe_store(out: &mut Exposition, usage: Option<StoreUsage>) {
    out.family("tabagent_store_usable", "gauge", "Whether the store answers");
    out.sample("tabagent_store_usable", "", u8::from(usage.is_some()));
    let Some(usage) = usage else { return };
    for (name, help, value) in [
        ("responses", "Responses that are kept", usage.responses),
        ("response_bytes", "Bytes of the responses, inputs included", usage.bytes),
        ("sessions", "Sessions that are kept", usage.sessions),
        ("messages", "Messages of all sessions", usage.messages),
        ("message_bytes", "Bytes of the messages", usage.message_bytes),
        ("documents", "Documents that are kept", usage.documents),
        ("chunks", "Chunks of the index of documents that serves", usage.chunks),
    ] {
        let name = format!("tabagent_store_{name}");
        out.family(&name, "gauge", help);
        out.sample(&name, "", value);
    }
}

fn describe_pool(out: &mut Exposition, metrics: &RuntimeMetrics) {
    let pool = &metrics.pool;
    out.family("tabagent_loaded_models", "gauge", "Models in memory");
    out.sample("tabagent_loaded_models", "", metrics.models.len() + metrics.generation.len());
    out.family(
        "tabagent_model_resident_bytes",
        "gauge",
        "Memory of a model, by estimate, keys and values as they are",
    );
    for (id, bytes) in &pool.bytes {
        out.sample("tabagent_model_resident_bytes", &label("model", id), bytes);
    }
    out.family("tabagent_model_loads_total", "counter", "Models that came into memory, and that failed to");
    out.sample("tabagent_model_loads_total", &label("outcome", "loaded"), pool.loads);
    out.sample("tabagent_model_loads_total", &label("outcome", "failed"), pool.failed_loads);
    out.family(
        "tabagent_model_evictions_total",
        "counter",
        "Models that left memory without being unloaded by name",
    );
    out.sample("tabagent_model_evictions_total", &label("reason", "room"), pool.evicted);
    out.sample("tabagent_model_evictions_total", &label("reason", "idle"), pool.expired);
    out.family("tabagent_model_load_seconds", "histogram", "Time that loading a model took");
    out.histogram("tabagent_model_load_seconds", "", &pool.load_seconds);
}

impl<M> Figures<M> {
    fn describe(&self, out: &mut Exposition, models: &[M], id: fn(&M) -> &str) {
        for (kind, figures) in [("gauge", self.gauges), ("counter", self.counters)] {
            for (name, help, read) in figures {
                let name = format!("{}_{name}", self.prefix);
                out.family(&name, kind, help);
                for model in models {
                    out.sample(&name, &label("model", id(model)), read(model));
                }
            }
        }
        for (name, help, read) in self.histograms {
            let name = format!("{}_{name}", self.prefix);
            out.family(&name, "histogram", help);
            for model in models {
                out.histogram(&name, &label("model", id(model)), read(model));
            }
        }
    }
}

/// A label with its value, escaped.
fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Text in Prometheus' format.
#[derive(Debug, Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    /// A histogram, whose buckets Prometheus wants cumulated.
    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let bounds = histogram.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let mut below = 0;
        for (bound, count) in bounds.zip(&histogram.counts) {
            below += count;
            let between = if labels.is_empty() { "" } else { "," };
            self.sample(&format!("{name}_bucket"), &format!("{labels}{between}le=\"{bound}\""), below);
        }
        self.sample(&format!("{name}_sum"), labels, histogram.sum);
        self.sample(&format!("{name}_count"), labels, histogram.count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_cumulated_and_labels_escaped() {
        let mut text = Exposition::default();
        let histogram = Histogram { bounds: &[0.5, 1.0], counts: vec![1, 2, 3], sum: 9.5 };
        text.histogram("t", &label("model", "a\"b"), &histogram);
        assert_eq!(
            text.0,
            "t_bucket{model=\"a\\\"b\",le=\"0.5\"} 1\nt_bucket{model=\"a\\\"b\",le=\"1\"} 3\n\
             t_bucket{model=\"a\\\"b\",le=\"+Inf\"} 6\nt_sum{model=\"a\\\"b\"} 9.5\nt_count{model=\"a\\\"b\"} 6\n"
        );
    }
}

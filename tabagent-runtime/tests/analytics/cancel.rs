//! Work that nobody waits for any more ends, and gives its thread to the next.

use std::task::{Context, Waker};

use tabagent_runtime::{
    Runtime, RuntimeOptions,
    analytics::{Algorithm, ClusterInput, ClusterRequest, Distance},
    device::Device,
};

fn request(vectors: Vec<Vec<f32>>, clusters: Option<usize>) -> ClusterRequest {
    ClusterRequest {
        model: None,
        input: ClusterInput::Vectors(vectors),
        algorithm: Algorithm::KMeans { clusters, seed: 0 },
        distance: Distance::Euclidean,
        dimensions: None,
        truncate: false,
        deadline: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_ends_a_clustering() {
    let models = tempfile::tempdir().unwrap();
    // One thread computes: what comes after waits for it, at most until its deadline.
    let options = RuntimeOptions {
        models_dir: models.path().to_owned(),
        device: Device::Cpu,
        threads: Some(1),
        ..RuntimeOptions::default()
    };
    let runtime = tokio::task::spawn_blocking(|| Runtime::start(options)).await.unwrap().unwrap();
    // Many minutes of work: vectors without groups.
    let value = |at: u32, place: u32| u8::try_from((at * 31 + place * 17 + at % 7 * place) % 97).unwrap();
    let vector = |at| (0..256).map(|place| f32::from(value(at, place))).collect();
    let endless = request((0..2000).map(vector).collect(), None);
    let mut running = Box::pin(runtime.cluster(endless));
    assert!(running.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(running);
    let grouped = (0..300_u16).map(|at| vec![f32::from(at % 3) * 1000.0, f32::from(at)]).collect();
    let found = runtime.cluster(request(grouped, Some(3))).await.unwrap();
    assert_eq!(found.clusters.sizes, [100, 100, 100]);
    assert_eq!((found.model, found.prompt_tokens), (None, 0));
}

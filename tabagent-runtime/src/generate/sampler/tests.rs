//! Draws against their distribution, and penalties by hand.

use super::*;

fn sampler(options: SamplingOptions) -> Sampler {
    Sampler::new(SamplingOptions { seed: Some(7), ..options }, &[1], Some(2), 0).unwrap()
}

/// How often each of four tokens is drawn.
fn frequencies(options: SamplingOptions, logits: &[f32; 4]) -> [f64; 4] {
    let mut counts = [0.0; 4];
    let mut sampler = sampler(options);
    for _ in 0..20_000 {
        counts[sampler.choose(logits, None).token as usize] += 1.0 / 20_000.0;
        sampler.generated.clear();
    }
    counts
}

#[test]
fn the_draw_follows_the_distribution() {
    // Probabilities 0.5, 0.3, 0.15, 0.05.
    let logits = [0.5_f32.ln(), 0.3_f32.ln(), 0.15_f32.ln(), 0.05_f32.ln()];
    let near = |found: [f64; 4], expected: [f64; 4]| {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 0.02, "{found} {expected}");
        }
    };
    near(frequencies(SamplingOptions::default(), &logits), [0.5, 0.3, 0.15, 0.05]);
    near(frequencies(SamplingOptions { top_k: 2, ..Default::default() }, &logits), [0.625, 0.375, 0.0, 0.0]);
    // The smallest set that holds 0.7 is the first two.
    near(
        frequencies(SamplingOptions { top_p: 0.7, ..Default::default() }, &logits),
        [0.625, 0.375, 0.0, 0.0],
    );
    near(
        frequencies(SamplingOptions { min_p: 0.2, ..Default::default() }, &logits),
        [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0.0],
    );
    // Squared and normalised: 0.25, 0.09, 0.0225, 0.0025 of 0.365.
    near(
        frequencies(SamplingOptions { temperature: 0.5, ..Default::default() }, &logits),
        [0.685, 0.247, 0.062, 0.007],
    );
    near(
        frequencies(SamplingOptions { temperature: 0.0, ..Default::default() }, &logits),
        [1.0, 0.0, 0.0, 0.0],
    );
}

#[test]
fn penalties_and_bias_by_hand() {
    let greedy = SamplingOptions { temperature: 0.0, ..Default::default() };
    let logits = [2.0, 1.9, 1.0, -1.0];
    // Token 0 was generated once: 2.0 - 0.2 is less than 1.9.
    let mut frequency = sampler(SamplingOptions { frequency_penalty: 0.2, ..greedy.clone() });
    assert_eq!([frequency.choose(&logits, None).token, frequency.choose(&logits, None).token], [0, 1]);
    // Token 1 stands in the prompt: 1.9 / 2 is less than 1.0 but 2.0 stays until it is generated.
    let mut repetition = sampler(SamplingOptions { repetition_penalty: 2.0, ..greedy.clone() });
    assert_eq!([repetition.choose(&logits, None).token, repetition.choose(&logits, None).token], [0, 0]);
    let mut biased = sampler(SamplingOptions { logit_bias: vec![(3, 5.0), (0, -100.0)], ..greedy.clone() });
    assert_eq!(biased.choose(&logits, None).token, 3);
    let mut only = sampler(greedy);
    assert_eq!(only.choose(&logits, Some(&[0b0100])).token, 2);
}

#[test]
fn log_probabilities_are_the_models_own() {
    let logits = [0.5_f32.ln(), 0.3_f32.ln(), 0.15_f32.ln(), 0.05_f32.ln()];
    let choice =
        sampler(SamplingOptions { top_k: 1, temperature: 0.1, ..Default::default() }).choose(&logits, None);
    assert!((choice.logprob.unwrap() - 0.5_f32.ln()).abs() < 1e-6);
    assert_eq!(choice.top.iter().map(|top| top.token).collect::<Vec<_>>(), [0, 1]);
    assert!((choice.top[1].logprob - 0.3_f32.ln()).abs() < 1e-6);
}

#[test]
fn a_seed_repeats_and_choices_differ() {
    let logits: Vec<f32> = (0_u16..100).map(|token| f32::from(token % 7)).collect();
    let draws = |seed, choice| {
        let options = SamplingOptions { seed: Some(seed), ..Default::default() };
        let mut sampler = Sampler::new(options, &[], None, choice).unwrap();
        (0..20).map(|_| sampler.choose(&logits, None).token).collect::<Vec<_>>()
    };
    assert_eq!(draws(1, 0), draws(1, 0));
    assert_ne!(draws(1, 0), draws(2, 0));
    assert_ne!(draws(1, 0), draws(1, 1));
}

#[test]
fn what_is_not_allowed_is_never_chosen() {
    // Two words and a part of one; the likeliest tokens are forbidden, and so is what has no bit.
    let logits: Vec<f32> = (0_u16..70).map(f32::from).collect();
    let allowed = [0b1010, u32::MAX, 0b1];
    let fits = |token: u32| allowed[token as usize / 32] >> (token % 32) & 1 == 1;
    let mut greedy = sampler(SamplingOptions { temperature: 0.0, ..Default::default() });
    assert_eq!(greedy.choose(&logits, Some(&allowed)).token, 64);
    assert_eq!(greedy.choose(&logits, Some(&allowed[..1])).token, 3);
    for options in [
        SamplingOptions { temperature: 2.0, ..Default::default() },
        SamplingOptions { temperature: 2.0, top_p: 0.9, min_p: 0.01, ..Default::default() },
        SamplingOptions { top_k: 3, logit_bias: vec![(69, 100.0), (1, 60.0)], ..Default::default() },
    ] {
        let mut sampler = sampler(options);
        for _ in 0..200 {
            assert!(fits(sampler.choose(&logits, Some(&allowed)).token));
        }
    }
}

#[test]
fn the_likeliest_is_the_first_of_the_largest() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for length in [1, 15, 16, 1023, 1024, 1025, 5000] {
        for bound in [2, 1000, u32::MAX] {
            let logits: Vec<f32> = (0..length).map(|_| (random.next_u32() % bound) as f32 - 5e8).collect();
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let first = logits.iter().position(|logit| *logit == most).unwrap();
            assert_eq!(likeliest(&logits) as usize, first, "{length} of {bound}");
        }
    }
    assert_eq!(likeliest(&[f32::NEG_INFINITY; 3]), 0);
    assert_eq!(likeliest(&[f32::NAN, 1.0, f32::NAN, 2.0]), 3);
}

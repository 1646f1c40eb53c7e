//! What was measured.

use crate::candidate::{Answer, Job, OURS, SHARP};
use std::time::Duration;

/// What a fresh process saw.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fresh {
    /// Of the process that made a JPEG.
    pub(crate) process: Option<Answer>,
    /// SSIMULACRA2 of the JPEG and of the WebP.
    pub(crate) looks: [Option<f64>; 2],
}

/// What the quickest of all rounds took, and what it made; `None` where a candidate cannot.
#[derive(Clone, Copy, Default)]
struct Quickest([Option<Answer>; 3]);

pub(crate) struct Figures {
    /// By picture, then by candidate.
    fresh: Vec<Vec<Fresh>>,
    quickest: Vec<Vec<Quickest>>,
}

impl Figures {
    pub(crate) fn new(candidates: usize, pictures: usize) -> Self {
        Self {
            fresh: vec![vec![Fresh::default(); candidates]; pictures],
            quickest: vec![vec![Quickest::default(); candidates]; pictures],
        }
    }

    pub(crate) fn of_picture(&mut self, picture: usize) -> &mut [Fresh] {
        &mut self.fresh[picture]
    }

    pub(crate) fn seen(&mut self, candidate: usize, picture: usize, job: Job, answer: Option<Answer>) {
        let best = &mut self.quickest[picture][candidate].0[job as usize];
        if best.is_none_or(|best| answer.is_some_and(|answer| answer.job < best.job)) {
            *best = answer;
        }
    }

    pub(crate) fn answer(&self, candidate: usize, picture: usize, job: Job) -> Option<Answer> {
        self.quickest[picture][candidate].0[job as usize]
    }

    /// How many times as many thumbnails ours makes in a second of CPU as `peer`, of those `pictures` that both can.
    pub(crate) fn ratio(&self, peer: usize, pictures: &[usize], job: Job) -> Option<f64> {
        let both = pictures.iter().filter_map(|&picture| {
            Some((self.answer(OURS, picture, job)?.job, self.answer(peer, picture, job)?.job))
        });
        let sums =
            both.fold((Duration::ZERO, Duration::ZERO), |sums, both| (sums.0 + both.0, sums.1 + both.1));
        (!sums.0.is_zero()).then(|| sums.1.as_secs_f64() / sums.0.as_secs_f64())
    }

    /// CPU time of all of them.
    pub(crate) fn cpu(&self, candidate: usize, pictures: &[usize], job: Job) -> Option<Duration> {
        pictures.iter().map(|&picture| self.answer(candidate, picture, job).map(|answer| answer.job)).sum()
    }

    pub(crate) fn bytes(&self, candidate: usize, pictures: &[usize], job: Job) -> Option<u64> {
        pictures.iter().map(|&picture| self.answer(candidate, picture, job).map(|answer| answer.bytes)).sum()
    }

    /// The peak of a fresh process, in kilobytes; of several pictures, the mean.
    pub(crate) fn peak(&self, candidate: usize, pictures: &[usize]) -> Option<f64> {
        mean(pictures.iter().map(|&picture| {
            self.fresh[picture][candidate].process.map(|process| process.peak_kilobytes as f64)
        }))
    }

    /// The largest share of sharp's peak.
    pub(crate) fn worst_share_of_memory(&self, pictures: &[usize]) -> Option<f64> {
        let share = |&picture: &usize| Some(self.peak(OURS, &[picture])? / self.peak(SHARP, &[picture])?);
        pictures.iter().filter_map(share).max_by(f64::total_cmp)
    }

    /// CPU time from the start of the process to the first thumbnail.
    pub(crate) fn cold(&self, candidate: usize, picture: usize) -> Option<Duration> {
        self.fresh[picture][candidate].process.map(|process| process.process)
    }

    /// Of several pictures, the mean.
    pub(crate) fn looks(&self, candidate: usize, pictures: &[usize], job: Job) -> Option<f64> {
        mean(pictures.iter().map(|&picture| self.fresh[picture][candidate].looks[job as usize]))
    }
}

/// Of what is known of all.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values = values.collect::<Option<Vec<_>>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

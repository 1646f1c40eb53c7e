//! What is to be reached.

use crate::candidate::{Job, LIBVIPS, NAMES, OURS, PILLOW, SHARP};
use crate::corpus::{Picture, classes};
use crate::figures::Figures;

pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) bound: Bound,
    /// `None`: nothing to measure it by was among the pictures.
    pub(crate) seen: Option<f64>,
    pub(crate) unit: &'static str,
}

#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    pub(crate) fn holds(&self) -> Option<bool> {
        self.seen.map(|seen| match self.bound {
            Bound::AtLeast(least) => seen >= least,
            Bound::AtMost(most) => seen <= most,
        })
    }
}

/// A class by the beginning of its name, and how many times as quick as sharp ours is to be.
const CLASSES: [(&str, f64); 6] = [
    ("JPEG baseline", 1.8),
    ("JPEG progressive", 10.0),
    ("JPEG ≤ 2.5 MP", 1.8),
    ("WebP lossy", 1.4),
    ("PNG", 1.15),
    ("AVIF", 2.0),
];
/// A class, what of the names to take, and the share of sharp's memory.
const MEMORY: [(&str, &str, f64); 3] =
    [("JPEG baseline", "12mp", 0.15), ("PNG", "", 0.25), ("WebP lossless", "", 0.45)];
const LEAST_LOOKS: f64 = -0.5;

pub(crate) fn all(figures: &Figures, pictures: &[Picture], function_bytes: u64) -> Vec<Goal> {
    let mut goals = speed(figures, pictures);
    for (class, name, share) in MEMORY {
        let some = some(pictures, |picture| picture.class.starts_with(class) && picture.name.contains(name));
        let what = format!("peak memory, {class} {name}, share of sharp's, worst picture").replace("  ", " ");
        let seen = figures.worst_share_of_memory(&some);
        goals.push(Goal { what: what.replace(" ,", ","), bound: Bound::AtMost(share), seen, unit: "" });
    }
    goals.extend([Job::Jpeg, Job::WebP].into_iter().flat_map(|job| looks(figures, pictures, job)));
    let twelve = some(pictures, |picture| picture.name.contains("12mp.jpg"));
    let cold = twelve.iter().filter_map(|&picture| figures.cold(OURS, picture));
    goals.push(Goal {
        what: "cold: CPU from process start to the first thumbnail, JPEG 12 MP, slowest".to_owned(),
        bound: Bound::AtMost(40.0),
        seen: cold.max().map(|cold| cold.as_secs_f64() * 1e3),
        unit: " ms",
    });
    goals.push(Goal {
        what: "binary of the function, as `sam build` makes it".to_owned(),
        bound: Bound::AtMost(8.0),
        seen: Some(function_bytes as f64 / 1e6),
        unit: " MB",
    });
    goals
}

fn speed(figures: &Figures, pictures: &[Picture]) -> Vec<Goal> {
    let all = some(pictures, |_| true);
    let goal = |what: String, least: f64, seen: Option<f64>| Goal {
        what,
        bound: Bound::AtLeast(least),
        seen,
        unit: " ×",
    };
    let mut goals = Vec::new();
    for job in [Job::Jpeg, Job::WebP] {
        for (peer, least) in [(SHARP, 2.5), (PILLOW, 3.0)] {
            let what = format!("all pictures, {} out, against {}", job.output(), NAMES[peer]);
            goals.push(goal(what, least, figures.ratio(peer, &all, job)));
        }
    }
    for (class, least) in CLASSES {
        let of_class = some(pictures, |picture| picture.class.starts_with(class));
        let what = format!("{class}, jpeg out, against sharp");
        goals.push(goal(what, least, figures.ratio(SHARP, &of_class, Job::Jpeg)));
    }
    for job in [Job::Jpeg, Job::WebP] {
        let worst = all.iter().filter_map(|&picture| Some((picture, figures.ratio(SHARP, &[picture], job)?)));
        let worst = worst.min_by(|a, b| a.1.total_cmp(&b.1));
        let name = worst.map_or("", |(picture, _)| &pictures[picture].name);
        let what = format!("the slowest picture, {} out, against sharp: {name}", job.output());
        goals.push(goal(what, 1.0, worst.map(|(_, ratio)| ratio)));
    }
    let three = figures.ratio(SHARP, &all, Job::ThreeSizes);
    goals.push(goal("three sizes at once, webp out, against sharp".to_owned(), 2.0, three));
    goals
}

fn looks(figures: &Figures, pictures: &[Picture], job: Job) -> Vec<Goal> {
    let better =
        |peer: usize, some: &[usize]| Some(figures.looks(OURS, some, job)? - figures.looks(peer, some, job)?);
    let worst = (0..pictures.len()).filter_map(|picture| Some((picture, better(SHARP, &[picture])?)));
    let worst = worst.min_by(|a, b| a.1.total_cmp(&b.1));
    let name = worst.map_or("", |(picture, _)| &pictures[picture].name);
    let mut goals = vec![Goal {
        what: format!("SSIMULACRA2, {} out: worst picture less sharp's: {name}", job.output()),
        bound: Bound::AtLeast(LEAST_LOOKS),
        seen: worst.map(|(_, difference)| difference),
        unit: "",
    }];
    for peer in [SHARP, LIBVIPS, PILLOW] {
        let of_class = |class: &str| some(pictures, |picture| picture.class == class);
        let means =
            classes(pictures).into_iter().filter_map(|class| Some((class, better(peer, &of_class(class))?)));
        let worst = means.min_by(|a, b| a.1.total_cmp(&b.1));
        let name = worst.map_or("", |(class, _)| class);
        let output = job.output();
        goals.push(Goal {
            what: format!("SSIMULACRA2, {output} out: worst class' mean less {}'s: {name}", NAMES[peer]),
            bound: Bound::AtLeast(0.0),
            seen: worst.map(|(_, difference)| difference),
            unit: "",
        });
    }
    goals
}

pub(crate) fn some(pictures: &[Picture], which: impl Fn(&Picture) -> bool) -> Vec<usize> {
    (0..pictures.len()).filter(|&picture| which(&pictures[picture])).collect()
}

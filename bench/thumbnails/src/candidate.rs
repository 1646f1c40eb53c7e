//! A process that makes thumbnails. It is asked by a line: output, sizes, picture, directory for what it makes (or
//! nothing), separated by tabs; and it answers by a line: nanoseconds of CPU for the job, nanoseconds of CPU since the
//! process began, its peak of kilobytes in memory, bytes of the thumbnails; or `error` and why.

use crate::PEERS;
use std::io::{BufRead, BufReader, Error, Result, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Pixels on the long side of a single thumbnail.
pub(crate) const SIZE: u32 = 320;

/// What a candidate makes of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Jpeg,
    WebP,
    /// As the system makes them: in WebP.
    ThreeSizes,
}

impl Job {
    pub(crate) const ALL: [Self; 3] = [Self::Jpeg, Self::WebP, Self::ThreeSizes];

    fn sizes(self) -> String {
        match self {
            Self::Jpeg | Self::WebP => SIZE.to_string(),
            Self::ThreeSizes => "160,480,1280".to_owned(),
        }
    }

    pub(crate) fn output(self) -> &'static str {
        if self == Self::Jpeg { "jpeg" } else { "webp" }
    }

    pub(crate) fn extension(self) -> &'static str {
        if self == Self::Jpeg { "jpg" } else { "webp" }
    }
}

pub(crate) const NAMES: [&str; 4] = ["ours", "sharp", "Pillow", "libvips"];
pub(crate) const OURS: usize = 0;
pub(crate) const SHARP: usize = 1;
pub(crate) const PILLOW: usize = 2;
pub(crate) const LIBVIPS: usize = 3;

pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    program: PathBuf,
    arguments: Vec<PathBuf>,
}

impl Candidate {
    /// By their places.
    pub(crate) fn all(ours: PathBuf, directory: &Path) -> Vec<Self> {
        let peer = |file: &str| Path::new(PEERS).join(file);
        let python = directory.join("venv/bin/python");
        vec![
            Self { name: NAMES[OURS], program: ours, arguments: Vec::new() },
            Self {
                name: NAMES[SHARP],
                program: "node".into(),
                arguments: vec![peer("sharp.mjs"), directory.to_owned()],
            },
            Self { name: NAMES[PILLOW], program: python.clone(), arguments: vec![peer("pillow.py")] },
            Self { name: NAMES[LIBVIPS], program: python, arguments: vec![peer("libvips.py")] },
        ]
    }

    /// Whether it takes part: three sizes are between sharp and ours.
    pub(crate) fn does(&self, job: Job) -> bool {
        job != Job::ThreeSizes || [NAMES[OURS], NAMES[SHARP]].contains(&self.name)
    }

    pub(crate) fn start(&self) -> Result<Running> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env("UV_THREADPOOL_SIZE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::other("a process without pipes"));
        };
        Ok(Running { name: self.name, child, input: Some(input), output: BufReader::new(output) })
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) job: Duration,
    pub(crate) process: Duration,
    pub(crate) peak_kilobytes: u64,
    pub(crate) bytes: u64,
}

pub(crate) struct Running {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// `None`: it cannot do that.
    pub(crate) fn ask(&mut self, job: Job, picture: &Path, into: Option<&Path>) -> Result<Option<Answer>> {
        let into = into.unwrap_or(Path::new("")).display();
        if let Some(input) = &mut self.input {
            writeln!(input, "{}\t{}\t{}\t{into}", job.output(), job.sizes(), picture.display())?;
        }
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let fields: Vec<&str> = line.trim_end().split('\t').collect();
        if let ["error", why] = fields[..] {
            eprintln!("{}: {}: {why}", self.name, picture.display());
            return Ok(None);
        }
        let numbers: Vec<u64> = fields.iter().filter_map(|field| field.parse().ok()).collect();
        let [job, process, peak_kilobytes, bytes] = numbers[..] else {
            return Err(Error::other(format!("{} answered {line:?}", self.name)));
        };
        let (job, process) = (Duration::from_nanos(job), Duration::from_nanos(process));
        Ok(Some(Answer { job, process, peak_kilobytes, bytes }))
    }
}

impl Drop for Running {
    /// Without input, it ends.
    fn drop(&mut self) {
        self.input.take();
        // There is nobody left to tell of a child that cannot be waited for.
        let _gone = self.child.wait();
    }
}

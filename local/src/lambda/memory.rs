//! How much memory a process has. Lambda ends an environment that has more than its function's `MemorySize`.

/// Processes that are looked at, in all: who starts more is told from what these have.
#[cfg(target_os = "linux")]
const MOST_PROCESSES: usize = 64;

/// Bytes that process `pid` has for itself, with the processes that it started. Pages of files do not count: the system
/// takes them back when it must. `None` when the process has ended, or where the system does not tell: there nothing is
/// enforced.
#[cfg(target_os = "linux")]
pub(super) fn used(pid: u32) -> Option<u64> {
    let first = used_alone(pid)?;
    let mut bytes = first;
    let mut processes = started_by(pid, first);
    for _ in 0..MOST_PROCESSES {
        let Some((child, parents)) = processes.pop() else { break };
        // One that has ended meanwhile has nothing.
        let alone = used_alone(child).unwrap_or(0);
        // A fork has its parent's pages, not as many again, until another program takes its place.
        bytes += if is_fork(child) { alone.saturating_sub(parents) } else { alone };
        processes.extend(started_by(child, alone));
    }
    Some(bytes)
}

#[cfg(target_os = "linux")]
fn used_alone(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some((kilobytes("RssAnon")? + kilobytes("RssShmem")?) * 1024)
}

/// Whether a process still is the program of who started it: each is for a moment, and some stay so.
#[cfg(target_os = "linux")]
fn is_fork(pid: u32) -> bool {
    /// `PF_FORKNOEXEC` in Linux' `sched.h`.
    const FORKED_AND_NOT_EXECUTED: u64 = 0x40;
    let flags = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| {
        // Behind the name, which may itself hold anything: state, parent, group, session, terminal, its group, flags.
        let (_, fields) = stat.rsplit_once(')')?;
        fields.split_whitespace().nth(6)?.parse::<u64>().ok()
    });
    flags.is_some_and(|flags| flags & FORKED_AND_NOT_EXECUTED != 0)
}

/// The children of process `pid`, each with the `bytes` that this one has.
#[cfg(target_os = "linux")]
fn started_by(pid: u32, bytes: u64) -> Vec<(u32, u64)> {
    children(pid).into_iter().map(|child| (child, bytes)).collect()
}

/// What the threads of a process started.
#[cfg(target_os = "linux")]
fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split(' ').filter_map(|pid| pid.trim().parse().ok()).collect::<Vec<_>>())
        .collect()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn used(_: u32) -> Option<u64> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, ChildStdout, Command, Stdio};

    /// In a shell: holds twice this much, since some kernels are some pages wrong for each processor.
    const HOLD: &str = "held=$(head -c 16000000 /dev/zero | tr '\\0' x)";
    const HELD: u64 = 8_000_000;

    /// A shell that says when it is where it should be, and goes on when told. What else runs in this process, other tests
    /// above all, has no part in what it has.
    struct Shell {
        process: Child,
        says: BufReader<ChildStdout>,
    }

    impl Shell {
        fn new(script: &str) -> Self {
            let mut process = Command::new("sh")
                .args(["-c", script])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let says = BufReader::new(process.stdout.take().unwrap());
            Self { process, says }
        }

        /// Waits until it is ready: what it has then alone, and with what it started.
        fn ready(&mut self) -> (u64, u64) {
            let mut line = String::new();
            self.says.read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
            (used_alone(self.process.id()).unwrap(), used(self.process.id()).unwrap())
        }

        fn go_on(&mut self) {
            self.process.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        }

        fn end(mut self) {
            drop(self.process.stdin.take());
            self.process.wait().unwrap();
        }
    }

    #[test]
    fn what_a_process_writes_to_is_its_own() {
        let mut shell = Shell::new(&format!("echo ready; read -r _; {HOLD}; echo ready; read -r _"));
        let (_, before) = shell.ready();
        shell.go_on();
        let (_, after) = shell.ready();
        shell.end();
        assert!(after >= before + HELD, "{before} {after}");
        assert_eq!(used(u32::MAX), None);
    }

    #[test]
    fn what_a_process_started_counts_too() {
        let mut shell =
            Shell::new(&format!("sh -c \"{}; echo ready; read -r _\"; true", HOLD.replace('$', "\\$")));
        let (alone, all) = shell.ready();
        shell.end();
        assert!(all >= alone + HELD, "{alone} {all}");
    }

    #[test]
    fn what_a_fork_shares_with_its_parent_counts_once() {
        let mut shell = Shell::new(&format!("{HOLD}; (echo ready; read -r _; true); true"));
        let (alone, all) = shell.ready();
        shell.end();
        assert!(alone >= HELD, "{alone}");
        assert!(all < alone + HELD, "{alone} {all}");
    }
}

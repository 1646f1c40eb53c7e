//! How much memory a process has. Lambda ends an environment that has more than its function's `MemorySize`.

/// Processes that are looked at, in all: who starts more is told from what these have.
#[cfg(target_os = "linux")]
const MOST_PROCESSES: usize = 64;

/// Bytes that process `pid` has for itself, with the processes that it started. Pages of files do not count: the system
/// takes them back when it must. `None` when the process has ended, or where the system does not tell: there nothing is
/// enforced.
#[cfg(target_os = "linux")]
pub(super) fn used(pid: u32) -> Option<u64> {
    let mut bytes = used_alone(pid)?;
    let mut processes = children(pid);
    for _ in 0..MOST_PROCESSES {
        let Some(child) = processes.pop() else { break };
        // One that has ended meanwhile has nothing.
        bytes += used_alone(child).unwrap_or(0);
        processes.extend(children(child));
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn what_a_process_writes_to_is_its_own() {
        let before = used(std::process::id()).unwrap();
        let block = std::hint::black_box(vec![1_u8; 64 * 1024 * 1024]);
        let after = used(std::process::id()).unwrap();
        assert!(after >= before + block.len() as u64 / 2, "{before} {after}");
        assert_eq!(used(u32::MAX), None);
    }

    #[test]
    fn what_a_process_started_counts_too() {
        // A shell within a shell that holds four megabytes, until its input ends.
        let holds = "held=$(head -c 4000000 /dev/zero | tr '\\0' x); echo ready; read -r _";
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c \"$0\"; true", holds])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (alone, all) = (used_alone(shell.id()).unwrap(), used(shell.id()).unwrap());
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert_eq!(line, "ready\n");
        assert!(all >= alone + 4_000_000, "{alone} {all}");
    }
}

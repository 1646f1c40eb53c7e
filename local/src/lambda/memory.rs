//! How much memory a process has. Lambda ends an environment that has more than its function's `MemorySize`.

/// Bytes that process `pid` has for itself. Pages of files do not count: the system takes them back when it must.
/// `None` when the process has ended, or where the system does not tell: there nothing is enforced.
#[cfg(target_os = "linux")]
pub(super) fn used(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some((kilobytes("RssAnon")? + kilobytes("RssShmem")?) * 1024)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn used(_: u32) -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_writes_to_is_its_own() {
        let before = used(std::process::id()).unwrap();
        let block = std::hint::black_box(vec![1_u8; 64 * 1024 * 1024]);
        let after = used(std::process::id()).unwrap();
        assert!(after >= before + block.len() as u64 / 2, "{before} {after}");
        assert_eq!(used(u32::MAX), None);
    }
}

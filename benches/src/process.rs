//! What a process has used so far, as Linux counts it.

use std::fs;
use std::time::Duration;

/// Length of the kernel's unit of processor time in /proc/PID/stat: `USER_HZ` is 100 on every architecture we run on.
const TICK: Duration = Duration::from_millis(10);

/// The processor time of a process: of its threads, to the nanosecond, or, if threads have ended, of all of them to the tick.
pub fn processor_time(pid: u32) -> Duration {
    let of_thread = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
    };
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let running = Duration::from_nanos(threads.map(|thread| of_thread(thread.unwrap())).sum());
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = |field: usize| fields.split(' ').nth(field).unwrap().parse::<u32>().unwrap();
    running.max(TICK * (ticks(11) + ticks(12)))
}

/// The most memory it has held, in KiB.
pub fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// The load average of the machine over one, five and fifteen minutes.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

//! What a process uses of the machine, as the kernel says (proc_pid_stat(5)).

use std::fs;
use std::time::Duration;

use rsgi_core::metrics::Usage;
use rustix::param::{clock_ticks_per_second, page_size};

/// What a process uses; none where it is gone or hidden.
#[must_use]
pub fn of(pid: u32) -> Option<Usage> {
    parse(
        &fs::read(format!("/proc/{pid}/stat")).ok()?,
        clock_ticks_per_second(),
        page_size() as u64,
    )
}

/// Reads words 14, 15 and 24 of a stat file. The second is a name in parentheses, with anything in it.
fn parse(stat: &[u8], ticks: u64, page: u64) -> Option<Usage> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |word: usize| words.get(word - 3)?.parse::<u64>().ok();
    let cpu = number(14)?.saturating_add(number(15)?);
    Some(Usage {
        resident: number(24)?.saturating_mul(page),
        cpu: Duration::from_millis(cpu.saturating_mul(1000) / ticks.max(1)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_counted_behind_the_name() {
        let stat = b"7 (a) Z (b) S 4 5 6 7 8 9 10 11 12 13 150 25 16 17 18 19 20 21 22 23 3 25";
        let usage = parse(stat, 100, 4096).unwrap();
        assert_eq!(usage.cpu, Duration::from_millis(1750));
        assert_eq!(usage.resident, 3 * 4096);
        assert!(parse(b"7 (a) S 1 2", 100, 4096).is_none());
        assert!(parse(b"", 100, 4096).is_none());
    }

    #[test]
    fn this_process_uses_memory_and_one_that_is_gone_nothing() {
        assert!(of(std::process::id()).unwrap().resident > 100_000);
        assert_eq!(of(u32::MAX), None);
    }
}

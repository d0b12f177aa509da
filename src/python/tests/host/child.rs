//! Child processes: which Pythons there are, and running one group of cases in each.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::scratch_folder;
use rsgi_bridge::locate::{NEWEST_MINOR, OLDEST_MINOR, locate};

const ORDER: &str = "RSGI_TEST_CHILD";
/// What the test program says of its one test.
const HAS_PASSED: &str = "1 passed";
/// What the slowest group may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// The homes to be tested: those asked for, or the system's (an empty path) and pyenv's.
pub(crate) fn pythons() -> Vec<PathBuf> {
    if let Some(list) = std::env::var_os("RSGI_TEST_PYTHONS") {
        return std::env::split_paths(&list).collect();
    }
    let mut homes = vec![PathBuf::new()];
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let versions = home.unwrap_or_default().join(".pyenv/versions");
    let mut others: Vec<PathBuf> = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    others.sort();
    homes.extend(others);
    homes.retain(|home| {
        let found = locate(Some(home.as_path()).filter(|home| !home.as_os_str().is_empty()));
        found.is_ok_and(|found| (OLDEST_MINOR..=NEWEST_MINOR).contains(&found.minor))
    });
    if homes.is_empty() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: no Python with a shared library"
        );
    }
    homes
}

/// What this process is to do, if it is a child.
pub(crate) fn order() -> Option<(PathBuf, String)> {
    let order = std::env::var(ORDER).ok()?;
    let (group, home) = order.split_once(' ')?;
    Some((PathBuf::from(home), group.to_owned()))
}

/// Ends a child whose threads cannot be waited for, well if there is no complaint.
pub(crate) fn end(complaint: &str) -> ! {
    let text = if complaint.is_empty() {
        HAS_PASSED
    } else {
        complaint
    };
    let _ = writeln!(std::io::stderr(), "{text}");
    let _ = std::fs::remove_dir_all(scratch_folder());
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(i32::from(!complaint.is_empty())) }
}

/// Runs a group of cases in a child; an error has what it printed.
pub(crate) fn run(home: &Path, group: &str) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = std::env::temp_dir().join(format!(
        "rsgi-layer-{}-{group}-{}.out",
        std::process::id(),
        home.file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
    ));
    let file = std::fs::File::create(&output).map_err(|error| error.to_string())?;
    let both = file.try_clone().map_err(|error| error.to_string())?;
    let mut child = Command::new(own)
        .args([
            "--exact",
            "child_process",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ORDER, format!("{group} {}", home.display()))
        .env_remove("PYTHONHOME")
        .env_remove("PYTHONPATH")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(both)
        .spawn()
        .map_err(|error| error.to_string())?;
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.to_string() + if status.success() { "" } else { "!" },
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break "it did not end!".to_owned();
            }
        }
    };
    let text = std::fs::read_to_string(&output).unwrap_or_default();
    let _ = std::fs::remove_file(&output);
    let has_run = text.contains(HAS_PASSED);
    if status.ends_with('!') || !has_run {
        // Not as the words of this program: ci/tests.sh counts those that say how many tests begin and end.
        let text = text.replace('\n', "\n    ");
        return Err(format!(
            "{group} in '{}': {status}\n    {text}",
            home.display()
        ));
    }
    Ok(())
}

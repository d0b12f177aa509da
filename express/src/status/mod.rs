//! `status`: what a running server does, once or as a live screen.

mod access;
mod ask;
mod screen;
mod table;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

pub(crate) use access::Access;

use crate::cli::StatusArgs;
use crate::error::Error;
use crate::message::{self, Paint};
use crate::settings::default_server_root;
use screen::Screen;
use table::Sample;

/// The time between the two looks that a rate needs.
const RATE: Duration = Duration::from_millis(500);

/// Prints the status, again and again where that is asked for.
///
/// # Errors
/// There is no such server, or it does not answer.
pub(crate) fn run(args: &StatusArgs) -> Result<(), Error> {
    let root = args.server_root.clone().unwrap_or_else(|| {
        let host = args.host.as_deref();
        default_server_root(host.map(|host| host.trim_matches(['[', ']'])), args.port)
    });
    let interval = Duration::from_secs_f64(args.interval);
    if args.watch {
        return watch(&root, args.json, interval);
    }
    let access = Access::read(&root)?;
    let first = Sample::take(&access)?;
    if args.json {
        message::output(&first.json());
        return Ok(());
    }
    std::thread::sleep(RATE);
    let second = Sample::take(&access)?;
    message::output(&second.text(Some(&first), &access, Paint::of_stdout()));
    Ok(())
}

/// Looks until a signal says that it is enough. A server that restarts is waited for.
fn watch(root: &Path, is_json: bool, interval: Duration) -> Result<(), Error> {
    let is_over = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_over))
            .map_err(Error::system("receive signals"))?;
    }
    // The first look says whether there is a server at all.
    let mut access = Access::read(root)?;
    let mut before = Some(Sample::take(&access)?);
    let mut screen = Screen::open(is_json);
    while !is_over.load(Ordering::Relaxed) {
        match Sample::take(&access) {
            Ok(sample) => {
                let text = if is_json {
                    sample.line()
                } else {
                    sample.text(before.as_ref(), &access, Paint::of_stdout())
                };
                screen.show(&text);
                before = Some(sample);
            }
            Err(error) => {
                screen.show(&format!("{error}"));
                before = None;
                // A new start has a new secret.
                access = Access::read(root).unwrap_or(access);
            }
        }
        let next = Instant::now() + interval;
        while Instant::now() < next && !is_over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50).min(interval));
        }
    }
    Ok(())
}

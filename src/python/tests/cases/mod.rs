//! The cases, in groups; those of a group share a process.

mod ask;
mod daemon;
mod environ;
mod failure;
mod groups;
mod input;
mod interrupt;
mod log;
mod memory;
mod module;
mod response;
mod script;
mod serve;
mod stop;
mod stress;
mod threads;
mod turns;

use std::path::Path;

/// Runs one group in this process.
pub(crate) fn run(home: &Path, group: &str) {
    match group {
        "response" => response::run(home),
        "ask" => ask::run(home),
        "daemon" => daemon::run(home),
        "kept" => environ::run_kept(home),
        "environ" => environ::run(home),
        "service" => daemon::run_service(home),
        "interrupt" => interrupt::run(home),
        "serve" => serve::run(home),
        "failure" => failure::run(home),
        "input" => input::run(home),
        "log" => log::run(home),
        "script" => script::run(home),
        "module" => module::run(home),
        "groups" => groups::run(home),
        "memory" => memory::run(home),
        "threads" => threads::run(home),
        "turns" => turns::run(home),
        "stop" => stop::run(home, 0),
        "stop_own_thread" => stop::run(home, rsgi_bridge::abi::START_MAIN_THREAD),
        "stuck" => stop::run_stuck(home),
        "stress" => stress::run(home),
        "stress_cut" => stress::run_cut(home),
        "stress_crash" => stress::run_crash(home),
        other => panic!("there is no group {other}"),
    }
}

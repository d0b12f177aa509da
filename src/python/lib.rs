//! The Python layer of mod_rsgi: everything that knows CPython, behind the C ABI of `rsgi_bridge::abi`.
//!
//! `entry` is the table that the host looks up; `start` starts and stops Python; `interpreter` attaches threads to
//! application groups; `kit` and `setup` make an interpreter look as mod_wsgi's do, each by its `settings`; `loader`,
//! `environ`, with the `shapes` that requests have in common, and `handler` run a request, whose state is an `exchange`;
//! `serve` makes a thread of the host a worker, `worker` knows what each is doing, `stacks` tells where all threads are,
//! `service` runs a process without workers; `types` are the Python-visible types; `question` asks scripts outside of a
//! response; `events` tells applications what happens, `tracked` has the data of their requests, `watch` follows a request
//! for both and for `figures`, with a `meter`, and `telemetry` tells a service outside; `log_handler` is for `logging`;
//! `ending` is what an interpreter's threads are owed at its end; `capi` holds what PyO3 lacks.
//! No Python object is in a static: whatever is cached hangs off its interpreter (DESIGN.md §5).

mod capi;
mod ending;
mod entry;
mod environ;
mod events;
mod exchange;
mod figures;
mod gate;
mod handler;
mod interpreter;
mod kept;
mod kit;
mod line;
mod loader;
mod log_handler;
mod meter;
mod panics;
mod process;
mod question;
mod report;
mod respond;
mod scratch;
mod seat;
mod serve;
mod service;
mod settings;
mod setup;
mod shapes;
mod spares;
mod stacks;
mod start;
mod telemetry;
mod tracked;
mod types;
mod watch;
mod worker;

//! Runs a request's application in this Apache child.

use std::cell::Cell;

use rsgi_bridge::abi;
use rsgi_bridge::facts::{ConstantsBlock, FieldList, RequestFacts, TargetFacts, Tries};
use rsgi_bridge::host::Outcome;
use rsgi_bridge::layer::Layer;
use rsgi_core::environ::{self, Facts, Key, KnownSet, ServerFacts};
use rsgi_core::metrics::FailureCause;

use super::asked::{Asked, Collected, Where, flag};
use super::directives::ServerConfig;
use super::embedded;
use super::handler::Refusal;
use super::host::ApacheHost;
use super::tally::{Ended, Run};
use crate::apr::fault;
use crate::httpd::{Request, Verdict};

/// Longest body that is read before Python is entered, in bytes.
const READ_AHEAD: u64 = 64 * 1024;

pub(super) const NO_PYTHON: &str = "RSGI0210: Python is not running in this process: an earlier line of the main error log says why";

thread_local! {
    /// The memory of the last request's list, for the next one on the thread.
    static FIELDS: Cell<Option<FieldList<'static>>> = const { Cell::new(None) };
}

/// Runs it.
pub(super) fn run(asked: &Asked<'_>) -> Result<Verdict, Refusal> {
    let run = Run::here(asked.request);
    asked.note_place(b"");
    run.end(serve(asked))
}

fn serve(asked: &Asked<'_>) -> Result<Ended, Refusal> {
    fault("run");
    let layer = embedded::layer(asked.request.server())
        .ok_or_else(|| Refusal::failure(FailureCause::NoPython, 500, NO_PYTHON))?;
    let (constants, known) = constants(asked.request, asked.config);
    let place = Where {
        process_group: b"",
        server_pid: b"",
        constants: known,
    };
    asked.collect(place, |collected| {
        let (verdict, outcome) = enter(asked, collected, layer, constants)?;
        Ok((verdict, cause(outcome)))
    })
}

fn enter(
    asked: &Asked<'_>,
    collected: &Collected<'_>,
    layer: Layer,
    constants: &ConstantsBlock,
) -> Result<(Verdict, Outcome), Refusal> {
    let request = asked.request;
    let mut fields = FIELDS
        .take()
        .unwrap_or_else(|| FieldList::with_capacity(64))
        .recycle();
    fill(collected.facts, &mut fields);
    let target = TargetFacts {
        application_group: collected.application_group,
        script: asked.script.path,
        callable: collected.callable,
        resource: asked.resource(),
        mtime: asked.script.mtime,
        flags: asked.target_flags(),
    };
    let mut host = ApacheHost::new(request, asked.effective.enable_sendfile())
        .ok_or_else(Refusal::no_memory)?;
    let body = read_ahead(request, &mut host, asked.length);
    let is_whole = host.body_is_complete();
    let outcome = layer.handle(
        &RequestFacts {
            target,
            constants: Some(constants),
            fields: &fields,
            body: &body,
            flags: collected.request_flags() | flag(is_whole, abi::REQUEST_BODY_COMPLETE),
            request_start: request.start_time(),
            queue_start: 0,
            daemon_start: 0,
            tries: Tries::NONE,
            apache_request: asked.passed_request(),
        },
        &mut host,
    );
    FIELDS.set(Some(fields.recycle()));
    Ok((conclude(outcome, &mut host), outcome))
}

/// What has arrived of a short body, so that Python need not be left for it.
fn read_ahead(request: Request<'_>, host: &mut ApacheHost<'_>, length: Option<u64>) -> Vec<u8> {
    match length {
        Some(length @ 1..=READ_AHEAD) if !request.expects_continue() => {
            host.read_ahead(usize::try_from(length).unwrap_or(0))
        }
        _ => Vec::new(),
    }
}

pub(super) fn fill<'a>(facts: &Facts<'a>, fields: &mut FieldList<'a>) {
    fields.extend(facts.entries.iter().map(|fact| match fact.key {
        Key::Known(id) => (id, &[][..], fact.value),
        Key::Spelled(name) => (0, name, fact.value),
    }));
}

/// The environ entries that all requests of the server share, made at the first of them.
pub(super) fn constants<'r>(
    request: Request<'r>,
    config: &'r ServerConfig,
) -> (&'r ConstantsBlock, KnownSet) {
    let block = config.constants.get_or_init(|| {
        let pid = std::process::id().to_string();
        let mut facts = Facts::new();
        let server = ServerFacts {
            software: request.server_banner(),
            admin: request.server_admin(),
            process_group: Some(b""),
            pid: Some(pid.as_bytes()),
        };
        environ::collect_constants(&server, &mut facts);
        let mut fields = FieldList::with_capacity(8);
        fill(&facts, &mut fields);
        (ConstantsBlock::new(&fields), facts.known())
    });
    (&block.0, block.1)
}

/// What went wrong, for the counts of it.
fn cause(outcome: Outcome) -> Option<FailureCause> {
    match outcome {
        Outcome::Handled | Outcome::Status(_) | Outcome::Stale => None,
        Outcome::Gone => Some(FailureCause::ClientGone),
        Outcome::Truncated => Some(FailureCause::Truncated),
        Outcome::Panicked => Some(FailureCause::Panic),
    }
}

/// What httpd is told after the application ran.
fn conclude(outcome: Outcome, host: &mut ApacheHost<'_>) -> Verdict {
    match outcome {
        Outcome::Handled | Outcome::Gone => Verdict::Ok,
        Outcome::Status(status) if !host.is_committed() => Verdict::Status(status),
        // Nothing went out: httpd's error page is better than a connection that ends.
        Outcome::Truncated | Outcome::Panicked | Outcome::Stale if !host.is_committed() => {
            Verdict::Status(500)
        }
        Outcome::Truncated | Outcome::Panicked | Outcome::Stale | Outcome::Status(_) => {
            host.cut();
            Verdict::Ok
        }
    }
}

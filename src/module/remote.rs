//! Runs a request's application in a process of a group: takes the body in, sends the request, relays the answer.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rsgi_bridge::abi::level;
use rsgi_core::directive::Shown;
use rsgi_core::environ::{self, Facts, Key, KnownSet, ServerFacts};
use rsgi_core::metrics::FailureCause;
use rsgi_core::name::{NameId, id};
use rsgi_core::wire::{
    AbortReason, BodyPlan, Entries, IGNORE_ACTIVITY, RequestEncoder, RequestHead, push_entry,
    push_named,
};
use rsgi_daemon::client::{Ending, Exchange, Failure, GroupHandle, Inbox, Outgoing, relay};
use rsgi_daemon::supervisor::Chosen;

use super::asked::{Asked, Collected, Where, flag};
use super::directives::ServerConfig;
use super::front::{ApacheFront, Replaced};
use super::groups::Group;
use super::handler::{Refusal, log};
use super::intake::take_in;
use super::tally::{Ended, Run};
use super::{daemons, notes, ownership};
use crate::apr::fault;
use crate::httpd::{Request, Server, Verdict};

/// Memory of a thread's desk that is kept for the next request, in bytes.
const KEPT: usize = 256 * 1024;

/// What a thread needs for a request to a group, and keeps for the next one.
#[derive(Default)]
struct Desk {
    frame: Vec<u8>,
    body: Vec<u8>,
    inbox: Inbox,
}

thread_local! {
    static DESK: Cell<Option<Box<Desk>>> = const { Cell::new(None) };
}

/// Runs it.
pub(super) fn run(
    asked: &Asked<'_>,
    server: Server<'_>,
    group: &Group,
) -> Result<Verdict, Refusal> {
    let handle = daemons::group(server.main(), &group.definition.name).ok_or_else(|| {
        let line = format!(
            "RSGI0151: the process group {} has no processes: a line of the main error log at the last start says why",
            Shown::new(&group.definition.name)
        );
        Refusal::new(500, line)
    })?;
    let run = Run::elsewhere(asked.request, handle.tally());
    asked.note_place(&handle.name);
    run.end(serve(asked, group, &handle))
}

fn serve(asked: &Asked<'_>, group: &Group, handle: &Chosen<'_>) -> Result<Ended, Refusal> {
    if let Some(resolved) = group.resolved() {
        ownership::check(&resolved.accounts, asked.script.path)
            .map_err(|line| Refusal::new(403, line))?;
    }
    fault("run");
    let mut desk = DESK.take().unwrap_or_default();
    let answer = send(asked, handle, &mut desk);
    desk.frame.clear();
    desk.frame.shrink_to(KEPT);
    DESK.set(Some(desk));
    answer
}

fn send(asked: &Asked<'_>, group: &Chosen<'_>, desk: &mut Desk) -> Result<Ended, Refusal> {
    let (request, effective) = (asked.request, &asked.effective);
    let mut front = ApacheFront::new(
        request,
        effective.enable_sendfile(),
        effective.error_override(),
        group.options.header_buffer_size,
    )
    .ok_or_else(Refusal::no_memory)?;
    let taken = take_in(asked, &group.name, &mut front, &mut desk.body)?;
    let plan = taken.plan();
    encode(asked, group, plan, &mut desk.frame)?;
    let how = group.relay(plan == BodyPlan::Stream);
    if let Some(patience) = how.write_patience {
        front.limit_waits(patience);
    }
    let inline = match plan {
        BodyPlan::Inline(length) => &desk.body[..length],
        _ => &[],
    };
    let noted = notes::wanted(request);
    let mut exchange = |group: &GroupHandle| {
        let outgoing = Outgoing {
            frame: &mut desk.frame,
            inline,
            file: taken.file(),
        };
        let mut exchange = Exchange::start(group, outgoing, request.client_socket())?;
        let line = request.request_line().unwrap_or_default();
        let _running = group.note_running(exchange.slot(), line);
        // The clock is only looked at where the configuration names such a note.
        let began = noted.any().then(Instant::now);
        let result = relay(how, &mut exchange, &mut desk.inbox, &mut front);
        if let Some(began) = began {
            let queued = Some(exchange.waited());
            notes::course(
                request,
                noted,
                exchange.pid(),
                queued,
                Some(began.elapsed()),
            );
        }
        result
    };
    let result = match (exchange(group), group.otherwise()) {
        // Nothing of it was taken.
        (Err(Failure::NoProcess { .. }), Some(other)) => exchange(other),
        (result, _) => result,
    };
    let failure = cause(&result);
    let verdict = conclude(request, group, result, &mut front);
    Ok((verdict, failure))
}

/// Writes the request's frame.
fn encode(
    asked: &Asked<'_>,
    group: &GroupHandle,
    plan: BodyPlan,
    frame: &mut Vec<u8>,
) -> Result<(), Refusal> {
    static PID: OnceLock<String> = OnceLock::new();
    let (request, effective) = (asked.request, &asked.effective);
    let root = group.options.chroot.as_deref();
    let inside = |path| within(root, path).ok_or_else(|| outside(group, path));
    let (script, resource) = (inside(asked.script.path)?, inside(asked.resource())?);
    let (constants, known) = constants(request, asked.config);
    let place = Where {
        process_group: &group.name,
        server_pid: PID
            .get_or_init(|| std::process::id().to_string())
            .as_bytes(),
        constants: *known,
    };
    asked.collect(place, |collected: &Collected<'_>| {
        let head = RequestHead {
            application_group: collected.application_group,
            script,
            callable: collected.callable,
            resource,
            mtime: asked.script.mtime,
            target_flags: asked.target_flags(),
            request_flags: collected.request_flags()
                | flag(effective.ignore_activity(), IGNORE_ACTIVITY),
            request_start: request.start_time(),
            queue_start: now(),
            log_level: u8::try_from(request.log_level()).unwrap_or(15),
            constants: Entries::new(constants),
        };
        let mut encoder = RequestEncoder::new(frame, &head);
        for fact in &collected.facts.entries {
            match fact.key {
                Key::Known(id) => {
                    if let Some(value) = seen_from(root, id, fact.value) {
                        encoder.entry(id, value);
                    }
                }
                Key::Spelled(name) => encoder.named(name, fact.value),
            }
        }
        encoder
            .finish(plan)
            .map_err(|error| Refusal::new(400, format!("the request is too long: {error}")))
    })
}

/// A path as a process sees it whose root is another folder; none where it is not below it.
fn within<'p>(root: Option<&[u8]>, path: &'p [u8]) -> Option<&'p [u8]> {
    let root = root.map_or(&b""[..], |root| root.trim_ascii_end());
    let root = root.strip_suffix(b"/").unwrap_or(root);
    path.strip_prefix(root)
        .filter(|rest| rest.starts_with(b"/") || root.is_empty())
}

/// An entry's value as such a process sees it; none where there is no such path.
fn seen_from<'v>(root: Option<&[u8]>, id: NameId, value: &'v [u8]) -> Option<&'v [u8]> {
    match id {
        id::SCRIPT_FILENAME | id::DOCUMENT_ROOT if root.is_some() => within(root, value),
        _ => Some(value),
    }
}

fn outside(group: &GroupHandle, path: &[u8]) -> Refusal {
    Refusal::new(
        500,
        format!(
            "RSGI0081: the script {} is not inside of the chroot of the process group {}: put it there, or leave \
             `chroot=` out",
            Shown::new(path),
            Shown::new(&group.name)
        ),
    )
}

/// Microseconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0))
}

/// The entries that all requests of the server share, encoded at the first of them. All of Apache's children encode the
/// same, so that a process makes one dict of them: nothing in it is a child's own.
fn constants<'r>(request: Request<'r>, config: &'r ServerConfig) -> &'r (Vec<u8>, KnownSet) {
    config.remote_constants.get_or_init(|| {
        let mut facts = Facts::new();
        let server = ServerFacts {
            software: request.server_banner(),
            admin: request.server_admin(),
            process_group: None,
            pid: None,
        };
        environ::collect_constants(&server, &mut facts);
        let mut encoded = Vec::new();
        for fact in &facts.entries {
            match fact.key {
                Key::Known(id) => push_entry(&mut encoded, id, fact.value),
                Key::Spelled(name) => push_named(&mut encoded, name, fact.value),
            }
        }
        (encoded, facts.known())
    })
}

/// What went wrong, for the counts of it.
fn cause(result: &Result<Ending, Failure>) -> Option<FailureCause> {
    match result {
        Ok(Ending::ClientGone) => Some(FailureCause::ClientGone),
        Ok(Ending::Aborted(AbortReason::Panicked)) => Some(FailureCause::Panic),
        Ok(Ending::Aborted(AbortReason::Gone)) => Some(FailureCause::ClientGone),
        Ok(Ending::Aborted(_)) => Some(FailureCause::Truncated),
        Ok(Ending::Complete | Ending::Status(_)) => None,
        Err(failure) => Some(failure.cause()),
    }
}

/// What httpd is told after the process answered, or did not.
fn conclude(
    request: Request<'_>,
    group: &GroupHandle,
    result: Result<Ending, Failure>,
    front: &mut ApacheFront<'_>,
) -> Verdict {
    let status = match result {
        Ok(Ending::ClientGone) | Err(Failure::ClientGone) => {
            let group = group.name.escape_ascii();
            let line = format!(
                "the client went away before it had the response of the process group `{group}`"
            );
            log(request, level::DEBUG, &line);
            request.abandon();
            return Verdict::Ok;
        }
        Err(failure) if failure.is_of_client() => {
            log(request, level::INFO, &failure.text(&group.name));
            request.abandon();
            return Verdict::Ok;
        }
        Ok(Ending::Complete) => return replace(request, front.replaced.take()),
        Ok(Ending::Status(status)) => status,
        Ok(Ending::Aborted(_)) => 500,
        Err(failure) => {
            log(request, level::ERROR, &failure.text(&group.name));
            failure.status()
        }
    };
    if front.is_committed() {
        front.cut();
        return Verdict::Ok;
    }
    Verdict::Status(status)
}

/// Answers with what stands in place of the application's response, if anything does.
fn replace(request: Request<'_>, replaced: Option<Replaced>) -> Verdict {
    match replaced {
        None => Verdict::Ok,
        Some(Replaced::ErrorPage(status)) => Verdict::Status(status),
        Some(Replaced::Redirect(uri)) => {
            request.redirect_to(&uri);
            Verdict::Ok
        }
    }
}

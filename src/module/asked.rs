//! What is asked: a request that passed the checks, and the facts of it that both ways of running it need.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::NonNull;

use rsgi_bridge::abi;
use rsgi_core::environ::{self, CollectOptions, Facts, KnownSet};
use rsgi_core::group::{Case, GroupName};
use rsgi_core::options::Effective;

use super::directives::ServerConfig;
use super::dispatch::Dispatched;
use super::environ::View;
use super::notes;
use crate::httpd::Request;

/// The script that a request runs.
#[derive(Clone, Copy)]
pub(super) struct Script<'r> {
    pub(super) path: &'r [u8],
    pub(super) mtime: Option<i64>,
    /// The handler script, empty when the requested file is the script.
    pub(super) handler: &'r [u8],
}

/// A request that may run.
pub(super) struct Asked<'r> {
    pub(super) request: Request<'r>,
    pub(super) config: &'r ServerConfig,
    pub(super) effective: Effective<'r>,
    pub(super) script: Script<'r>,
    /// The declared length of its body.
    pub(super) length: Option<u64>,
    pub(super) view: View<'r>,
    pub(super) case: Case,
    /// What the dispatch script says of it.
    pub(super) dispatched: Dispatched,
}

/// Where it runs, and what its constants say already.
#[derive(Clone, Copy)]
pub(super) struct Where<'a> {
    pub(super) process_group: &'a [u8],
    pub(super) server_pid: &'a [u8],
    pub(super) constants: KnownSet,
}

/// The facts of a request.
pub(super) struct Collected<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) application_group: &'a [u8],
    pub(super) callable: &'a [u8],
}

thread_local! {
    /// The memory of the last request's facts, for the next one on the thread.
    static FACTS: Cell<Option<Facts<'static>>> = const { Cell::new(None) };
}

impl Asked<'_> {
    /// Collects the facts and gives them to `then`.
    pub(super) fn collect<R>(&self, place: Where<'_>, then: impl FnOnce(&Collected<'_>) -> R) -> R {
        let mut buffer = Vec::new();
        let application_group = self
            .application_group()
            .expand(&self.view, self.case, &mut buffer);
        let callable = match &self.dispatched.callable {
            Some(callable) => callable.expand(&self.view),
            None => self.effective.callable_object(&self.view),
        };
        let options = self.collect_options(place, application_group, callable);
        let mut facts = FACTS.take().unwrap_or_default().recycle();
        environ::collect(&self.view, &options, &mut facts);
        let result = then(&Collected {
            facts: &facts,
            application_group,
            callable,
        });
        FACTS.set(Some(facts.recycle()));
        result
    }

    /// Leaves notes of where the request runs, where the configuration wants them.
    pub(super) fn note_place(&self, process_group: &[u8]) {
        if !notes::wanted(self.request).any() {
            return;
        }
        let mut buffer = Vec::new();
        let name = self.application_group();
        let name = name.expand(&self.view, self.case, &mut buffer);
        notes::place(self.request, process_group, name);
    }

    /// The process group that the request names.
    pub(super) fn process_group(&self) -> &GroupName {
        let dispatched = self.dispatched.process_group.as_ref();
        dispatched.unwrap_or_else(|| self.effective.process_group())
    }

    fn application_group(&self) -> &GroupName {
        let dispatched = self.dispatched.application_group.as_ref();
        dispatched.unwrap_or_else(|| self.effective.application_group())
    }

    /// How its facts are collected.
    pub(super) fn collect_options<'a>(
        &'a self,
        place: Where<'a>,
        application_group: &'a [u8],
        callable: &'a [u8],
    ) -> CollectOptions<'a> {
        let (request, effective) = (self.request, &self.effective);
        CollectOptions {
            pass_authorization: effective.pass_authorization(),
            cgi_pass_auth: request.passes_credentials(),
            head_mapping: effective.map_head_to_get(),
            trust: effective.trust(),
            current_uri: request.uses_current_uri(),
            constants: place.constants,
            process_group: place.process_group,
            server_pid: place.server_pid,
            application_group,
            callable_object: callable,
            request_handler: request.handler_name().unwrap_or_default(),
            handler_script: self.script.handler,
        }
    }

    /// httpd's own structure, where the application is to have it.
    pub(super) fn passed_request(&self) -> Option<NonNull<c_void>> {
        let is_passed = self.effective.pass_apache_request();
        is_passed.then(|| self.request.address())
    }

    /// `TARGET_*` bits.
    pub(super) fn target_flags(&self) -> u32 {
        flag(self.effective.script_reloading(), abi::TARGET_RELOADING)
    }

    /// The path that `reload_required` is given.
    pub(super) fn resource(&self) -> &[u8] {
        self.request.filename().unwrap_or_default()
    }
}

impl Collected<'_> {
    /// `REQUEST_*` bits that the facts tell.
    pub(super) fn request_flags(&self) -> u32 {
        flag(self.facts.head, abi::REQUEST_HEAD) | flag(self.facts.https, abi::REQUEST_HTTPS)
    }
}

/// A bit, where it holds.
pub(super) const fn flag(holds: bool, bit: u32) -> u32 {
    if holds { bit } else { 0 }
}

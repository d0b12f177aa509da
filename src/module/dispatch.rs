//! The dispatch script: says for each request in which groups and by which callable it is answered. Asked in Apache's
//! children before a request goes anywhere.

use rsgi_bridge::abi;
use rsgi_bridge::ask::{Answer, Question};
use rsgi_bridge::facts::{FieldList, RequestFacts, TargetFacts, Tries};
use rsgi_core::environ::{self, Facts, Key};
use rsgi_core::group::{Callable, GroupName};
use rsgi_core::name::id;
use rsgi_core::options::AskedScript;

use super::access::ApacheAsker;
use super::asked::{Asked, Where, flag};
use super::embedded;
use super::handler::Refusal;
use super::local::{self, NO_PYTHON};

/// What the script says in place of the configuration.
#[derive(Debug, Default)]
pub(super) struct Dispatched {
    /// `process_group`
    pub(super) process_group: Option<GroupName>,
    /// `application_group`
    pub(super) application_group: Option<GroupName>,
    /// `callable_object`
    pub(super) callable: Option<Callable>,
}

/// Asks the script. One that cannot be loaded says nothing.
///
/// # Errors
/// A function of it raised, or said something that is no name; that has been logged.
pub(super) fn ask(asked: &Asked<'_>, script: &AskedScript) -> Result<Dispatched, Refusal> {
    let request = asked.request;
    let layer = embedded::layer(request.server()).ok_or_else(|| Refusal::new(500, NO_PYTHON))?;
    let mut buffer = Vec::new();
    let application_group = script
        .application_group
        .expand(&asked.view, asked.case, &mut buffer);
    let (constants, known) = local::constants(request, asked.config);
    let place = Where {
        process_group: b"",
        server_pid: b"",
        constants: known,
    };
    let options = asked.collect_options(place, application_group, b"");
    let mut facts = Facts::new();
    environ::collect(&asked.view, &options, &mut facts);
    let is_callable = |key| key == Key::Known(id::MOD_WSGI_CALLABLE_OBJECT);
    facts.entries.retain(|fact| !is_callable(fact.key));
    let mut fields = FieldList::with_capacity(facts.entries.len());
    local::fill(&facts, &mut fields);
    let mut asker = ApacheAsker::new(request);
    let facts = RequestFacts {
        target: TargetFacts {
            application_group,
            script: &script.script,
            flags: flag(asked.effective.script_reloading(), abi::TARGET_RELOADING),
            ..TargetFacts::default()
        },
        constants: Some(constants),
        fields: &fields,
        body: b"",
        flags: 0,
        request_start: request.start_time(),
        queue_start: 0,
        daemon_start: 0,
        tries: Tries::NONE,
        apache_request: asked.passed_request(),
    };
    match layer.ask(&facts, &Question::Dispatch, &mut asker) {
        Answer::Texts => Ok(Dispatched::read(&asker.texts)),
        Answer::NotLoaded => Ok(Dispatched::default()),
        _ => Err(Refusal::told(500)),
    }
}

impl Dispatched {
    fn read(texts: &[(u32, Vec<u8>)]) -> Self {
        let text = |wanted| {
            let found = texts.iter().find(|(index, _)| *index == wanted);
            found.map(|(_, text)| text.as_slice())
        };
        Self {
            process_group: text(0).map(GroupName::parse),
            application_group: text(1).map(GroupName::parse),
            callable: text(2).map(Callable::parse),
        }
    }
}

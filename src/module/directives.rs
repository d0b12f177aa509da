//! The directives: httpd's table of them, the configuration they fill, and how it is merged.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rsgi_bridge::facts::ConstantsBlock;
use rsgi_bridge::locate::Found;
use rsgi_core::alias::{Import, Pattern};
use rsgi_core::directive::{
    Arguments, Context, DIRECTIVES, Directive, Kind, Spec, check_content, parse,
};
use rsgi_core::environ::KnownSet;
use rsgi_core::notes::Notes;
use rsgi_core::options::{GlobalOptions, Mount, ServerOptions, Setting, Settings};
use rsgi_core::words::Words;
use rsgi_daemon::scoreboard::Tallies;

use super::daemons::Generation;
use super::groups::{Group, KnownGroups, Place, Placed};
use super::{Options, Rsgi};
use crate::httpd::{Command, CommandContext, Regex, Scope, Slot};

/// How many directives there are.
pub(crate) const COUNT: usize = DIRECTIVES.len();

/// The directives, as httpd's table wants them.
pub(crate) const COMMANDS: [Command; COUNT] = commands();

const fn commands() -> [Command; COUNT] {
    let mut commands = [Command {
        name: c"",
        scope: Scope::Global,
        help: c"",
    }; COUNT];
    let mut at = 0;
    while at < COUNT {
        let spec: &Spec = &DIRECTIVES[at];
        commands[at] = Command {
            name: spec.name,
            scope: scope(spec.context),
            help: spec.usage,
        };
        at += 1;
    }
    commands
}

const fn scope(context: Context) -> Scope {
    match context {
        Context::Global => Scope::Global,
        Context::Server => Scope::Server,
        Context::FileInfo => Scope::FileInfo,
        Context::ServerDirectory => Scope::ServerAndDirectory,
        Context::AuthConfig => Scope::AuthConfig,
        Context::Anywhere => Scope::Anywhere,
    }
}

/// The configuration of a server.
#[derive(Default)]
pub(crate) struct ServerConfig {
    /// Settings and aliases.
    pub(super) options: Options,
    /// Settings of the whole of httpd; only the main server's count.
    pub(super) global: GlobalOptions,
    /// Where `WSGIPythonHome` stands; only the main server's counts.
    pub(super) home_place: Option<Place>,
    /// Scripts that this server wants loaded when a process starts, not those of other servers.
    pub(super) imports: Vec<Placed<Import>>,
    /// Process groups that this server defines, not those of other servers.
    pub(super) groups: Vec<Arc<Group>>,
    /// The process groups of the whole of httpd, once the configuration was checked; only the main server's count.
    pub(super) known: OnceLock<KnownGroups>,
    /// The processes of the process groups, once they are to serve; only the main server's count.
    pub(super) daemons: OnceLock<Generation>,
    /// The notes for the access log that the configuration names; only the main server's count.
    pub(super) notes: OnceLock<Notes>,
    /// What is counted of requests in Apache's children; only the main server's count.
    pub(super) tallies: OnceLock<Tallies>,
    /// The Python of the whole of httpd, once the configuration was checked; only the main server's counts.
    pub(super) python: OnceLock<Found>,
    /// The environ entries that all requests of this server share, made in the child that serves them.
    pub(super) constants: OnceLock<(ConstantsBlock, KnownSet)>,
    /// Those that they share in the processes of groups, encoded.
    pub(super) remote_constants: OnceLock<(Vec<u8>, KnownSet)>,
}

/// The configuration of a directory section.
#[derive(Default)]
pub(crate) struct DirectoryConfig {
    /// What it sets.
    pub(super) settings: Settings,
}

impl Slot for ServerConfig {
    fn merged(base: &Self, over: &Self) -> Self {
        Self {
            options: ServerOptions::merge(&base.options, &over.options),
            imports: over.imports.clone(),
            groups: over.groups.clone(),
            ..Self::default()
        }
    }
}

impl Slot for DirectoryConfig {
    fn merged(base: &Self, over: &Self) -> Self {
        Self {
            settings: Settings::merge(&base.settings, &over.settings),
        }
    }

    fn is_neutral(&self) -> bool {
        self.settings == Settings::NONE
    }
}

/// Reads one directive from the rest of its line.
///
/// # Errors
/// The sentence for the administrator.
pub(super) fn read(context: &mut CommandContext<'_, Rsgi>, line: &[u8]) -> Result<(), String> {
    let spec = DIRECTIVES
        .get(context.index)
        .ok_or("a directive that the module does not know")?;
    let directive = match spec.arguments {
        Arguments::Raw => parse(spec.kind, line),
        Arguments::Flag | Arguments::Take1 => parse(spec.kind, &one_word(spec, line)?),
    };
    let directive = directive.map_err(|error| error.to_string())?;
    store(context, spec.kind, directive)
}

/// The only word of a line; empty when there is none, which `parse` refuses in its own words.
fn one_word(spec: &Spec, line: &[u8]) -> Result<Vec<u8>, String> {
    let mut words = Words::new(line);
    let word = words
        .next()
        .map(|word| word.into_owned())
        .unwrap_or_default();
    match words.next() {
        None => Ok(word),
        Some(extra) => Err(format!(
            "{} takes one argument; `{}` is one too many: put quotes round a value with blanks",
            spec.kind.name(),
            extra.escape_ascii()
        )),
    }
}

fn store(
    context: &mut CommandContext<'_, Rsgi>,
    kind: Kind,
    directive: Directive,
) -> Result<(), String> {
    let place = Place::new(kind, context.place());
    match directive {
        Directive::Alias(alias) => {
            let regex = match &alias.pattern {
                Pattern::Prefix(_) => None,
                Pattern::Regex(pattern) => Some(Arc::new(Regex::compile(pattern).map_err(|reason| {
                    format!(
                        "WSGIScriptAliasMatch: the regular expression `{}` does not compile: {reason}",
                        pattern.escape_ascii()
                    )
                })?)),
            };
            // A folder of scripts names none to load.
            let folder = Path::new(OsStr::from_bytes(&alias.target)).is_dir();
            let preload = alias.preload().filter(|_| !folder);
            context
                .server
                .imports
                .extend(preload.map(|value| Placed { value, place }));
            context.server.options.aliases.push(Mount {
                alias: Arc::new(alias),
                regex,
            });
        }
        Directive::Import(value) => context.server.imports.push(Placed { value, place }),
        Directive::Group(group) => context
            .server
            .groups
            .push(Arc::new(Group::new(*group, place))),
        Directive::Setting(setting) => {
            // What a .htaccess names is asked by a child that starts Python then; the server's configuration is in use.
            if setting.asks_a_script() && !context.is_for_one_request() {
                context.server.options.asks_scripts = true;
            }
            store_setting(context, setting);
        }
        Directive::Global(setting) => {
            if kind == Kind::PythonHome {
                context.server.home_place = Some(place);
            }
            context.server.global.apply(setting);
        }
        Directive::Interpreters(rule) => {
            for name in context.content() {
                check_content(name.to_bytes()).map_err(|error| error.to_string())?;
            }
            context.server.global.interpreters.open(rule);
        }
    }
    Ok(())
}

fn store_setting(context: &mut CommandContext<'_, Rsgi>, setting: Setting) {
    match context.directory.as_deref_mut() {
        Some(directory) => {
            context.server.options.sections_choose |= matches!(setting, Setting::ProcessGroup(_));
            directory.settings.apply(setting);
        }
        None => context.server.options.settings.apply(setting),
    }
}

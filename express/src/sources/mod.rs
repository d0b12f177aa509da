//! Options from elsewhere than the command line: the environment, the file of `--config`, and pyproject.toml.
//!
//! Nothing here knows an option by name: what there is, how many values it takes and of which type is asked of clap's
//! own definitions. The first source that names an option decides it alone (command line, environment, `--config`,
//! pyproject.toml, default); what was found is put in front of the typed arguments, and clap reads all of it again.

mod environment;
mod file;
mod option;
mod print;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::error::Error;
use option::Options;
pub(crate) use print::print;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A variable of the environment.
    Variable(String),
    /// A line of a file.
    Line(PathBuf, usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "`{name}`"),
            Self::Line(path, line) => write!(f, "`{}` line {line}", path.display()),
        }
    }
}

/// What a source says of one option.
#[derive(Debug)]
struct Saying {
    /// Clap's name of the option.
    id: String,
    long: String,
    origin: Origin,
    /// None where it is a flag that is off; else the values of each time it is given.
    values: Option<Vec<Vec<String>>>,
}

/// All options, and where those come from that were not typed.
#[derive(Debug)]
pub(crate) struct Given {
    /// Clap's view of everything together.
    pub(crate) matches: ArgMatches,
    origins: BTreeMap<String, Origin>,
    /// What was typed behind the command.
    typed: Vec<OsString>,
}

impl Given {
    /// What was typed behind the command.
    pub(crate) fn typed(&self) -> &[OsString] {
        &self.typed
    }

    /// Where all options come from that come from elsewhere.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.origins.values()
    }

    /// Where the option comes from, when not from the command line and not from us.
    pub(crate) fn origin(&self, id: &str) -> Option<&Origin> {
        self.origins.get(id)
    }

    /// The first value of an option, by its long name; nothing where there is no such option either.
    pub(crate) fn value(&self, long: &str) -> Option<String> {
        let (_, matches) = self.matches.subcommand()?;
        let ids = [long.replace('-', "_"), long.to_owned()];
        let raw = ids
            .iter()
            .find_map(|id| matches.try_get_raw(id).ok().flatten()?.next());
        raw.map(|value| value.to_string_lossy().into_owned())
    }

    /// The origins of the options that a text names as `--option`.
    pub(crate) fn origins_in(&self, text: &str) -> Vec<(String, &Origin)> {
        let named = text
            .split('`')
            .filter_map(|word| word.strip_prefix("--")?.split([' ', '=']).next());
        named
            .filter_map(|long| {
                let origin = self.origin(&long.replace('-', "_"));
                Some((long.to_owned(), origin.or_else(|| self.origin(long))?))
            })
            .collect()
    }
}

/// Reads the typed arguments, program and command included, and everything that adds to them. Ends the process with
/// clap's own message where what was typed cannot be understood.
///
/// # Errors
/// A source cannot be read, names an option that does not exist or a value that it cannot have, or what was typed for a
/// number is none.
pub(crate) fn read(mut grammar: clap::Command, mut typed: Vec<OsString>) -> Result<Given, Error> {
    let matches = option::typed(&grammar, &typed)?;
    grammar.build();
    // Asked of the definition: which options a command has, matches know in debug builds alone.
    let has_sources =
        |command: &&clap::Command| command.get_arguments().any(|arg| arg.get_id() == "config");
    let chosen = matches.subcommand().and_then(|(name, given)| {
        let command = grammar.find_subcommand(name).filter(has_sources)?;
        Some((command, given))
    });
    let Some((command, given)) = chosen else {
        return Ok(Given {
            matches,
            origins: BTreeMap::new(),
            typed: vec![],
        });
    };
    let options = Options::of(command);
    let sayings = collect(&options, given)?;
    let mut words: Vec<OsString> = typed.iter().take(2).cloned().collect();
    let mut origins = BTreeMap::new();
    for saying in sayings {
        words.extend(saying.words().into_iter().map(OsString::from));
        origins.insert(saying.id, saying.origin);
    }
    let typed = typed.split_off(2.min(typed.len()));
    words.extend_from_slice(&typed);
    Ok(Given {
        matches: option::typed(&grammar, &words)?,
        origins,
        typed,
    })
}

/// What the sources add to what was typed, each option from the first source that names it.
fn collect(options: &Options<'_>, typed: &ArgMatches) -> Result<Vec<Saying>, Error> {
    let environment = environment::read(options, std::env::vars_os())?;
    let named = typed.get_one::<PathBuf>("config").cloned();
    let from_environment = environment.iter().find(|saying| saying.id == "config");
    let from_environment = from_environment.and_then(|saying| saying.first().map(PathBuf::from));
    let mut sources = vec![environment];
    if let Some(path) = named.or(from_environment) {
        sources.push(file::configuration(options, &path)?);
    }
    sources.push(file::project(options, Path::new("pyproject.toml"))?);
    let is_typed = |id: &str| {
        let is_given = |id| {
            typed
                .try_contains_id(id)
                .is_ok_and(|_| typed.value_source(id) == Some(ValueSource::CommandLine))
        };
        // The script is another name of the entry point, which would win over it.
        is_given(id) || id == "entry_point" && is_given("script")
    };
    let mut decided: Vec<Saying> = vec![];
    for saying in sources.into_iter().flatten() {
        if !is_typed(&saying.id) && decided.iter().all(|other| other.id != saying.id) {
            decided.push(saying);
        }
    }
    file::resolve_paths(options, typed, &mut decided);
    Ok(decided)
}

impl Saying {
    fn first(&self) -> Option<&String> {
        self.values.as_ref()?.first()?.first()
    }

    /// The arguments that say the same.
    fn words(&self) -> Vec<String> {
        let Some(values) = &self.values else {
            return vec![];
        };
        let long = &self.long;
        let times = values.iter().map(|values| match values.as_slice() {
            [] => vec![format!("--{long}")],
            [value] => vec![format!("--{long}={value}")],
            values => {
                let mut words = vec![format!("--{long}")];
                words.extend_from_slice(values);
                words
            }
        });
        times.flatten().collect()
    }
}

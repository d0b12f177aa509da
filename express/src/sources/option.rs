//! What clap knows of the options: their names, how many values they take, of which type.

use std::any::TypeId;
use std::error::Error as _;
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Origin, Saying};
use crate::error::Error;

/// Options that only make sense where they are typed.
const ONLY_TYPED: [&str; 4] = ["config", "print_config", "help", "version"];

/// The type of an option's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    Whole,
    Number,
    Text,
}

/// The options of one command.
pub(super) struct Options<'c> {
    command: &'c Command,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Opt<'c> {
    pub(super) arg: &'c Arg,
    pub(super) long: &'c str,
}

impl<'c> Options<'c> {
    /// Those of a command that clap has built.
    pub(super) fn of(command: &'c Command) -> Self {
        Self { command }
    }

    /// All that have a long name.
    pub(super) fn all(&self) -> impl Iterator<Item = Opt<'c>> + use<'c> {
        self.command.get_arguments().filter_map(|arg| {
            let long = arg.get_long()?;
            Some(Opt { arg, long })
        })
    }

    /// The option of a name, with underscores or dashes; `may_be_typed_only` is for the environment's `RSGI_CONFIG`.
    pub(super) fn find(&self, name: &str, may_be_typed_only: bool) -> Option<Opt<'c>> {
        let name = name.replace('_', "-");
        self.all().find(|option| {
            let is_named = option.long == name
                || option
                    .arg
                    .get_all_aliases()
                    .is_some_and(|aliases| aliases.contains(&name.as_str()));
            is_named && (may_be_typed_only || option.is_for_files())
        })
    }

    /// The name that is most like one that does not exist.
    pub(super) fn nearest(&self, name: &str) -> Option<&'c str> {
        let name = name.replace('_', "-");
        let likeness = |long: &str| strsim::jaro_winkler(long, &name);
        let visible = self
            .all()
            .filter(|option| option.is_for_files() && !option.arg.is_hide_set());
        visible
            .map(|option| (likeness(option.long), option.long))
            .filter(|(likeness, _)| *likeness > 0.7)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, long)| long)
    }

    /// What a source says, once clap has accepted each value.
    ///
    /// # Errors
    /// The option cannot have the value: what is said where, and what is allowed. `shown` is how the source writes it.
    pub(super) fn accept(
        &self,
        option: Opt<'_>,
        origin: Origin,
        shown: &str,
        values: Option<Vec<Vec<String>>>,
    ) -> Result<Saying, Error> {
        let saying = Saying {
            id: option.arg.get_id().as_str().to_owned(),
            long: option.long.to_owned(),
            origin,
            values,
        };
        // The whole command, as options may refer to each other; what such rules say is for later.
        let command = self.command.clone().no_binary_name(true);
        match command.try_get_matches_from(saying.words()) {
            Err(error) => match reason(&error) {
                Some(reason) => Err(refused(option, &saying.origin, shown, &reason)),
                None => Ok(saying),
            },
            Ok(_) => Ok(saying),
        }
    }
}

impl Opt<'_> {
    fn is_for_files(self) -> bool {
        !ONLY_TYPED.contains(&self.arg.get_id().as_str())
    }

    /// How many values it takes each time.
    pub(super) fn width(self) -> usize {
        self.arg
            .get_num_args()
            .map_or(1, |range| range.max_values())
    }

    /// Whether it may be given several times.
    pub(super) fn is_repeatable(self) -> bool {
        matches!(self.arg.get_action(), ArgAction::Append)
    }

    pub(super) fn kind(self) -> Kind {
        if matches!(
            self.arg.get_action(),
            ArgAction::SetTrue | ArgAction::SetFalse
        ) {
            return Kind::Flag;
        }
        let id = self.arg.get_value_parser().type_id();
        let whole = [
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
            TypeId::of::<i32>(),
            TypeId::of::<i64>(),
        ];
        if whole.iter().any(|known| id == *known) {
            Kind::Whole
        } else if id == TypeId::of::<f64>() || id == TypeId::of::<f32>() {
            Kind::Number
        } else {
            Kind::Text
        }
    }

    /// What it takes, for a message.
    pub(super) fn takes(self) -> String {
        let choices: Vec<_> = self
            .arg
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let one = match self.kind() {
            Kind::Flag => return "true or false".to_owned(),
            Kind::Whole => "a whole number".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Text if !choices.is_empty() => format!("one of {}", choices.join(", ")),
            Kind::Text if self.width() > 1 => {
                let names = self.arg.get_value_names().unwrap_or_default();
                let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
                format!("{} texts ({})", self.width(), names.join(", "))
            }
            Kind::Text => "a text".to_owned(),
        };
        if self.is_repeatable() {
            format!("{one}, or a list of them")
        } else {
            one
        }
    }

    /// What it is about, as in `--help`.
    fn help(self) -> String {
        self.arg
            .get_help()
            .map_or_else(String::new, |help| format!(": {help}"))
    }
}

/// The refusal of a value: where it is, what is wrong with it, what would be right.
pub(super) fn refused(option: Opt<'_>, origin: &Origin, shown: &str, reason: &str) -> Error {
    Error::Usage(format!(
        "{origin}: {shown} {reason}\n`{}` takes {}{}",
        option.long,
        option.takes(),
        option.help()
    ))
}

/// What clap makes of typed words; where it cannot, it says so and ends the process.
///
/// # Errors
/// What is no number, which clap would tell in the words of Rust's parsers.
pub(super) fn typed(command: &Command, words: &[OsString]) -> Result<ArgMatches, Error> {
    command
        .clone()
        .try_get_matches_from(words)
        .or_else(|error| {
            let context = |kind| match error.get(kind) {
                Some(ContextValue::String(text)) => Some(text),
                _ => None,
            };
            let (option, value) = (ContextKind::InvalidArg, ContextKind::InvalidValue);
            match (not_a_number(&error), context(option), context(value)) {
                (Some(problem), Some(option), Some(value)) => {
                    Err(Error::Usage(format!("`{option}`: `{value}` {problem}")))
                }
                _ => error.exit(),
            }
        })
}

/// What is wrong with the number in a value, where one was wanted.
fn not_a_number(error: &clap::Error) -> Option<&'static str> {
    let source = error.source()?;
    match source
        .downcast_ref::<ParseIntError>()
        .map(ParseIntError::kind)
    {
        Some(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => Some("is too large"),
        Some(_) => Some("is not a whole number from 0 up"),
        None if source.is::<ParseFloatError>() => Some("is not a number"),
        None => None,
    }
}

/// What clap has against a value; nothing where it is against something else.
fn reason(error: &clap::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::InvalidValue => Some(match error.get(ContextKind::InvalidValue) {
            Some(ContextValue::String(value)) => format!("has `{value}`, which it cannot be"),
            _ => "has a value that it cannot be".to_owned(),
        }),
        ErrorKind::ValueValidation => Some(match (not_a_number(error), error.source()) {
            (Some(problem), _) => problem.to_owned(),
            (None, Some(source)) => format!("cannot be used: {source}"),
            (None, None) => "is not understood".to_owned(),
        }),
        ErrorKind::WrongNumberOfValues
        | ErrorKind::TooFewValues
        | ErrorKind::TooManyValues
        | ErrorKind::UnknownArgument => Some("is not understood".to_owned()),
        _ => None,
    }
}

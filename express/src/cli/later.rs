//! Options of mod_wsgi-express that are not there yet: known, and refused with one sentence.
//!
//! This table is the only place that names them. With its directive an option moves to its topic beside this file.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::error::Error;

/// An option and what it waits for.
struct Later {
    option: &'static str,
    /// The names of its values; none for a switch.
    values: &'static [&'static str],
    /// The directive it comes with.
    directive: &'static str,
}

const fn later(
    option: &'static str,
    values: &'static [&'static str],
    directive: &'static str,
) -> Later {
    Later {
        option,
        values,
        directive,
    }
}

/// All of them.
const LATER: [Later; 4] = [
    later(
        "enable-telemetry",
        &[],
        "a telemetry service of its own: run mod_wsgi-telemetry, and name its socket with `--telemetry-service`",
    ),
    later(
        "telemetry-ui-port",
        &["NUMBER"],
        "a telemetry service of its own: run mod_wsgi-telemetry, and name its socket with `--telemetry-service`",
    ),
    later("enable-docs", &[], "the documentation of this version"),
    later(
        "with-php5",
        &[],
        "PHP 5, which is no more: put PHP behind `--proxy-mount-point`",
    ),
];

/// The directive that an option waits for.
pub(crate) fn directive_of(option: &str) -> Option<&'static str> {
    LATER
        .iter()
        .find(|later| later.option == option)
        .map(|later| later.directive)
}

/// Adds the options to a command, hidden from its help.
pub(super) fn add(command: Command) -> Command {
    command.args(LATER.iter().map(|later| {
        let option = Arg::new(later.option).long(later.option).hide(true);
        if later.values.is_empty() {
            option.action(ArgAction::SetTrue)
        } else {
            option.action(ArgAction::Append).value_names(later.values)
        }
    }))
}

/// Refuses the first of them that was given.
///
/// # Errors
/// One was.
pub(crate) fn refuse(given: &ArgMatches) -> Result<(), Error> {
    let Some((_, given)) = given.subcommand() else {
        return Ok(());
    };
    let is_given = |name: &str| {
        given.try_contains_id(name).is_ok()
            && given.value_source(name) == Some(ValueSource::CommandLine)
    };
    let first = LATER.iter().find(|later| is_given(later.option));
    match first {
        Some(later) => Err(Error::Usage(format!(
            "`--{}` is not there yet: it comes with {}",
            later.option, later.directive
        ))),
        None => Ok(()),
    }
}

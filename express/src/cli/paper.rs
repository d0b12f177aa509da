//! What is read rather than run: the examples, variables and exit codes in the help, completions for shells, man pages. All of it comes from the
//! same definitions as the options.

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};

use crate::error::Error;

/// Below the help of the program.
const EXAMPLES: &str = "\
Serve an application:
  rsgi-express start-server wsgi.py
  rsgi-express start-server --application-type module mysite.wsgi --callable-object app
  rsgi-express start-server wsgi.py --reload-on-changes --log-to-terminal

Find out what is wrong before a start:
  rsgi-express check wsgi.py --port 80 --user www-data
  rsgi-express start-server wsgi.py --print-config

See what becomes of a configuration for mod_wsgi:
  rsgi-express check-config /etc/apache2/apache2.conf

Run it as a service:
  rsgi-express systemd-unit --config /etc/myapp/rsgi.toml > /etc/systemd/system/myapp.service
  rsgi-express setup-server wsgi.py --server-root /srv/apache && /srv/apache/apachectl start

Look at it while it runs:
  rsgi-express status --watch

Use the module in an Apache of your own:
  rsgi-express module-config";

/// Below that: what else of the environment counts, and what the program ends with.
const NOTES: &str = "\
Environment:
  RSGI_THREADS and so on   each option of a server; PORT alone is RSGI_PORT
  RSGI_MODULE              the path of mod_rsgi.so, where it is not the one installed with this program
  RSGI_RELOAD_POLLING      any value: --reload-on-changes looks at the files, for mounts that tell nothing of changes
  MOD_WSGI_USER, MOD_WSGI_GROUP, else WSGI_RUN_USER, WSGI_RUN_GROUP
                           win over --user and --group
  HTTPD                    Apache's program; wins over --httpd-executable
  VIRTUAL_ENV              the Python, where --python names none
  TMPDIR                   where the server root is, where --server-root names none
  NO_COLOR                 any value: no colours on a terminal

Exit codes:
  0  the command did what it says
  1  a file or a process could not be handled; check and check-config: there are errors
  2  the options make no sense
  3  the application is missing, cannot be read or does not load
  4  Apache, its modules, mod_rsgi or Python is missing or does not fit
  5  the port cannot be had
  Once Apache runs, start-server ends with Apache's own code.";

/// All that is below the help of the program.
pub(super) fn below_help() -> String {
    format!("{EXAMPLES}\n\n{NOTES}")
}

/// Below the help of `start-server` and its kin.
pub(super) const SERVER_EXAMPLES: &str = "\
Capacity:       rsgi-express start-server wsgi.py --processes 4 --threads 10 --max-clients 200
Static files:   rsgi-express start-server wsgi.py --document-root public --url-alias /static static
Ports below 1024, as root:
                rsgi-express start-server wsgi.py --port 80 --user www-data --group www-data
From a file:    rsgi-express start-server --config rsgi.toml
In a container: RSGI_PROCESSES=2 PORT=8080 rsgi-express start-server wsgi.py --log-to-terminal

Each option is a key of a TOML file (`threads = 8`) and a variable as well (RSGI_THREADS=8). The command line wins over
the environment, that over --config, that over [tool.rsgi] in pyproject.toml, and that over the defaults.
`rsgi-express check` with the same options says what would fail.";

/// A shell that completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete in
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Arguments of `man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The command that the page is about [default: the program]
    pub(crate) command: Option<String>,
}

/// Prints the completions of a shell.
///
/// # Errors
/// Nobody takes them.
pub(crate) fn completions(mut grammar: clap::Command, args: &CompletionsArgs) -> Result<(), Error> {
    use clap_complete::shells;
    let mut text = vec![];
    let name = grammar.get_name().to_owned();
    match args.shell {
        Shell::Bash => clap_complete::generate(shells::Bash, &mut grammar, name, &mut text),
        Shell::Zsh => clap_complete::generate(shells::Zsh, &mut grammar, name, &mut text),
        Shell::Fish => clap_complete::generate(shells::Fish, &mut grammar, name, &mut text),
    }
    // clap_complete 4.6 takes the dash of a program's name for the start of a command, in one of two places.
    let text = String::from_utf8_lossy(&text).replace("rsgi__subcmd__express", "rsgi__express");
    write(text.as_bytes())
}

/// Prints the man page of the program or of one command.
///
/// # Errors
/// There is no such command, or nobody takes the page.
pub(crate) fn man(mut grammar: clap::Command, args: &ManArgs) -> Result<(), Error> {
    grammar.build();
    let subject = match &args.command {
        None => grammar,
        Some(name) => {
            let known = grammar.find_subcommand(name).cloned();
            let command = known
                .ok_or_else(|| Error::Usage(format!("`{name}` is no command of rsgi-express")))?;
            command.bin_name(format!("rsgi-express {name}"))
        }
    };
    let page = page(subject).map_err(Error::system("write the page"))?;
    write(&page)
}

/// A page in the order of sections that man pages have. Where clap_mangen would name every option twice, or fill the
/// examples' lines, it is written here.
fn page(mut command: clap::Command) -> io::Result<Vec<u8>> {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let examples = command.get_after_help().map(ToString::to_string);
    let has_commands = command.has_subcommands();
    let page = clap_mangen::Man::new(command)
        .source(concat!("rsgi-express ", env!("CARGO_PKG_VERSION")))
        .manual("mod_rsgi");
    let mut text = vec![];
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    write!(text, ".SH SYNOPSIS\n{}", unfilled(&usage))?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if has_commands {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(below) = examples {
        let examples = below.trim_end_matches(NOTES).trim_end();
        write!(text, ".SH EXAMPLES\n{}", unfilled(examples))?;
        if below.ends_with(NOTES) {
            let heading = "ENVIRONMENT AND EXIT CODES";
            write!(text, ".SH \"{heading}\"\n{}", unfilled(NOTES))?;
        }
    }
    Ok(text)
}

/// Lines that stay as they are, in man's language.
fn unfilled(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        // A dot or an apostrophe in front would be an order.
        format!("\\&{line}\n")
    });
    format!(".nf\n{}.fi\n", lines.collect::<String>())
}

fn write(text: &[u8]) -> Result<(), Error> {
    io::stdout()
        .write_all(text)
        .map_err(Error::system("write to standard output"))
}

//! Options of the application and of the Python it runs in.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What the application argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApplicationType {
    /// A path to a file
    Script,
    /// A dotted module name
    Module,
    /// A configuration file of Paste
    Paste,
    /// A directory of files to serve, without any Python
    Static,
}

/// A switch that can also be left to the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOffAuto {
    Off,
    On,
    Auto,
}

/// What is served.
#[derive(Args, Debug)]
#[command(next_help_heading = "Application")]
pub(crate) struct ApplicationArgs {
    /// The WSGI script file, or the module with `--application-type module`
    #[arg(value_name = "SCRIPT|MODULE")]
    pub(crate) script: Option<String>,

    /// The same as the positional argument, and wins over it
    #[arg(long, value_name = "PATH|MODULE")]
    pub(crate) entry_point: Option<String>,

    /// What the application argument names
    #[arg(long, value_enum, value_name = "TYPE", default_value = "script")]
    pub(crate) application_type: ApplicationType,

    /// The name of the application in the script or module
    #[arg(long, value_name = "NAME", default_value = "application")]
    pub(crate) callable_object: String,

    /// The interpreter to run the application in, by the name of its application group
    #[arg(long, value_name = "NAME", default_value = "%{GLOBAL}")]
    pub(crate) application_group: String,

    /// The URL below which the application is mounted
    #[arg(long, value_name = "URL", default_value = "/")]
    pub(crate) mount_point: String,

    /// The application's current directory and first place to import from [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub(crate) working_directory: Option<PathBuf>,

    /// A variable for the environ of every request; may be repeated
    #[arg(long, value_names = ["KEY", "VALUE"], num_args = 2)]
    pub(crate) setenv: Vec<String>,

    /// A variable of the launcher's environment for the environ of every request; may be repeated
    #[arg(long, value_name = "KEY")]
    pub(crate) passenv: Vec<String>,

    /// Whether the application sees a HEAD request as GET
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        ignore_case = true
    )]
    pub(crate) map_head_to_get: OnOffAuto,

    /// Hand requests without a length to the application, too
    #[arg(long)]
    pub(crate) chunked_request: bool,
}

/// The Python that runs it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Python")]
pub(crate) struct PythonArgs {
    /// The Python to run: a virtual environment, a prefix or an interpreter
    /// [default: the active virtual environment, else python3]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,

    /// A further directory to import from; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(crate) python_path: Vec<PathBuf>,

    /// Where eggs are unpacked [default: python-eggs in the server root]
    #[arg(long, value_name = "DIR")]
    pub(crate) python_eggs: Option<PathBuf>,

    /// A filter of Python's warnings, as `python -W` takes it; may be repeated
    #[arg(long, value_name = "SPEC")]
    pub(crate) python_warnings: Vec<String>,

    /// The locale [default: the environment's, or C.UTF-8 where that is C or POSIX]
    #[arg(long, value_name = "NAME")]
    pub(crate) locale: Option<String>,

    /// The same, and gives way to it
    #[arg(long, value_name = "NAME", hide = true)]
    pub(crate) lang: Option<String>,

    /// How often threads take turns
    #[arg(long, value_name = "SECONDS")]
    pub(crate) switch_interval: Option<f64>,

    /// Leave interpreters as they are when a process ends
    #[arg(long)]
    pub(crate) orphan_interpreter: bool,

    /// Run a free-threaded Python without the GIL
    #[arg(long)]
    pub(crate) free_threading: bool,
}

/// What happens when the code changes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Reloading")]
pub(crate) struct ReloadArgs {
    /// Do not look whether the script has changed since it was loaded
    #[arg(long)]
    pub(crate) disable_reloading: bool,

    /// Restart when a Python file of the application changes
    #[arg(long)]
    pub(crate) reload_on_changes: bool,

    /// A further file, or a folder with all files in it, whose changes restart as well; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(crate) reload_watch: Vec<PathBuf>,

    /// A folder, by its path or its name alone, whose changes do not restart; may be repeated
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) reload_ignore: Vec<PathBuf>,
}

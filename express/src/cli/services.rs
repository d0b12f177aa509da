//! Options of services: Python programs beside the application, each in a process of its own.

use clap::Args;

/// Services, each named by its first value.
#[derive(Args, Debug)]
#[command(next_help_heading = "Services")]
pub(crate) struct ServiceArgs {
    /// Run a Python script beside the application; may be repeated
    #[arg(long, value_names = ["NAME", "PATH"], num_args = 2)]
    pub(crate) service_script: Vec<String>,

    /// The user of a service when started as root [default: --user]
    #[arg(long, value_names = ["NAME", "USER"], num_args = 2)]
    pub(crate) service_user: Vec<String>,

    /// The group of a service when started as root [default: --group]
    #[arg(long, value_names = ["NAME", "GROUP"], num_args = 2)]
    pub(crate) service_group: Vec<String>,

    /// The log of a service, in the directory of the logs [default: the error log]
    #[arg(long, value_names = ["NAME", "FILE-NAME"], num_args = 2)]
    pub(crate) service_log_file: Vec<String>,
}

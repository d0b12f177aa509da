//! Options of files, error pages and other servers behind this one.

use std::path::PathBuf;

use clap::Args;

/// What is served without the application.
#[derive(Args, Debug)]
#[command(next_help_heading = "Files")]
pub(crate) struct FileArgs {
    /// A directory of static files: one that exists is served before the application is asked; may be repeated
    /// [default: an empty one in the server root]
    #[arg(long, value_name = "DIR")]
    pub(crate) document_root: Vec<PathBuf>,

    /// The file to serve for a directory
    #[arg(long, value_name = "FILE-NAME")]
    pub(crate) directory_index: Option<String>,

    /// List directories without such a file
    #[arg(long)]
    pub(crate) directory_listing: bool,

    /// What .htaccess files may change; may be repeated [default: None]
    #[arg(long, value_name = "TYPE")]
    pub(crate) allow_override: Vec<String>,

    /// Serve a file or directory at a URL; may be repeated
    #[arg(long, value_names = ["URL", "PATH"], num_args = 2)]
    pub(crate) url_alias: Vec<String>,

    /// The page for a status; may be repeated
    #[arg(long, value_names = ["STATUS", "URL"], num_args = 2)]
    pub(crate) error_document: Vec<String>,

    /// Use these pages for errors of the application as well
    #[arg(long)]
    pub(crate) error_override: bool,

    /// While this file exists, every request is answered with it and the status 503
    #[arg(long, value_name = "FILE")]
    pub(crate) maintenance_file: Option<PathBuf>,

    /// A Python script for files with an extension; may be repeated
    #[arg(long, value_names = ["EXT", "PATH"], num_args = 2)]
    pub(crate) add_handler: Vec<String>,

    /// Run files with the extension .cgi
    #[arg(long)]
    pub(crate) with_cgi: bool,

    /// Run files with the extension .php by the PHP module of this Apache
    #[arg(long, hide = true)]
    pub(crate) with_php5: bool,

    /// Serve this documentation at /__wsgi__/docs
    #[arg(long)]
    pub(crate) enable_docs: bool,

    /// Let the kernel send files
    #[arg(long)]
    pub(crate) enable_sendfile: bool,

    /// A file of rewrite rules [default: rewrite.conf in the server root]
    #[arg(long, value_name = "FILE")]
    pub(crate) rewrite_rules: Option<PathBuf>,

    /// A file of Apache directives to include last; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) include_file: Vec<PathBuf>,

    /// The list of media types [default: the distribution's]
    #[arg(long, value_name = "FILE")]
    pub(crate) mime_types: Option<PathBuf>,
}

/// Other servers that this one passes requests on to.
#[derive(Args, Debug)]
#[command(next_help_heading = "Proxy")]
pub(crate) struct ProxyArgs {
    /// Pass requests below a URL on to another server; may be repeated
    #[arg(long, alias = "proxy-url-alias", value_names = ["URL", "URL"], num_args = 2)]
    pub(crate) proxy_mount_point: Vec<String>,

    /// Pass requests for a host on to another server; may be repeated
    #[arg(long, value_names = ["HOST", "URL"], num_args = 2)]
    pub(crate) proxy_virtual_host: Vec<String>,

    /// Seconds to wait for such a server [default: --socket-timeout]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) proxy_timeout: Option<u32>,
}

//! Debugging: everything in one process with one thread.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::logs::named_program;
use super::text::usable;
use crate::cli::DebugArgs;
use crate::error::Error;

/// What looks into the application; directories only where it is on.
#[derive(Debug, Serialize)]
pub(crate) struct Debug {
    pub(crate) is_on: bool,
    pub(crate) debugger: bool,
    pub(crate) debugger_startup: bool,
    pub(crate) coverage: Option<String>,
    pub(crate) profiler: Option<String>,
    pub(crate) recorder: Option<String>,
    #[serde(skip)]
    pub(crate) gdb: Option<PathBuf>,
}

impl Debug {
    /// Resolves the options.
    ///
    /// # Errors
    /// One needs another.
    pub(super) fn resolve(args: &DebugArgs, here: &Path, root: &str) -> Result<Self, Error> {
        if args.debugger_startup && !args.enable_debugger {
            return Err(Error::Usage(
                "`--debugger-startup` needs `--enable-debugger`".into(),
            ));
        }
        let directory = |option: &str, is_on: bool, asked: &Option<PathBuf>, usual: &str| {
            if !is_on {
                return Ok(None);
            }
            match asked {
                Some(path) => usable(option, &here.join(path)).map(Some),
                None => Ok(Some(format!("{root}/{usual}"))),
            }
        };
        let on = [
            args.debug_mode,
            args.enable_debugger,
            args.enable_coverage,
            args.enable_profiler,
            args.enable_recorder,
            args.enable_gdb,
        ];
        Ok(Self {
            is_on: on.contains(&true),
            debugger: args.enable_debugger,
            debugger_startup: args.debugger_startup,
            coverage: directory(
                "--coverage-directory",
                args.enable_coverage,
                &args.coverage_directory,
                "htmlcov",
            )?,
            profiler: directory(
                "--profiler-directory",
                args.enable_profiler,
                &args.profiler_directory,
                "pstats",
            )?,
            recorder: directory(
                "--recorder-directory",
                args.enable_recorder,
                &args.recorder_directory,
                "archive",
            )?,
            gdb: args
                .enable_gdb
                .then(|| named_program(&args.gdb_executable, here)),
        })
    }

    /// The directories that are written into, each with its option.
    pub(crate) fn directories(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let directories = [
            ("--coverage-directory", &self.coverage),
            ("--profiler-directory", &self.profiler),
            ("--recorder-directory", &self.recorder),
        ];
        directories
            .into_iter()
            .filter_map(|(option, directory)| Some((option, directory.as_ref()?)))
    }
}

//! Files, their handlers, and error pages.

use std::path::Path;

use serde::Serialize;

use super::Application;
use super::text::{each, printable, url_path, usable};
use crate::cli::{ApplicationType, FileArgs};
use crate::error::Error;

/// A URL served from the file system.
#[derive(Debug, Serialize)]
pub(crate) struct UrlAlias {
    /// The URL, with a slash in front.
    pub(crate) url: String,
    /// An absolute path; a slash at its end is kept.
    pub(crate) path: String,
}

/// A status and its page.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorDocument {
    pub(crate) status: u16,
    pub(crate) page: String,
}

/// A Python script for files with an extension.
#[derive(Debug, Serialize)]
pub(crate) struct Handler {
    /// With its dot.
    pub(crate) extension: String,
    pub(crate) script: String,
}

/// What is served without the application.
#[derive(Debug, Serialize)]
pub(crate) struct Files {
    /// The main one, and others that are looked into after it.
    #[serde(skip)]
    pub(crate) document_root: Option<String>,
    pub(crate) more_roots: Vec<String>,
    pub(crate) directory_index: Option<String>,
    pub(crate) directory_listing: bool,
    /// The argument of AllowOverride.
    pub(crate) allow_override: String,
    #[serde(skip)]
    pub(crate) aliases: Vec<UrlAlias>,
    pub(crate) error_documents: Vec<ErrorDocument>,
    pub(crate) error_override: bool,
    pub(crate) maintenance: Option<String>,
    pub(crate) handlers: Vec<Handler>,
    pub(crate) has_cgi: bool,
    /// Whether files with the extension .php are PHP's.
    pub(crate) has_php: bool,
    /// Whether this documentation is served: mod_wsgi's is where there is no application, too.
    pub(crate) has_docs: bool,
    pub(crate) sendfile: bool,
    pub(crate) rewrite_rules: String,
    /// Whether those are the ones in the server root.
    pub(crate) has_own_rules: bool,
    pub(crate) include_files: Vec<String>,
    #[serde(skip)]
    pub(crate) mime_types: Option<String>,
}

impl Files {
    /// Resolves the options.
    ///
    /// # Errors
    /// A path, URL or status cannot be used.
    pub(super) fn resolve(
        args: &FileArgs,
        application: &Application,
        here: &Path,
        root: &str,
    ) -> Result<Self, Error> {
        let mut roots = each(&args.document_root, |path| {
            usable("--document-root", &here.join(path))
        })?;
        if roots.is_empty() && application.kind == ApplicationType::Static {
            roots.push(application.entry.clone());
        }
        let mut roots = roots.into_iter();
        Ok(Self {
            document_root: roots.next(),
            more_roots: roots.collect(),
            directory_index: args
                .directory_index
                .clone()
                .map(|name| printable("--directory-index", name))
                .transpose()?,
            directory_listing: args.directory_listing,
            allow_override: allow_override(&args.allow_override)?,
            aliases: sorted_aliases(args.url_alias.as_chunks::<2>().0, here)?,
            error_documents: each(args.error_document.as_chunks::<2>().0, error_document)?,
            error_override: args.error_override,
            maintenance: super::optional(
                "--maintenance-file",
                args.maintenance_file.as_deref(),
                here,
            )?,
            handlers: each(args.add_handler.as_chunks::<2>().0, |pair| {
                handler(pair, here)
            })?,
            has_cgi: args.with_cgi,
            has_php: args.with_php5,
            has_docs: args.enable_docs || application.is_welcome,
            sendfile: args.enable_sendfile,
            rewrite_rules: match &args.rewrite_rules {
                Some(path) => usable("--rewrite-rules", &here.join(path))?,
                None => format!("{root}/rewrite.conf"),
            },
            has_own_rules: args.rewrite_rules.is_none(),
            include_files: each(&args.include_file, |path| {
                usable("--include-file", &here.join(path))
            })?,
            mime_types: super::optional("--mime-types", args.mime_types.as_deref(), here)?,
        })
    }
}

fn allow_override(types: &[String]) -> Result<String, Error> {
    let known = ["None", "All", "AuthConfig", "FileInfo", "Indexes", "Limit"];
    let is_known = |word: &str| {
        let main = word.split('=').next().unwrap_or_default();
        known.iter().any(|name| name.eq_ignore_ascii_case(word))
            || ["Options", "Nonfatal"]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(main))
    };
    let words: Vec<_> = types.iter().flat_map(|t| t.split_whitespace()).collect();
    if let Some(word) = words.iter().find(|word| !is_known(word)) {
        return Err(Error::Usage(format!(
            "`--allow-override`: `{word}` is none of {}, Options and Nonfatal",
            known.join(", ")
        )));
    }
    if words.is_empty() {
        return Ok("None".to_owned());
    }
    printable("--allow-override", words.join(" "))
}

fn error_document([status, page]: &[String; 2]) -> Result<ErrorDocument, Error> {
    match status.parse() {
        Ok(status) if (400..600).contains(&status) => Ok(ErrorDocument {
            status,
            page: printable("--error-document", page.clone())?,
        }),
        _ => Err(Error::Usage(format!(
            "`--error-document`: `{status}` is not the status of an error, 400 to 599"
        ))),
    }
}

fn handler([extension, script]: &[String; 2], here: &Path) -> Result<Handler, Error> {
    let bare = extension.strip_prefix('.').unwrap_or(extension);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if bare.is_empty() || !bare.chars().all(allowed) {
        return Err(Error::Usage(format!(
            "`--add-handler`: `{extension}` is not the extension of a file, such as `.md`"
        )));
    }
    Ok(Handler {
        extension: format!(".{bare}"),
        script: usable("--add-handler", &here.join(script))?,
    })
}

/// Aliases, the longest URL of a family first, as Alias takes the first that matches.
fn sorted_aliases(pairs: &[[String; 2]], here: &Path) -> Result<Vec<UrlAlias>, Error> {
    let mut aliases = each(pairs, |[url, path]| {
        let slash = if path.ends_with('/') { "/" } else { "" };
        Ok(UrlAlias {
            url: url_path("--url-alias", url)?,
            path: usable("--url-alias", &here.join(path))? + slash,
        })
    })?;
    aliases.sort_by(|a, b| b.url.cmp(&a.url));
    Ok(aliases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_url_alias_comes_before_a_shorter_one() {
        let pairs = [["/a", "/x"], ["/a/b", "y/"]].map(|pair| pair.map(str::to_owned));
        let aliases = sorted_aliases(&pairs, Path::new("/h")).unwrap();
        assert_eq!(aliases[0].url, "/a/b");
        assert_eq!(aliases[0].path, "/h/y/");
        assert_eq!(aliases[1].path, "/x");
    }
}

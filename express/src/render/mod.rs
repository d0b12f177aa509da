//! Renders the generated files from their templates.
//!
//! Unknown names are errors, and every value is quoted for the language it lands in ([`quote`]).

mod quote;
mod templates;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};

pub(crate) use quote::conf;
pub(crate) use templates::{TEMPLATES, Template};

use crate::context::Context;
use crate::error::Error;

impl Template {
    /// Renders the file.
    ///
    /// # Errors
    /// The template names something that does not exist.
    pub(crate) fn render(&self, context: &Context<'_>) -> Result<String, Error> {
        environment()
            .and_then(|environment| {
                environment.render_named_str(self.name, self.text, Serde(context))
            })
            .map(|text| {
                if self.name == "httpd.conf" {
                    in_sections(&text)
                } else {
                    text
                }
            })
            .map_err(|source| Error::Template {
                name: self.name,
                source: source.into(),
            })
    }
}

/// Leaves an empty line only above the comment that opens a section.
fn in_sections(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut has_gap = false;
    for line in text.lines() {
        if line.trim().is_empty() {
            has_gap = true;
            continue;
        }
        if has_gap && line.starts_with('#') {
            result.push('\n');
        }
        has_gap = false;
        result.push_str(line);
        result.push('\n');
    }
    result
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    for (name, text) in templates::PARTS {
        environment.add_template(name, text)?;
    }
    quote::add_to(&mut environment);
    Ok(environment)
}

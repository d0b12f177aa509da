//! One page: its Markdown, in a frame with the list of pages and the ways to its neighbours.

use std::collections::HashMap;
use std::fmt::Write as _;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::summary::{Entry, Link};

/// A page in the making.
pub(super) struct Page<'t> {
    /// The list of pages.
    pub(super) entries: &'t [Entry<'t>],
    /// Its own file.
    pub(super) file: &'t str,
    /// Its Markdown.
    pub(super) text: &'t str,
    pub(super) before: Option<Link<'t>>,
    pub(super) after: Option<Link<'t>>,
}

impl Page<'_> {
    /// The whole file.
    pub(super) fn html(&self) -> String {
        let mut events = content(self.text);
        let title = title(&events);
        identify(&mut events);
        let mut body = String::new();
        html::push_html(&mut body, events.into_iter());
        // A wide table scrolls by itself, on a small screen too.
        let body = body
            .replace("<table>", "<div class=\"wide\"><table>")
            .replace("</table>", "</table></div>");
        let root = "../".repeat(self.file.matches('/').count());
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{} - mod_rsgi</title>\n<link rel=\"stylesheet\" href=\"{root}style.css\">\n</head>\n<body>\n\
             <nav aria-label=\"Pages\">\n{}</nav>\n<main>\n{body}<footer>{}</footer>\n</main>\n</body>\n</html>\n",
            escaped(&title),
            self.list(&root),
            self.neighbours(&root),
        )
    }

    fn list(&self, root: &str) -> String {
        let mut text = String::new();
        for entry in self.entries {
            // Writing to a string cannot fail.
            let _ = match entry {
                Entry::Part(title) => writeln!(text, "<h2>{}</h2>", escaped(title)),
                Entry::Page(link) => {
                    let own = if link.file == self.file {
                        " aria-current=\"page\""
                    } else {
                        ""
                    };
                    writeln!(
                        text,
                        "<a href=\"{root}{}\"{own}>{}</a>",
                        to_html(link.file),
                        escaped(link.title)
                    )
                }
            };
        }
        text
    }

    fn neighbours(&self, root: &str) -> String {
        let way = |link: Option<Link<'_>>, kind: &str, arrow: [&str; 2]| {
            link.map_or_else(String::new, |link| {
                let [left, right] = arrow;
                let (file, title) = (to_html(link.file), escaped(link.title));
                format!("<a rel=\"{kind}\" href=\"{root}{file}\">{left}{title}{right}</a>")
            })
        };
        way(self.before, "prev", ["← ", ""]) + &way(self.after, "next", ["", " →"])
    }
}

/// The name of a page's file, or a link to it, perhaps to a part of it.
pub(super) fn to_html(link: &str) -> String {
    let (file, part) = match link.split_once('#') {
        Some((file, part)) => (file, format!("#{part}")),
        None => (link, String::new()),
    };
    match file.strip_suffix(".md") {
        Some(stem) => format!("{stem}.html{part}"),
        None => link.to_owned(),
    }
}

/// The Markdown's events, without the comments (they tell the tests what to do with an example), links made to pages.
fn content(text: &str) -> Vec<Event<'_>> {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES);
    let events = parser.filter_map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) if html.trim_start().starts_with("<!--") => {
            None
        }
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let is_page = !dest_url.contains("://");
            let dest_url = if is_page {
                to_html(&dest_url).into()
            } else {
                dest_url
            };
            Some(Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }))
        }
        event => Some(event),
    });
    events.collect()
}

/// The text of the first heading.
fn title(events: &[Event<'_>]) -> String {
    let heading = events
        .iter()
        .position(|event| matches!(event, Event::Start(Tag::Heading { .. })));
    heading.map_or_else(String::new, |at| heading_text(&events[at..]))
}

/// The text up to the end of a heading.
fn heading_text(events: &[Event<'_>]) -> String {
    let inside = events
        .iter()
        .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    inside
        .filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect()
}

/// Gives each heading an id, as mdBook does, so that links to parts of pages hold.
fn identify(events: &mut [Event<'_>]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for at in 0..events.len() {
        if !matches!(events[at], Event::Start(Tag::Heading { .. })) {
            continue;
        }
        let name = fragment(&heading_text(&events[at..]));
        let count = seen.entry(name.clone()).or_default();
        let name = match *count {
            0 => name,
            count => format!("{name}-{count}"),
        };
        *count += 1;
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[at] {
            *id = Some(CowStr::from(name));
        }
    }
}

fn fragment(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    });
    kept.collect()
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

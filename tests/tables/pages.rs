//! The pages of docs/ that nobody writes by hand: each is compared with what it is made from, or written anew where
//! `RSGI_PAGES=write` says so (`ci/pages`).

use super::{parity_page, place, reference};

/// Fails where a page is not current; writes it where that is asked for.
#[track_caller]
fn is_current(name: &str, page: &str) {
    let path = place(name);
    let page = format!("{}\n", page.trim_end());
    if std::env::var_os("RSGI_PAGES").is_some_and(|what| what == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page).unwrap();
        return;
    }
    let current = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(current == page, "{name} is not current: run ci/pages");
}

#[test]
fn the_page_of_what_is_proved_is_current() {
    is_current("docs/reference/parity.md", &parity_page::render());
}

#[test]
fn the_reference_of_directives_options_and_messages_is_current() {
    is_current("docs/reference/directives.md", &reference::directives());
    is_current(
        "docs/reference/daemon-options.md",
        &reference::daemon_options(),
    );
    is_current("docs/reference/messages.md", &reference::messages());
}

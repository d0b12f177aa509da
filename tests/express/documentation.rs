//! `--enable-docs`: the book in docs/ on a running server.

use std::collections::{BTreeMap, BTreeSet};

use super::Launcher;
use super::launcher::Run;
use crate::harness::only_rsgi;

/// Where it is, as mod_wsgi-express has its own.
const ROOT: &str = "/__wsgi__/docs/";

/// The values of an attribute.
fn attributes<'t>(page: &'t str, name: &str) -> Vec<&'t str> {
    let start = format!(" {name}=\"");
    let parts = page.split(start.as_str()).skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}

/// What a link leads to, from a page.
fn target(page: &str, link: &str) -> String {
    let mut folders: Vec<_> = page.split('/').collect();
    folders.pop();
    for part in link.split('/') {
        match part {
            ".." => drop(folders.pop()),
            part => folders.push(part),
        }
    }
    folders.join("/")
}

/// All pages that links lead to, from the first on; each has to be there.
fn pages(run: &Run) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![format!("{ROOT}index.html")];
    while let Some(url) = waiting.pop() {
        if found.contains_key(&url) {
            continue;
        }
        let reply = run.get(&url);
        assert_eq!(reply.status, 200, "{url}");
        let kind = reply.header("Content-Type").unwrap_or_default().to_owned();
        let expected = if url.ends_with(".css") {
            "text/css"
        } else {
            "text/html"
        };
        assert!(kind.starts_with(expected), "{url}: {kind}");
        let page = reply.text();
        for link in attributes(&page, "href") {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !link.contains("://") {
                waiting.push(target(&url, file));
            }
        }
        found.insert(url, page);
    }
    found
}

#[test]
fn the_documentation_is_served_and_each_of_its_links_leads_somewhere() {
    only_rsgi!("the documentation is ours");
    let mut run = Launcher::new()
        .args(&["hello.py", "--enable-docs", "--mount-point", "/app"])
        // What is above it does not hide it.
        .args(&["--url-alias", "/__wsgi__", "."])
        .start();
    let moved = run.get("/__wsgi__/docs");
    assert_eq!(moved.status, 301);
    assert!(moved.header("Location").unwrap().ends_with(ROOT));
    assert!(run.text(ROOT).contains("<title>mod_rsgi"));
    let pages = pages(&run);
    for (url, page) in &pages {
        for link in attributes(page, "href") {
            let Some((file, part)) = link.split_once('#') else {
                continue;
            };
            let there = if file.is_empty() {
                url.clone()
            } else {
                target(url, file)
            };
            let ids: BTreeSet<_> = attributes(&pages[&there], "id").into_iter().collect();
            assert!(ids.contains(part), "{url}: {link}");
        }
    }
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SUMMARY.md");
    let listed = std::fs::read_to_string(book)
        .unwrap()
        .matches(".md)")
        .count();
    let html = pages.keys().filter(|url| url.ends_with(".html")).count();
    assert!(listed > 15 && html == listed, "{html} of {listed}");
    assert_eq!(run.text("/app/x"), "/app|/x|");
    assert_eq!(run.end(libc::SIGINT), Some(0));
    assert!(!run.log().contains("error]"), "{}", run.log());
}

#[test]
fn without_an_application_the_documentation_is_there_by_itself() {
    only_rsgi!("the documentation is ours");
    let run = Launcher::new().start();
    let welcome = run.text("/");
    let link = attributes(&welcome, "href")[0];
    assert!(run.text(link).contains("<title>mod_rsgi"), "{welcome}");
    let other = Launcher::new().arg("hello.py").start();
    assert_eq!(other.text(ROOT), "|/__wsgi__/docs/|");
}

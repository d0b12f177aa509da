//! Makes web pages of the book in docs/, which the launcher carries and `--enable-docs` serves.
//!
//! The book is Markdown for mdBook, which a machine that builds or installs this need not have: here only its list of
//! pages is read (SUMMARY.md), and each page is put into one frame with that list beside it.

#[path = "build/page.rs"]
mod page;
#[path = "build/summary.rs"]
mod summary;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// The book, from this crate's folder.
const BOOK: &str = "../docs";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={BOOK}");
    println!("cargo:rerun-if-changed=build");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let book = Path::new(BOOK);
    let summary = fs::read_to_string(book.join("SUMMARY.md"))?;
    let entries = summary::entries(&summary);
    let pages: Vec<_> = entries.iter().filter_map(summary::Entry::page).collect();
    let mut table = String::from(
        "/// The pages and what belongs to them: name and content.\npub(super) const FILES: &[(&str, &str)] = &[\n",
    );
    for (at, page) in pages.iter().enumerate() {
        let text = fs::read_to_string(book.join(page.file))?;
        let html = page::Page {
            entries: &entries,
            file: page.file,
            text: &text,
            before: at.checked_sub(1).map(|at| pages[at]),
            after: pages.get(at + 1).copied(),
        }
        .html();
        put(&mut table, out, &page::to_html(page.file), &html)?;
    }
    put(
        &mut table,
        out,
        "style.css",
        include_str!("build/style.css"),
    )?;
    table.push_str("];\n");
    fs::write(out.join("book.rs"), table)?;
    Ok(())
}

/// Writes a file, and a line of the table that names it.
fn put(table: &mut String, out: &Path, name: &str, content: &str) -> Result<(), Box<dyn Error>> {
    let path = out.join("book").join(name);
    fs::create_dir_all(path.parent().ok_or("a page has a folder")?)?;
    fs::write(&path, content)?;
    writeln!(table, "    ({name:?}, include_str!({path:?})),")?;
    Ok(())
}

//! hgweb, and Mercurial's own client: clone, push, pull, archives, pages.

use std::path::{Path, PathBuf};

use super::{Place, give_to_web_user, passwords};
use crate::harness::{Request, Server};
use crate::kit::{clean, run, system_python, venv};
use crate::visitor::noise;

const SCRIPT: &str = "
from mercurial.hgweb import hgweb
application = hgweb(b'@APPS@/hgweb.config')
";

/// Apache knows who may push; everybody may read.
const CONF: &str = "
WSGIScriptAlias / @APPS@/hgweb.wsgi
WSGIApplicationGroup %{GLOBAL}
<Location />
AuthType Basic
AuthName repositories
AuthUserFile @ROOT@/conf/passwords
<LimitExcept GET>
Require valid-user
</LimitExcept>
</Location>
";

/// The `hg` of an environment, with a user and no settings of this machine.
struct Hg {
    home: PathBuf,
}

impl Hg {
    #[track_caller]
    fn run(&self, arguments: &[&str], folder: &Path) -> String {
        run(clean(&self.home.join("bin/hg"))
            .args(arguments)
            .current_dir(folder)
            .env("HGRCPATH", "")
            .env("HGUSER", "Ada")
            .env("HGPLAIN", "1")
            .env_remove("http_proxy"))
    }
}

fn serving(place: Place, home: &Path, hg: &Hg) -> Server {
    let builder = passwords(place.server(home))
        .app("hgweb.wsgi", SCRIPT)
        .app(
            "hgweb.config",
            "[paths]\nstore = @WORK@/store\n[web]\nallow-push = ada\npush_ssl = false\nallow-archive = gz zip\n",
        )
        .conf(CONF);
    let work = builder.root().join("work");
    hg.run(&["init", "store"], &work);
    give_to_web_user(&work.join("store"));
    builder.start()
}

/// Clones, commits a large file and a small one, pushes both, and has them in another clone.
fn clones_and_pushes(place: Place) {
    let home = venv(&system_python(), "mercurial", &["mercurial==7.2.4"]);
    let hg = Hg { home: home.clone() };
    let server = serving(place, &home, &hg);
    let work = server.root().join("work");
    let url = server.url("/store");
    hg.run(&["clone", &url, "first"], &work);
    let first = work.join("first");
    let large = noise(3 << 20);
    std::fs::write(first.join("large.bin"), &large).unwrap();
    std::fs::write(first.join("text"), "Zeile mit Käse\n").unwrap();
    hg.run(&["commit", "-A", "-m", "A large file"], &first);
    // Nobody in particular may not push.
    let mut push = clean(&home.join("bin/hg"));
    push.args(["push", "--noninteractive", &url])
        .current_dir(&first);
    let refused = push.env("HGRCPATH", "").output().unwrap();
    assert!(!refused.status.success(), "{refused:?}");
    let ada = url.replace("http://", "http://ada:secret@");
    hg.run(&["push", &ada], &first);
    for number in 0..5 {
        std::fs::write(first.join("text"), format!("number {number}\n")).unwrap();
        hg.run(&["commit", "-m", &format!("Number {number}")], &first);
    }
    hg.run(&["bookmark", "latest"], &first);
    hg.run(&["push", "-B", "latest", &ada], &first);

    std::thread::scope(|scope| {
        for name in ["second", "third", "fourth"] {
            let (hg, work, url, large) = (&hg, &work, &url, &large);
            scope.spawn(move || {
                hg.run(&["clone", url, name], work);
                let clone = work.join(name);
                assert!(std::fs::read(clone.join("large.bin")).unwrap() == *large);
                assert!(hg.run(&["verify"], &clone).contains("checked 6 changesets"));
                assert!(hg.run(&["bookmarks"], &clone).contains("latest"));
            });
        }
    });
    pages(&server, &large);
    server.finish();
}

fn pages(server: &Server, large: &[u8]) {
    assert!(server.text("/").contains("store"));
    assert!(server.text("/store/rev/tip").contains("Number 4"));
    assert!(server.get("/store/raw-file/tip/large.bin").ok().body == *large);
    for (kind, beginning) in [("zip", &b"PK\x03\x04"[..]), ("tar.gz", b"\x1f\x8b")] {
        let archive = server.get(&format!("/store/archive/tip.{kind}")).ok();
        assert!(archive.body.starts_with(beginning));
        assert!(archive.body.len() > large.len());
    }
    assert_eq!(server.get("/store/rev/none").status, 404);
    let unchanged = server.get("/store/file/tip/text").ok();
    let tag = unchanged.header("ETag").expect("hgweb has one");
    let again = Request::get("/store/file/tip/text").header("If-None-Match", tag);
    assert_eq!(server.ask(&again).status, 304);
    let post = Request::new("POST", "/store?cmd=unbundle").body("garbage");
    assert_eq!(server.ask(&post).status, 401);
}

#[test]
fn hgweb_in_apaches_children_takes_what_is_pushed() {
    clones_and_pushes(Place::Children);
}

#[test]
fn hgweb_in_a_process_group_takes_what_is_pushed() {
    clones_and_pushes(Place::Group);
}

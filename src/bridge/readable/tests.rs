//! Modes, links and owners, in folders made for each test.

use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;

use super::*;

const STRANGER: Identity<'static> = Identity {
    uid: 65_000,
    gid: 65_000,
    groups: Some(&[65_001]),
};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A folder that everybody may enter, with `open/inner/file` in it.
fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    set_mode(root.path(), 0o755);
    fs::create_dir_all(root.path().join("open/inner")).unwrap();
    fs::write(root.path().join("open/inner/file"), "x").unwrap();
    for (name, mode) in [
        ("open", 0o755),
        ("open/inner", 0o755),
        ("open/inner/file", 0o644),
    ] {
        set_mode(&root.path().join(name), mode);
    }
    root
}

fn blocked(path: &Path) -> Option<(PathBuf, Need)> {
    first_unreachable(path, &STRANGER)
        .unwrap()
        .map(|blocked| (blocked.component, blocked.need))
}

#[test]
fn what_everybody_may_read_is_not_blocked() {
    let root = tree();
    assert_eq!(blocked(&root.path().join("open/inner/file")), None);
    assert_eq!(blocked(&root.path().join("open/inner/../inner")), None);
}

#[test]
fn the_first_component_that_stops_the_user_is_named() {
    let root = tree();
    let real = fs::canonicalize(root.path()).unwrap();
    let file = root.path().join("open/inner/file");
    set_mode(&file, 0o600);
    assert_eq!(
        blocked(&file),
        Some((real.join("open/inner/file"), Need::Read))
    );
    set_mode(&root.path().join("open/inner"), 0o744);
    assert_eq!(blocked(&file), Some((real.join("open/inner"), Need::Enter)));
    set_mode(&root.path().join("open"), 0o700);
    assert_eq!(blocked(&file), Some((real.join("open"), Need::Enter)));
}

#[test]
fn a_folder_that_may_be_entered_but_not_listed_stops_who_wants_to_list_it() {
    let root = tree();
    let inner = root.path().join("open/inner");
    set_mode(&inner, 0o711);
    assert_eq!(blocked(&inner).map(|(_, need)| need), Some(Need::List));
    assert_eq!(blocked(&inner.join("file")), None);
}

#[test]
fn links_are_followed_to_what_stops_the_user() {
    let root = tree();
    let real = fs::canonicalize(root.path()).unwrap();
    symlink("open/inner", root.path().join("relative")).unwrap();
    symlink(real.join("relative/file"), root.path().join("link")).unwrap();
    assert_eq!(blocked(&root.path().join("link")), None);
    set_mode(&root.path().join("open"), 0o700);
    assert_eq!(
        blocked(&root.path().join("link")),
        Some((real.join("open"), Need::Enter))
    );
}

#[test]
fn a_loop_of_links_and_a_missing_file_are_errors() {
    let root = tree();
    symlink("b", root.path().join("a")).unwrap();
    symlink("a", root.path().join("b")).unwrap();
    assert!(first_unreachable(&root.path().join("a"), &STRANGER).is_err());
    assert!(first_unreachable(&root.path().join("none"), &STRANGER).is_err());
}

#[test]
fn the_owners_digit_decides_for_the_owner_and_the_groups_for_members() {
    let root = tree();
    let file = root.path().join("open/inner/file");
    let owner = fs::metadata(&file).unwrap();
    set_mode(&file, 0o040);
    let metadata = fs::metadata(&file).unwrap();
    let as_owner = Identity {
        uid: owner.uid(),
        gid: owner.gid(),
        groups: Some(&[]),
    };
    let groups = [owner.gid()];
    let as_member = Identity {
        uid: 65_000,
        gid: 65_000,
        groups: Some(&groups),
    };
    assert!(!may(&metadata, Need::Read, &as_owner));
    assert!(may(&metadata, Need::Read, &as_member));
    assert!(!may(&metadata, Need::Read, &STRANGER));
}

#[test]
fn where_groups_are_not_known_the_groups_digit_and_that_of_the_rest_both_have_to_allow_it() {
    let root = tree();
    let file = root.path().join("open/inner/file");
    let somebody = Identity {
        groups: None,
        ..STRANGER
    };
    for (mode, expected) in [(0o644, true), (0o640, false), (0o604, false)] {
        set_mode(&file, mode);
        let metadata = fs::metadata(&file).unwrap();
        assert_eq!(may(&metadata, Need::Read, &somebody), expected, "{mode:o}");
    }
}

#[test]
fn the_superuser_is_never_stopped() {
    let root = tree();
    set_mode(&root.path().join("open"), 0o000);
    let superuser = Identity {
        uid: 0,
        gid: 0,
        groups: Some(&[]),
    };
    assert_eq!(
        first_unreachable(&root.path().join("open"), &superuser).unwrap(),
        None
    );
    set_mode(&root.path().join("open"), 0o755);
}

#[test]
fn the_sentence_names_component_owner_user_and_cure() {
    let blocked = Blocked {
        component: "/root".into(),
        target: "/root/env/bin/python".into(),
        need: Need::Enter,
        user: "www-data".into(),
        allowed: "root".into(),
    };
    assert_eq!(
        blocked.to_string(),
        "`/root` may be entered only by root: www-data cannot read `/root/env/bin/python`; \
         move it to where www-data may go, or run `chmod o+x /root`"
    );
}

#[test]
fn names_come_from_the_database_or_are_numbers() {
    assert_eq!(names::user(0), "root");
    assert_eq!(names::group(0), "root");
    assert_eq!(names::user(4_000_000_001), "the user 4000000001");
}

/// Whether the kernel lets a thread of the stranger's read a file, or list and enter a folder.
fn kernel_allows(path: &Path) -> bool {
    let path = path.to_path_buf();
    let thread = std::thread::spawn(move || {
        let groups = STRANGER.groups.unwrap();
        // SAFETY: the raw call changes this thread only; the list has as many items as is said.
        let code = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
        assert_eq!(code, 0);
        // SAFETY: changes what this thread may reach, no memory.
        unsafe { libc::setfsgid(STRANGER.gid) };
        // SAFETY: as above; gives up the superuser's rights on files.
        unsafe { libc::setfsuid(STRANGER.uid) };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                fs::read_dir(&path).is_ok() && fs::metadata(path.join(".")).is_ok()
            }
            Ok(_) => fs::File::open(&path).is_ok(),
            Err(_) => false,
        }
    });
    thread.join().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_answer_is_the_kernels(
        modes in prop::array::uniform3(0u32..0o1000),
        owners in prop::array::uniform3(prop::sample::select(vec![0u32, 65_000])),
        groups in prop::array::uniform3(prop::sample::select(vec![0u32, 65_000, 65_001])),
        through_link: bool,
        wants_folder: bool,
    ) {
        // SAFETY: asks for a number.
        if unsafe { libc::geteuid() } != 0 {
            // Only the superuser can become a stranger.
            return Ok(());
        }
        let root = tree();
        let names = ["open/inner/file", "open/inner", "open"];
        symlink("open/../open/inner", root.path().join("link")).unwrap();
        for (index, name) in names.iter().enumerate() {
            let path = root.path().join(name);
            std::os::unix::fs::chown(&path, Some(owners[index]), Some(groups[index])).unwrap();
            set_mode(&path, modes[index]);
        }
        let folder = if through_link { "link" } else { "open/inner" };
        let folder = root.path().join(folder);
        let path = if wants_folder { folder } else { folder.join("file") };
        let is_allowed = kernel_allows(&path);
        prop_assert_eq!(blocked(&path).is_none(), is_allowed);
        let somebody = Identity { groups: None, ..STRANGER };
        let is_sure = first_unreachable(&path, &somebody).unwrap().is_none();
        prop_assert!(is_allowed || !is_sure);
    }
}

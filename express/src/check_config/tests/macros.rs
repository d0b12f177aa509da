//! mod_macro: lines that are used, where they are told to stand, and what httpd would refuse.

use super::{codes, findings};

/// A module and a way to say "this line was reached".
const HEAD: &str = "LoadModule rsgi_module mod_rsgi.so\n";

fn told(text: &str) -> Vec<String> {
    let found = findings(&format!("{HEAD}{text}"));
    found.into_iter().map(|found| found.what).collect()
}

#[test]
fn lines_of_a_macro_are_read_where_it_is_used_with_its_values() {
    let text = "<Macro Site $name $path>\n\
                <VirtualHost *:80>\nServerName $name.example\n\
                WSGIScriptAlias / $path/app.wsgi process-group=$nam\n\
                </VirtualHost>\n</Macro>\nUse site shop /srv/shop\nUse SITE wiki \"/srv/my wiki\"\n";
    let found = findings(&format!("{HEAD}{text}"));
    let missing: Vec<_> = found.iter().filter(|one| one.code == "no-group").collect();
    assert_eq!(missing.len(), 1, "{found:?}");
    assert_eq!(missing[0].what, "there is no process group `$nam`");
    let place = missing[0].place.as_ref().unwrap();
    assert_eq!(place.line, 5);
    assert_eq!(place.used.as_ref().unwrap().line, 8);
    assert_eq!(
        &*place.used.as_ref().unwrap().text,
        "Use site shop /srv/shop"
    );
    // A blank of a value divides words, as httpd has it: a third word that is no option.
    let refused = found.iter().find(|one| one.code == "refused").unwrap();
    assert_eq!(
        refused.place.as_ref().unwrap().used.as_ref().unwrap().line,
        9
    );
}

#[test]
fn the_longest_parameter_wins_and_values_are_not_looked_at_again() {
    let text = "<Macro A $x $xy>\nWSGINonsense$x $xy\n</Macro>\nUse A $xy b\n";
    assert_eq!(told(text), ["mod_rsgi has no directive WSGINonsense$xy"]);
}

#[test]
fn macros_are_found_through_files_conditions_and_variables() {
    let text = "Define WHICH A\n<IfDefine NOT>\n<Macro A>\nWSGINo\n</Macro>\n</IfDefine>\n\
                <Macro A>\n<IfDefine WHICH>\nWSGIYes\n</IfDefine>\n</Macro>\nUse ${WHICH}\n";
    assert_eq!(told(text), ["mod_rsgi has no directive WSGIYes"]);
    let within =
        "<Macro In $x>\nWSGIInner$x\n</Macro>\n<Macro Out $x>\nUse In $x\n</Macro>\nUse Out 1\n";
    assert_eq!(told(within), ["mod_rsgi has no directive WSGIInner1"]);
}

#[test]
fn what_mod_macro_refuses_is_told_with_its_line() {
    for (text, what, line) in [
        ("Use None x\n", "there is no macro `None` here", 2),
        (
            "<Macro A $x>\n</Macro>\nUse A\n",
            "the macro `A` takes 1 argument, not 0",
            4,
        ),
        (
            "<Macro A>\n</Macro>\nUse A b c\n",
            "the macro `A` takes no argument, not 2",
            4,
        ),
        (
            "<Macro A>\nUse A\n</Macro>\nUse A\n",
            "the macro `A` uses itself",
            3,
        ),
        ("<Macro>\n</Macro>\n", "<Macro> has no name", 2),
        (
            "<Macro A>\nWSGIPythonHome /x\n",
            "<Macro> is not closed in its file",
            2,
        ),
        ("Use\n", "Use names no macro", 2),
        ("UndefMacro A\n", "there is no macro `A` to be undefined", 2),
        (
            "<Macro A>\n</Macro>\nUndefMacro a\nUse A\n",
            "there is no macro `A` here",
            5,
        ),
        (
            "<Macro A>\n<Directory /x>\n</Macro>\nUse A\n",
            "<Directory> is not closed in its file",
            3,
        ),
    ] {
        let found = findings(&format!("{HEAD}{text}"));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].what, what, "{text}");
        assert_eq!(found[0].place.as_ref().unwrap().line, line, "{text}");
    }
}

#[test]
fn macros_that_double_again_and_again_end() {
    let mut text =
        "<Macro M0>\nWSGIScriptReloading Off\nWSGIScriptReloading Off\n</Macro>\n".to_owned();
    for at in 1..19 {
        text.push_str(&format!(
            "<Macro M{at}>\n{}</Macro>\n",
            format!("Use M{}\n", at - 1).repeat(40)
        ));
    }
    text.push_str("Use M18\n");
    let told = codes(&format!("{HEAD}{text}"));
    assert!(told.contains(&"macro"), "{told:?}");
}

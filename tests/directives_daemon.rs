//! Process groups as the configuration has them: options taken and refused at `httpd -t`, names that must be there,
//! servers that may use them, users and Pythons. What the processes do is tested elsewhere.

use crate::harness::{Builder, Check, Server, UnderTest, is_root, needs, only_rsgi, under_test};

/// Every option with a value it takes; users and groups are those that every system has.
const OPTIONS: [&str; 40] = [
    "processes=1",
    "processes=4",
    "threads=0",
    "threads=65533",
    "umask=0027",
    "home=/tmp",
    "lang=en_US.UTF-8",
    "locale=C",
    "python-path=/a:/b",
    "python-eggs=/eggs",
    "switch-interval=0.005",
    "stack-size=262144",
    "maximum-requests=1000",
    "startup-timeout=1",
    "shutdown-timeout=0",
    "deadlock-timeout=1",
    "inactivity-timeout=1",
    "request-timeout=1",
    "interrupt-timeout=1",
    "graceful-timeout=1",
    "eviction-timeout=1",
    "restart-interval=1",
    "connect-timeout=1",
    "socket-timeout=1",
    "queue-timeout=1",
    "listen-backlog=1",
    "display-name=%{GROUP}",
    "display-name=name",
    "send-buffer-size=512",
    "receive-buffer-size=0",
    "header-buffer-size=8192",
    "response-buffer-size=65536",
    "response-socket-timeout=1",
    "response-flush-delay=0",
    "cpu-time-limit=1",
    "cpu-priority=-5",
    "memory-limit=4000000000",
    "virtual-memory-limit=0",
    "server-metrics=On",
    "script-group=#0",
];

fn check(conf: &str) -> Check {
    Server::builder().python_home(None).conf(conf).check()
}

#[track_caller]
fn accepts(conf: &str) {
    let check = check(conf);
    assert!(check.is_accepted, "{conf}: {}", check.output);
}

/// Refused; our messages have these words.
#[track_caller]
fn refuses(conf: &str, words: &[&str]) {
    let check = check(conf);
    assert!(!check.is_accepted, "accepted: {conf}");
    for word in words {
        assert!(
            check.output.contains(word) || under_test() == UnderTest::ModWsgi,
            "no {word:?} for {conf:?} in: {}",
            check.output
        );
    }
}

fn host(name: &str, lines: &str) -> String {
    format!("<VirtualHost *:@PORT@>\nServerName {name}\n{lines}\n</VirtualHost>\n")
}

#[test]
fn every_option_is_taken_alone_and_with_all_others() {
    for option in OPTIONS {
        accepts(&format!("WSGIDaemonProcess shop {option}"));
    }
    accepts(&format!("WSGIDaemonProcess shop {}", OPTIONS.join(" ")));
    accepts("WSGIDaemonProcess shop python-home=/usr");
    accepts("WSGIDaemonProcess shop supplementary-groups=#1,#2 socket-user=#0");
    accepts("WSGIDaemonProcess 'my shop' threads=\"3\"");
}

#[test]
fn values_outside_of_their_range_are_refused_by_name() {
    for option in [
        "processes=0",
        "threads=-1",
        "threads=65534",
        "umask=9",
        "home=tmp",
        "switch-interval=0",
        "stack-size=0",
        "maximum-requests=-1",
        "graceful-timeout=-1",
        "send-buffer-size=511",
        "header-buffer-size=8191",
        "response-buffer-size=65535",
        "response-flush-delay=-1",
        "memory-limit=-1",
        "server-metrics=maybe",
        "listen-backlog=",
    ] {
        let (name, value) = option.split_once('=').unwrap();
        refuses(
            &format!("WSGIDaemonProcess shop {option}"),
            &["WSGIDaemonProcess", name, value],
        );
    }
}

#[test]
fn a_number_with_something_behind_it_is_refused() {
    only_rsgi!("it reads the digits and leaves the rest out");
    refuses(
        "WSGIDaemonProcess shop request-timeout=30s",
        &[
            "httpd.conf",
            "WSGIDaemonProcess `shop`: request-timeout= takes a whole number of seconds",
            "not `30s`",
            "write request-timeout=30",
        ],
    );
}

#[test]
fn a_definition_without_sense_is_refused() {
    refuses("WSGIDaemonProcess", &["WSGIDaemonProcess"]);
    refuses("WSGIDaemonProcess shop nonsense=1", &["nonsense"]);
    refuses("WSGIDaemonProcess shop nonsense", &["nonsense"]);
    refuses(
        "WSGIDaemonProcess shop script-user=root script-group=root",
        &["script-user", "script-group"],
    );
    refuses(
        "<Directory @APPS@>\nWSGIDaemonProcess shop\n</Directory>",
        &["not allowed"],
    );
}

#[test]
fn a_name_is_defined_once_in_the_whole_of_httpd() {
    refuses(
        "WSGIDaemonProcess shop\nWSGIDaemonProcess shop threads=2",
        &["shop"],
    );
    let twice = format!(
        "{}WSGIDaemonProcess shop\n",
        host("a.example", "WSGIDaemonProcess shop")
    );
    refuses(&twice, &["shop"]);
    accepts("WSGIDaemonProcess shop\nWSGIDaemonProcess Shop");
}

#[test]
fn a_name_that_is_taken_is_refused_with_both_places() {
    only_rsgi!("it names one");
    let check = check("WSGIDaemonProcess shop\n\nWSGIDaemonProcess shop");
    check.refused_with(&[
        "RSGI0480: WSGIDaemonProcess (line ",
        "`shop` is defined already by",
    ]);
    let line = |text: &str| -> u32 {
        let digits = text
            .split("(line ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        digits.unwrap().parse().unwrap()
    };
    let (second, first) = check.output.split_once("already by").unwrap();
    assert_eq!(line(second), line(first) + 2);
}

#[test]
fn scripts_loaded_at_the_start_need_their_group_above_them() {
    for line in [
        "WSGIImportScript /a process-group=shop application-group=x",
        "WSGIScriptAlias /a /b process-group=shop application-group=%{GLOBAL}",
        "WSGIScriptAliasMatch /a /b process-group=shop application-group=x",
    ] {
        let directive = line.split(' ').next().unwrap();
        accepts(&format!("WSGIDaemonProcess shop\n{line}"));
        accepts(&format!(
            "WSGIDaemonProcess shop\n{}",
            host("a.example", line)
        ));
        refuses(line, &[directive, "shop"]);
        refuses(
            &format!("{line}\nWSGIDaemonProcess shop"),
            &[directive, "shop"],
        );
        refuses(
            &format!("WSGIDaemonProcess other\n{line}"),
            &[directive, "shop"],
        );
    }
    // Nothing is loaded for these: requests will tell.
    accepts("WSGIScriptAlias /a /b process-group=shop");
    accepts("WSGIScriptAlias /a /b process-group=%{SERVER} application-group=x");
    accepts("WSGIHandlerScript name /b process-group=shop application-group=x");
    accepts("WSGIProcessGroup shop");
}

#[test]
fn a_folder_of_scripts_names_none_to_load() {
    only_rsgi!("it looks for the group all the same");
    accepts("WSGIScriptAlias /a /b/ process-group=shop application-group=x");
    accepts("WSGIScriptAlias /a @APPS@ process-group=shop application-group=x");
}

#[test]
fn a_group_of_a_virtual_host_is_for_hosts_of_its_name() {
    let import = "WSGIImportScript /a process-group=shop application-group=x";
    let group = host("a.example", "WSGIDaemonProcess shop");
    accepts(&host(
        "a.example",
        &format!("WSGIDaemonProcess shop\n{import}"),
    ));
    accepts(&format!("{group}{}", host("a.example", import)));
    refuses(
        &format!("{group}{}", host("b.example", import)),
        &["shop", "not accessible"],
    );
    refuses(&format!("{group}{import}"), &["shop", "not accessible"]);
}

#[test]
fn users_and_groups_have_to_exist() {
    for option in ["user", "socket-user", "script-user"] {
        refuses(
            &format!("WSGIDaemonProcess shop {option}=no-such-user"),
            &["no-such-user"],
        );
    }
    for option in ["group", "script-group", "supplementary-groups"] {
        refuses(
            &format!("WSGIDaemonProcess shop {option}=no-such-group"),
            &["no-such-group"],
        );
    }
    accepts("WSGIDaemonProcess shop user=nobody group=#65534");
    refuses("WSGIDaemonProcess shop user=#4123456789", &["4123456789"]);
}

#[test]
fn a_user_that_is_unknown_is_named_with_group_and_cure() {
    only_rsgi!("its sentences differ");
    refuses(
        "WSGIDaemonProcess shop user=no-such-user",
        &[
            "RSGI0483: WSGIDaemonProcess (line ",
            "`shop`: user=`no-such-user` is no user of this system: make it, or correct the name",
        ],
    );
}

#[test]
fn root_runs_no_application() {
    refuses("WSGIDaemonProcess shop user=root", &["root"]);
    refuses("WSGIDaemonProcess shop user=#0", &["root"]);
}

#[test]
fn a_chroot_is_for_root_and_needs_a_path() {
    refuses("WSGIDaemonProcess shop chroot=jail", &["chroot", "jail"]);
    if is_root() {
        accepts("WSGIDaemonProcess shop chroot=/");
    } else {
        refuses("WSGIDaemonProcess shop chroot=/", &["chroot"]);
    }
}

#[test]
fn the_python_of_a_group_is_looked_at() {
    only_rsgi!("it looks when processes start");
    refuses(
        "WSGIDaemonProcess shop python-home=/not/there",
        &[
            "RSGI0100: WSGIDaemonProcess (line ",
            "`shop`: python-home: `/not/there` does not exist",
        ],
    );
    refuses(
        "WSGIPythonHome /not/there\nWSGIDaemonProcess shop",
        &["RSGI0100", "`shop`", "WSGIPythonHome", "`/not/there`"],
    );
}

#[test]
fn the_locale_of_a_group_has_to_be_one_of_the_system_s() {
    only_rsgi!("it warns when processes start");
    accepts("WSGIDaemonProcess shop locale=''");
    refuses(
        "WSGIDaemonProcess shop locale=xx_NOWHERE.UTF-9",
        &["RSGI0484", "`shop`: locale=`xx_NOWHERE.UTF-9`", "locale -a"],
    );
}

/// A home that only its owner, root, can enter.
fn closed_home() -> Builder {
    let builder = Server::builder().python_home(None);
    let home = builder.root().join("closed/venv");
    let status = std::process::Command::new("/usr/bin/python3")
        .args(["-m", "venv", "--without-pip"])
        .arg(&home)
        .status();
    assert!(status.unwrap().success());
    crate::harness::allow(home.parent().unwrap(), 0o700);
    builder
}

#[test]
fn a_python_that_the_group_s_user_cannot_read_is_refused() {
    only_rsgi!("its processes fail when they start");
    needs!(is_root(), "only root can be somebody else");
    let check = closed_home()
        .conf("WSGIDaemonProcess shop user=nobody python-home=@ROOT@/closed/venv")
        .check();
    check.refused_with(&[
        "RSGI0102: WSGIDaemonProcess (line ",
        "`shop`: its processes cannot read the Python",
        "nobody",
        "chmod o+x",
    ]);
}

#[test]
fn lists_of_process_groups_may_be_empty() {
    for line in [
        "WSGIRestrictProcess",
        "WSGIRestrictProcess a",
        "WSGIRestrictProcess a %{GLOBAL} \"b c\"",
    ] {
        accepts(line);
        accepts(&host("a.example", line));
        accepts(&format!("<Location /x>\n{line}\n</Location>"));
    }
}

#[test]
fn settings_round_process_groups_stand_where_those_of_mod_wsgi_stand() {
    for line in [
        "WSGIRestrictEmbedded On",
        "WSGISocketPrefix run/wsgi",
        "WSGISocketRotation Off",
        "WSGIAcceptMutex default",
    ] {
        accepts(line);
        refuses(&host("a.example", line), &["cannot occur"]);
    }
    for line in [
        "WSGIIgnoreActivity On",
        "WSGIErrorOverride On",
        "WSGIProcessGroup x",
    ] {
        accepts(line);
        accepts(&host("a.example", line));
        accepts(&format!("<Directory @APPS@>\n{line}\n</Directory>"));
    }
    refuses("WSGIProcessGroup", &["WSGIProcessGroup"]);
    refuses("WSGIProcessGroup a b", &["WSGIProcessGroup"]);
    refuses("WSGIAcceptMutex file", &["WSGIAcceptMutex", "flock"]);
    refuses("WSGISocketPrefix", &["WSGISocketPrefix"]);
    for name in [
        "WSGIRestrictEmbedded",
        "WSGISocketRotation",
        "WSGIIgnoreActivity",
        "WSGIErrorOverride",
    ] {
        refuses(&format!("{name} maybe"), &[name]);
        refuses(name, &[name]);
    }
}

#[test]
fn our_own_settings_are_taken_and_refused() {
    only_rsgi!("it has none of them");
    for value in ["Off", "0", "65536", "1073741824"] {
        accepts(&format!("RSGIRequestBuffer {value}"));
        accepts(&format!(
            "<Location /x>\nRSGIRequestBuffer {value}\n</Location>"
        ));
    }
    for value in ["1M", "-1", "On", "1073741825"] {
        refuses(
            &format!("RSGIRequestBuffer {value}"),
            &["RSGIRequestBuffer", value],
        );
    }
    accepts("RSGIOverlap Off");
    refuses("RSGIOverlap maybe", &["RSGIOverlap", "maybe"]);
    refuses(&host("a.example", "RSGIOverlap On"), &["cannot occur"]);
}

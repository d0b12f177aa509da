//! Every option accepted and refused, and who may use a group.

use proptest::prelude::*;

use super::table::OPTIONS;
use super::value::Rule;
use super::*;

fn accept(line: &str) -> GroupDefinition {
    GroupDefinition::parse(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn options(text: &str) -> DaemonOptions {
    accept(&format!("shop {text}")).options
}

#[track_caller]
fn refuse(line: &str) -> String {
    match GroupDefinition::parse(line.as_bytes()) {
        Ok(definition) => panic!("{line} gives {definition:?}"),
        Err(error) => error.to_string(),
    }
}

fn name(text: &str) -> Account {
    Account::Name(text.as_bytes().to_vec())
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

#[test]
fn a_name_alone_gives_the_defaults() {
    let group = accept("shop");
    assert_eq!(group.name, b"shop");
    assert_eq!(group.options, DaemonOptions::default());
    assert_eq!(accept("\"my shop\"").name, b"my shop");
    let defaults = DaemonOptions::default();
    assert_eq!(
        (
            defaults.processes,
            defaults.threads,
            defaults.is_multiprocess
        ),
        (1, 15, false)
    );
    assert_eq!(defaults.shutdown_timeout, 5);
    assert_eq!(defaults.deadlock_timeout, 300);
    assert_eq!(defaults.graceful_timeout, 15);
    assert_eq!(defaults.connect_timeout, 15);
    assert_eq!(defaults.listen_backlog, 100);
    assert_eq!(defaults.header_buffer_size, 32_768);
    assert_eq!(defaults.response_buffer_size, 8_388_608);
    assert_eq!(defaults.response_flush_delay, 5);
}

#[test]
fn there_are_the_options_of_mod_wsgi_each_once() {
    let mut names: Vec<&str> = OPTIONS.iter().map(|entry| entry.option).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 44);
}

/// Every option, but script-group= beside script-user=.
const ALL: &str = "user=www group=#33 supplementary-groups=a,#7 processes=2 threads=3 umask=0027 chroot=/jail home=/home/x \
         lang=en_GB.UTF-8 locale=C.UTF-8 python-home=/venv python-path=/a::/b: python-eggs=/eggs switch-interval=0.001 \
         stack-size=262144 maximum-requests=4 startup-timeout=5 shutdown-timeout=6 deadlock-timeout=7 \
         inactivity-timeout=8 request-timeout=9 interrupt-timeout=10 graceful-timeout=11 eviction-timeout=12 \
         restart-interval=13 connect-timeout=14 socket-timeout=16 queue-timeout=17 listen-backlog=18 \
         display-name=%{GROUP} send-buffer-size=512 receive-buffer-size=513 header-buffer-size=8192 \
         response-buffer-size=65536 response-socket-timeout=19 response-flush-delay=20 socket-user=#5 script-user=me \
         cpu-time-limit=21 cpu-priority=-3 memory-limit=9000000000 virtual-memory-limit=9000000001 server-metrics=on";

#[test]
fn every_option_sets_its_own_field() {
    let expected = DaemonOptions {
        user: Some(name("www")),
        group: Some(Account::Id(33)),
        supplementary_groups: Some(vec![name("a"), Account::Id(7)]),
        processes: 2,
        is_multiprocess: true,
        threads: 3,
        umask: Some(0o27),
        chroot: bytes("/jail"),
        home: bytes("/home/x"),
        lang: bytes("en_GB.UTF-8"),
        locale: bytes("C.UTF-8"),
        python_home: bytes("/venv"),
        python_path: vec![b"/a".to_vec(), b"/b".to_vec()],
        python_eggs: bytes("/eggs"),
        switch_interval: Some(1_000_000),
        stack_size: Some(262_144),
        maximum_requests: 4,
        startup_timeout: 5,
        shutdown_timeout: 6,
        deadlock_timeout: 7,
        inactivity_timeout: 8,
        request_timeout: 9,
        interrupt_timeout: 10,
        graceful_timeout: 11,
        eviction_timeout: 12,
        restart_interval: 13,
        connect_timeout: 14,
        socket_timeout: 16,
        queue_timeout: 17,
        listen_backlog: 18,
        display_name: bytes("(wsgi:shop)"),
        send_buffer_size: 512,
        receive_buffer_size: 513,
        header_buffer_size: 8192,
        response_buffer_size: 65_536,
        response_socket_timeout: 19,
        response_flush_delay: 20,
        socket_user: Some(Account::Id(5)),
        script_user: Some(name("me")),
        script_group: None,
        cpu_time_limit: 21,
        cpu_priority: -3,
        memory_limit: 9_000_000_000,
        virtual_memory_limit: 9_000_000_001,
        server_metrics: true,
    };
    assert_eq!(options(ALL), expected);
    assert_eq!(
        options("script-group=#8").script_group,
        Some(Account::Id(8))
    );
}

#[test]
fn a_later_option_wins() {
    assert_eq!(options("threads=1 threads=2").threads, 2);
}

#[test]
fn zero_means_the_default_where_a_buffer_needs_a_size() {
    let zeros = options(
        "header-buffer-size=0 response-buffer-size=0 send-buffer-size=0 receive-buffer-size=0",
    );
    assert_eq!(zeros, DaemonOptions::default());
}

#[test]
fn giving_processes_at_all_makes_a_group_one_of_several() {
    assert!(options("processes=1").is_multiprocess);
    assert!(!options("threads=2").is_multiprocess);
}

#[test]
fn numbers_have_their_ranges() {
    for (option, lowest, largest) in [
        ("processes", "1", "65535"),
        ("threads", "0", "65533"),
        ("stack-size", "1", "2147483647"),
        ("maximum-requests", "0", "2147483647"),
        ("shutdown-timeout", "0", "2147483647"),
        ("listen-backlog", "0", "2147483647"),
        ("response-flush-delay", "0", "2147483647"),
        ("send-buffer-size", "512", "2147483647"),
        ("header-buffer-size", "8192", "2147483647"),
        ("response-buffer-size", "65536", "2147483647"),
        ("memory-limit", "0", "9223372036854775807"),
        ("cpu-priority", "-2147483648", "2147483647"),
    ] {
        options(&format!("{option}={lowest}"));
        options(&format!("{option}={largest}"));
        let below = (lowest.parse::<i128>().unwrap() - 1).to_string();
        let above = (largest.parse::<i128>().unwrap() + 1).to_string();
        for wrong in [
            &below,
            &above,
            "many",
            "1.5",
            "0x10",
            "5x",
            " 5",
            "99999999999999999999",
        ] {
            let text = refuse(&format!("shop {option}=\"{wrong}\""));
            let expected = format!("WSGIDaemonProcess `shop`: {option}= takes ");
            assert!(text.starts_with(&expected), "{text}");
            assert!(text.contains(&format!(", not `{wrong}`")), "{text}");
        }
    }
}

#[test]
fn what_mod_wsgi_reads_of_a_number_is_offered() {
    assert_eq!(
        refuse("shop request-timeout=30s"),
        "WSGIDaemonProcess `shop`: request-timeout= takes a whole number of seconds from 0 to 2147483647, not `30s`; \
         mod_wsgi reads that as 30: write request-timeout=30 if that is meant"
    );
    assert_eq!(
        refuse("shop send-buffer-size=100k"),
        "WSGIDaemonProcess `shop`: send-buffer-size= takes 0 or a whole number of bytes from 512 to 2147483647, not `100k`; \
         write send-buffer-size=102400 if 100k is meant, of which mod_wsgi reads the digits only"
    );
    assert_eq!(
        refuse("shop memory-limit=2G"),
        "WSGIDaemonProcess `shop`: memory-limit= takes a whole number of bytes of at least 0, not `2G`; \
         write memory-limit=2147483648 if 2G is meant, of which mod_wsgi reads the digits only"
    );
}

#[test]
fn empty_values_are_refused_where_they_say_nothing() {
    for entry in &OPTIONS {
        let line = format!("shop {}=", entry.option);
        let may_be_empty = matches!(
            entry.rule,
            Rule::Text(_) | Rule::Locale(_) | Rule::Folders(_) | Rule::Groups(_)
        );
        if may_be_empty {
            accept(&line);
            continue;
        }
        let expected = format!(
            "WSGIDaemonProcess `shop`: the option {} has no value; it takes ",
            entry.option
        );
        let text = refuse(&line);
        assert!(text.starts_with(&expected), "{text}");
    }
    let empty = options("python-home='' python-path='' lang='' supplementary-groups=");
    assert_eq!(empty.python_home, None);
    assert_eq!(empty.lang, bytes(""));
    assert_eq!(empty.supplementary_groups, Some(Vec::new()));
}

#[test]
fn masks_are_octal_and_intervals_are_fractions_of_seconds() {
    for (text, mask) in [("0", 0), ("022", 0o22), ("0022", 0o22), ("7777", 0o7777)] {
        assert_eq!(options(&format!("umask={text}")).umask, Some(mask));
    }
    for wrong in ["8", "0o22", "-1", "10000", "22 ", "+2"] {
        refuse(&format!("shop umask='{wrong}'"));
    }
    for (text, nanoseconds) in [("1", 1_000_000_000), ("5e-3", 5_000_000), ("1e-12", 1)] {
        let interval = options(&format!("switch-interval={text}")).switch_interval;
        assert_eq!(interval, Some(nanoseconds));
    }
    for wrong in ["0", "-1", "inf", "nan", "1s", "3601"] {
        refuse(&format!("shop switch-interval={wrong}"));
    }
}

#[test]
fn paths_and_flags_and_accounts_are_checked() {
    for wrong in [
        "chroot=jail",
        "home=~",
        "server-metrics=yes",
        "user=#",
        "user=#12x",
        "user=#4294967295",
        "supplementary-groups=a,,b",
        "script-group=#-1",
    ] {
        let option = wrong.split('=').next().unwrap();
        let text = refuse(&format!("shop {wrong}"));
        let expected = format!("WSGIDaemonProcess `shop`: {option}= takes ");
        assert!(text.starts_with(&expected), "{text}");
    }
}

#[test]
fn root_is_blocked_by_number() {
    assert_eq!(
        refuse("shop user=#0"),
        "WSGIDaemonProcess `shop`: user=`#0` is blocked from running applications, it is root; \
         name a user without privileges"
    );
    // Group 0 is not root's power.
    assert_eq!(options("group=#0").group, Some(Account::Id(0)));
}

#[test]
fn lines_without_sense_are_refused_with_the_cure() {
    for (line, expected) in [
        (
            "",
            "WSGIDaemonProcess needs the name of a process group, then",
        ),
        (
            "\"\"",
            "WSGIDaemonProcess needs the name of a process group, then",
        ),
        (
            "processes=2 threads=3",
            "WSGIDaemonProcess needs the name of a process group before `processes=2`",
        ),
        ("%{GLOBAL}", "WSGIDaemonProcess cannot define `%{GLOBAL}`: "),
        ("%{ENV:x}", "WSGIDaemonProcess cannot define `%{ENV:x}`: "),
        (
            "shop extra",
            "WSGIDaemonProcess `shop`: `extra` is no option; ",
        ),
        ("shop =x", "WSGIDaemonProcess `shop`: `=x` is no option; "),
        (
            "shop threads= 5",
            "WSGIDaemonProcess `shop`: `threads` is no option; ",
        ),
        (
            "shop nonsense=1",
            "WSGIDaemonProcess `shop` has no option `nonsense`",
        ),
        (
            "shop Threads=1",
            "WSGIDaemonProcess `shop` has no option `Threads`; is `threads` meant?",
        ),
        (
            "shop thread=1",
            "WSGIDaemonProcess `shop` has no option `thread`; is `threads` meant?",
        ),
        (
            "shop proceses=1",
            "WSGIDaemonProcess `shop` has no option `proceses`; is `processes` meant?",
        ),
        (
            "shop pythonhom=/x",
            "WSGIDaemonProcess `shop` has no option `pythonhom`; is `python-home` meant?",
        ),
        (
            "shop script-user=a script-group=b",
            "WSGIDaemonProcess `shop`: script-user= and script-group= exclude each other",
        ),
    ] {
        let text = refuse(line);
        assert!(text.starts_with(expected), "{line}: {text}");
    }
    // Any other text with `=` may be a name.
    assert_eq!(accept("a=b").name, b"a=b");
}

#[test]
fn only_the_whole_word_names_the_group_in_display_names() {
    assert_eq!(
        options("display-name=%{GROUP}").display_name,
        bytes("(wsgi:shop)")
    );
    for text in ["x%{GROUP}", "%{group}", "app"] {
        assert_eq!(
            options(&format!("display-name={text}")).display_name,
            bytes(text)
        );
    }
}

const fn host(id: usize, is_virtual: bool, name: Option<&'static [u8]>) -> Host<'static> {
    Host {
        id,
        is_virtual,
        name,
    }
}

#[test]
fn a_group_is_for_its_server_and_for_those_of_the_same_name() {
    let main = host(0, false, Some(b"www.example"));
    let shop = host(1, true, Some(b"shop.example"));
    let secure_shop = host(2, true, Some(b"Shop.example"));
    let other = host(3, true, Some(b"other.example"));
    let nameless = host(4, true, None);
    let as_nameless = host(5, true, None);
    for (owner, user, expected) in [
        (main, main, Ok(())),
        (main, shop, Ok(())),
        (main, nameless, Ok(())),
        (shop, shop, Ok(())),
        (shop, secure_shop, Ok(())),
        (shop, other, Err(Inaccessible::OtherName)),
        (shop, main, Err(Inaccessible::OtherName)),
        (shop, nameless, Err(Inaccessible::NoName)),
        (nameless, shop, Err(Inaccessible::NoName)),
        (nameless, nameless, Ok(())),
        (nameless, as_nameless, Ok(())),
    ] {
        assert_eq!(may_use(owner, user), expected, "{owner:?} {user:?}");
    }
}

proptest! {
    #[test]
    fn any_line_gives_a_group_or_one_line_of_text(
        line in prop::collection::vec(1u8.., 0..60),
    ) {
        if let Err(error) = GroupDefinition::parse(&line) {
            let text = error.to_string();
            prop_assert!(text.starts_with(DIRECTIVE));
            prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
        }
    }

    #[test]
    fn any_value_of_any_option_gives_a_group_or_names_the_option(
        place in 0..44usize, value in "[ -~]{0,12}",
    ) {
        let option = OPTIONS[place].option;
        let line = format!("shop {option}='{}'", value.replace('\'', ""));
        if let Err(error) = GroupDefinition::parse(line.as_bytes()) {
            prop_assert!(error.to_string().contains(option), "{}: {}", line, error);
        }
    }

    #[test]
    fn every_number_within_the_range_comes_back(number in 0..=i32::MAX.unsigned_abs()) {
        let group = options(&format!("queue-timeout={number} memory-limit={number}"));
        prop_assert_eq!(group.queue_timeout, number);
        prop_assert_eq!(group.memory_limit, u64::from(number));
    }
}

//! The built Python layer, driven through `rsgi_bridge`'s public API as httpd's module does.
//!
//! Each test runs its cases in a child process of its own for every Python: one process can hold one. `host` has the
//! other side of the ABI in memory and the children; `cases` says what is expected. `RSGI_TEST_LAYER` names the
//! layer's file (target/debug's by default), `RSGI_TEST_PYTHONS` a list of homes, separated by colons.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is a failure")]

mod cases;
mod host;

use host::child;

/// Runs a group of cases in every Python.
fn in_every_python(group: &str) {
    let failures: Vec<String> = child::pythons()
        .iter()
        .filter_map(|home| child::run(home, group).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The same for what goes wrong in one of many processes: `RSGI_TEST_ROUNDS` says how many, else two.
fn in_every_python_again(group: &str) {
    let rounds = std::env::var("RSGI_TEST_ROUNDS");
    let rounds = rounds.map_or(2, |rounds| rounds.parse::<u32>().unwrap());
    for _ in 0..rounds {
        in_every_python(group);
    }
}

#[test]
fn responses_follow_pep_3333() {
    in_every_python("response");
}

#[test]
fn applications_that_fail_leave_the_next_request_alone() {
    in_every_python("failure");
}

#[test]
fn bodies_are_read_as_promised() {
    in_every_python("input");
}

#[test]
fn scripts_are_asked_outside_of_responses() {
    in_every_python("ask");
}

#[test]
fn a_daemon_is_replaced_when_its_script_changes() {
    in_every_python("daemon");
}

#[test]
fn a_service_ends_when_it_is_told_to() {
    in_every_python("service");
}

#[test]
fn an_interruption_hits_the_request_that_it_is_for_and_no_other() {
    in_every_python("interrupt");
}

#[test]
fn an_environ_is_that_of_its_request() {
    in_every_python("environ");
}

#[test]
fn an_environ_that_serves_again_has_nothing_of_an_earlier_request() {
    in_every_python("kept");
}

#[test]
fn workers_take_requests_in_order_and_several_in_a_row() {
    in_every_python("serve");
}

#[test]
fn a_thread_has_its_own_processors_in_its_turn() {
    in_every_python("turns");
}

#[test]
fn what_is_printed_is_logged() {
    in_every_python("log");
}

#[test]
fn scripts_are_loaded_and_reloaded() {
    in_every_python("script");
}

#[test]
fn interpreters_look_as_mod_wsgi_makes_them() {
    in_every_python("module");
}

#[test]
fn each_request_runs_in_the_interpreter_that_it_names() {
    in_every_python("groups");
}

#[test]
fn threads_that_end_give_back_what_they_had() {
    in_every_python("threads");
}

#[test]
fn memory_does_not_grow_with_requests() {
    in_every_python("memory");
}

#[test]
fn exit_functions_run_where_the_layer_owns_the_main_thread() {
    in_every_python("stop");
}

#[test]
fn exit_functions_run_where_the_host_gives_the_main_thread() {
    in_every_python("stop_own_thread");
}

#[test]
fn a_thread_that_never_ends_does_not_hold_the_end() {
    in_every_python("stuck");
}

#[test]
fn a_process_under_load_ends_whole_in_every_round() {
    in_every_python_again("stress");
}

#[test]
fn running_threads_can_be_looked_at_before_a_process_is_cut_in_every_round() {
    in_every_python_again("stress_cut");
}

#[test]
fn a_thread_that_crashed_can_be_looked_at_again_and_again() {
    in_every_python("stress_crash");
}

/// What [`child::run`] starts; does nothing otherwise.
#[test]
#[ignore = "the other tests run it in children"]
fn child_process() {
    if let Some((home, group)) = child::order() {
        cases::run(&home, &group);
    }
}

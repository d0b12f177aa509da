# Sourced by ci/unit and ci/e2e after common.sh: runs test programs, tries again what failed, and tells at the very end,
# behind everything else, what failed where and what it said.
# shellcheck shell=bash

# What failed, in the order in which it did: for each a line that begins with "##", then what it said.
failures=$(mktemp)
trap tell_failures EXIT

tell_failures() {
    local code=$?
    if [ -s "$failures" ]; then
        printf '\n== tests that failed, and what they said\n' >&2
        cat "$failures" >&2
        printf '\n== in short\n' >&2
        awk '/^##/ { left = 7 } left-- > 0 && NF' "$failures" >&2
    fi
    rm -f "$failures"
    return "$code"
}

# Tests that show that no request is lost are not tried again: what loses one in every second run would pass.
readonly once_is_enough='^daemon::(restart|kill|leftovers)::'

# The names of tests that failed, out of what a test program printed.
failed_tests() {
    sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$1" | sort -u
}

# Notes each test that failed: where ("embedded, try 1"), its name, and its panic with what followed.
note_failures() {
    local where=$1 output=$2 name
    while read -r name; do
        printf '\n## %s (%s)\n' "$name" "$where" >>"$failures"
        awk -v head="---- $name stdout ----" '
            $0 == head { inside = 1; next }
            inside && (/^---- .* stdout ----$/ || /^failures:$/) { inside = 0 }
            inside { line[++count] = $0; if (!begin && / panicked at /) begin = count }
            END {
                if (!begin) begin = 1
                for (i = begin; i <= count && i < begin + 40; i++) print substr(line[i], 1, 400)
                if (i <= count) print "... (" count - i + 1 " more lines above in the log)"
            }' "$output" >>"$failures"
    done < <(failed_tests "$output")
}

# Notes what became of each test in the file that RSGI_TEST_RESULTS names, for ci/matrix: where, test, verdict.
note_results() {
    [ -n "${RSGI_TEST_RESULTS:-}" ] || return 0
    sed -nE "s#^test ([^ ]+) \\.\\.\\. (ok|FAILED)\$#$1\t\1\t\2#p" "$2" >>"$RSGI_TEST_RESULTS"
}

# Waits, 20 s at most, until no more wants to run than there are cores for: what failed for want of time shall have it.
wait_for_calm() {
    local cores running calm=0
    cores=$(getconf _NPROCESSORS_ONLN)
    for _ in {1..40}; do
        sleep 0.5
        # Of "0.20 0.18 0.12 1/80 11206", how many run or could; one of them is the one that asks.
        running=$(sed 's|/.*||; s|.* ||' /proc/loadavg 2>/dev/null || echo 0)
        if [ "$running" -le $((cores + 1)) ]; then
            calm=$((calm + 1))
        else
            calm=0
        fi
        [ "$calm" -lt 4 ] || return 0
    done
}

# Whether all test programs whose output this is came to their end: one that was killed or stopped has not run all tests.
came_to_its_end() {
    local begun ended
    begun=$(grep -cE '^running [0-9]+ tests?$' "$1" || true)
    ended=$(grep -c '^test result: ' "$1" || true)
    [ "$begun" -gt 0 ] && [ "$begun" = "$ended" ]
}

# Runs tests, and then up to twice those that failed, one at a time and with the machine to themselves: with real
# processes, sockets and signals, many at once on two busy cores, a wait can run out that never does otherwise, and
# httpd has races of its own at its end (mod_mpm_event on SIGTERM). Each run that failed is told at the end.
#
#   run_tests WHERE MOST COMMAND ARGUMENT...
#
# What once_is_enough names is not tried again, and the run has failed whatever becomes of the others.
#
# COMMAND is called with the number of the try and arguments for test programs. More than MOST failures are no accident
# and not tried again.
run_tests() {
    local where=$1 most=$2 command=$3 try output names again lost=0
    shift 3
    output=$(mktemp)
    for try in 1 2 3; do
        if "$command" "$try" "$@" 2>&1 | tee "$output"; then
            note_results "$where" "$output"
            rm -f "$output"
            return "$lost"
        fi
        note_results "$where" "$output"
        note_failures "$where, try $try" "$output"
        mapfile -t names < <(failed_tests "$output")
        if [ ${#names[@]} = 0 ] || ! came_to_its_end "$output"; then
            printf '\n## %s, try %s: did not come to its end; the last it said:\n' "$where" "$try" >>"$failures"
            tail -n 20 "$output" | cut -c 1-400 >>"$failures"
            break
        fi
        if [ ${#names[@]} -gt "$most" ] || [ "$try" = 3 ]; then
            break
        fi
        mapfile -t again < <(printf '%s\n' "${names[@]}" | grep -vE "$once_is_enough")
        [ ${#again[@]} = ${#names[@]} ] || lost=1
        [ ${#again[@]} -gt 0 ] || break
        say "once more, one at a time, when the machine has time ($where, try $((try + 1))): ${again[*]}"
        wait_for_calm
        set -- --test-threads=1 --exact "${again[@]}"
    done
    rm -f "$output"
    return 1
}

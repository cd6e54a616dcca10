//! The shell and what it joins.

use crate::harness::same;

#[test]
fn statements_and_expansions() {
    same(
        r#"set -u; a=(1 2 "three four"); for i in "${a[@]}"; do echo "<$i>"; done
        f() { local x=$1; ((x > 0)) && { echo $x; f $((x - 1)); }; }; f 5
        case abc in a*) echo glob;; esac; echo {1..5} $((2**40)) "$(printf %05d 42)"
        cat <<E; wc -c <<< "here"; echo "${BASH_VERSION%%.*}" | tr -dc 0-9; [[ foo =~ ^f(o+)$ ]] && echo "${BASH_REMATCH[1]}"
        line
E
        exit 7"#,
    );
}

#[test]
fn redirections() {
    same(
        r#"echo one > f; echo two >> f; cat < f; ls nothing 2> err; wc -l < err; { echo a; echo b >&2; } 2>&1 | sort -r
        exec 5<> f; read -r x <&5; echo "$x"; echo three >&5; exec 5>&-; cat f; set -C; echo x > f; echo $?; echo y >| f; cat f
        cat <(echo proc) <(echo subst); echo tee | tee g h | cat - g h; mkfifo p; (echo fifo > p &) ; cat p"#,
    );
}

#[test]
fn pipelines_of_ten_stages_carry_100_megabytes() {
    same("head -c 100000000 /dev/zero | cat | cat | cat | tr '\\0' x | cat | cat | cat | cat | wc -c");
}

#[test]
fn pipe_status_and_sigpipe() {
    same(
        "yes | head -n 3; echo ${PIPESTATUS[@]}; false | true; echo $?; set -o pipefail; false | true; echo $?",
    );
}

#[test]
fn background_jobs_and_traps() {
    // A job says that it runs before it is killed: until then it is still the shell, with the shell's traps.
    same(
        r#"job() { rm -f up; sh -c 'echo > up; exec sleep 30' & while ! test -s up; do :; done; }
        sleep 0.2 & p=$!; wait $p; echo $?; (exit 3) & wait $!; echo $?; trap 'echo usr1' USR1; kill -USR1 $$; echo after; trap - USR1
        job; kill $!; wait $!; echo $?; job; kill -9 $!; wait $! 2>/dev/null; echo $?
        timeout 0.2 sleep 9; echo $?; (trap '' TERM; kill $BASHPID; echo survived); bash -c 'kill -SEGV $$'; echo $?; trap 'echo bye' EXIT"#,
    );
}

#[test]
fn many_short_processes() {
    same(
        "for i in $(seq 200); do /bin/true; done; for i in $(seq 50); do echo $i | cat; done | sort -n | tail -1",
    );
}

#[test]
fn job_control_in_a_script() {
    same(
        r#"set -m; sleep 100 & kill -STOP %1; while ! grep -q 'State:.T' /proc/$!/status; do :; done; jobs | sed 's/ \+/ /g'
        kill -CONT %1; kill %1; wait %1; echo $?"#,
    );
}

#[test]
fn ulimits_and_umask() {
    same(
        "umask 027; touch f; mkdir d; stat -c '%a %n' f d; ulimit -n 64; ulimit -n; (ulimit -f 1; head -c 9999 /dev/zero > big); echo $?; stat -c %s big",
    );
}

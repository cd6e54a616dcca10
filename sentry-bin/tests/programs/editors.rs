//! Editors and pagers without a terminal; with one they are tried elsewhere.

use crate::harness::same;

#[test]
fn vim_in_ex_mode() {
    // While vim waits for a command that runs long enough it looks for keys, and at the end of its input gives up: so there is no end.
    same(
        r#"printf 'one\ntwo\nthree\n' > f; mkfifo keys; exec <>keys
        vim -u NONE -es -c '%s/t/T/g' -c 'normal Gofour' -c 'wq' f; cat f; vim -u NONE -es -c 'r !sleep 0.2; echo shell' -c 'w! g' -c q f; cat g"#,
    );
}

#[test]
fn less_as_a_filter() {
    same("seq 1000 | less | tail -1; seq 5 > f; less f");
}

//! Editors and pagers without a terminal; with one they are tried elsewhere.

use crate::harness::same;

#[test]
fn vim_in_ex_mode() {
    same(
        r#"printf 'one\ntwo\nthree\n' > f; vim -u NONE -es -c '%s/t/T/g' -c 'normal Gofour' -c 'wq' f; cat f; vim -u NONE -es -c 'r !echo shell' -c 'w! g' -c q f; cat g"#,
    );
}

#[test]
fn less_as_a_filter() {
    same("seq 1000 | less | tail -1; seq 5 > f; less f");
}

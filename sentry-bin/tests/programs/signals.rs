//! Signals as whole programs see them.

use crate::harness::same;

#[test]
fn handlers_begin_with_floating_point_state_of_their_own() {
    let source = include_str!("floating_point.c");
    same(&format!("cat > fp.c <<'E'\n{source}E\ngcc -O1 -w -o fp fp.c && ./fp"));
}

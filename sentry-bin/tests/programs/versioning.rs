//! git.

use crate::harness::same;

#[test]
fn repository_of_a_thousand_files() {
    same(
        r#"export GIT_CONFIG_GLOBAL=$PWD/cfg GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
        git config --global user.name n; git config --global user.email e@example.org; git config --global init.defaultBranch main
        git init -q r; cd r; for d in $(seq 10); do mkdir d$d; for i in $(seq 100); do echo "file $d $i" > d$d/f$i; done; done
        git add -A; git commit -qm first; echo more >> d1/f1; git rm -q d2/f2; git commit -qam second; git log --oneline; git status --short | wc -l
        git gc -q; git fsck 2>&1; git clone -q . ../c; cd ../c; git rev-parse HEAD; find . -name 'f*' -path './d*' | wc -l; git diff HEAD~1 --stat | tail -1
        git checkout -qb b HEAD~1; echo z > d3/f3; git commit -qam third; git merge -q main -m merged; git log --oneline | wc -l; git stash list; git grep -c 'file 7 7$'"#,
    );
}

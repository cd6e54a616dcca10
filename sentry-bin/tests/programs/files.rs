//! Trees of files.

use crate::harness::{prints_as_root, same, same_in_do, same_on_root};

#[test]
fn long_listing_of_usr() {
    same("ls -lR /usr | wc -l");
}

#[test]
fn listing_of_system_trees_has_the_same_names() {
    same("find /usr /etc /bin/ -xdev | LC_ALL=C sort | sha256sum");
}

/// All but what the tests that run beside this one change, and what the kernel makes.
#[test]
fn listing_of_a_whole_root() {
    same_on_root(
        "find / -xdev \\( -path /tmp -o -path /root -o -path /proc -o -path /sys -o -path /dev \\) -prune -o -print | LC_ALL=C sort | sha256sum; find / -xdev | wc -l | grep -c .",
    );
}

#[test]
fn metadata_of_system_files() {
    // A sandbox of a user without privileges cannot tell all owners.
    let owners = if rustix::process::geteuid().is_root() { "%u %g" } else { "" };
    same(&format!(
        "find /etc -xdev -printf '%p %y %m {owners} %s %n %l %T@\\n' | LC_ALL=C sort | grep -v '^/etc/\\(resolv.conf\\|hosts\\|hostname\\|mtab\\) ' | grep -v '^/etc d ' | sha256sum",
    ));
}

#[test]
fn contents_of_system_files() {
    same(
        "find /usr/bin /usr/lib/x86_64-linux-gnu -maxdepth 1 -type f -size -2000k | LC_ALL=C sort | head -400 | xargs cat | sha256sum",
    );
}

#[test]
fn tar_and_xz() {
    same("tar c /usr/share/perl /usr/share/perl5 /usr/share/doc 2>/dev/null | xz -0 -T2 | tar tJ | wc -l");
}

#[test]
fn archives_restore_metadata() {
    same(
        r#"mkdir -p a/b; echo x > a/f; chmod 640 a/f; ln a/f a/hard; ln -s f a/soft; mkfifo a/p; touch -d @1000000000.5 a/b
        tar cf t.tar a; mkdir out; tar xpf t.tar -C out; find out ! -type d -printf '%P %y %m %n %s %l\n' | sort; find out -type d -printf '%P %m\n' | sort; stat -c %Y out/a/b
        cp -a a c; find c ! -type d -printf '%P %y %m %n %s %l\n' | sort; rm -rf a c; ls"#,
    );
}

#[test]
fn changes_over_the_hosts_tree_stay_inside() {
    same_in_do("test -e /etc/picket-was-here; echo $?");
    prints_as_root(
        "echo x > /etc/picket-was-here && cat /etc/picket-was-here && rm /etc/passwd && ! test -e /etc/passwd && echo y >> /etc/group && tail -1 /etc/group",
        "x\ny\n",
    );
    assert!(!std::path::Path::new("/etc/picket-was-here").exists());
    assert!(std::path::Path::new("/etc/passwd").exists());
}

#[test]
fn coreutils() {
    same(
        r#"seq 1000 > n; shuf --random-source=n n | sort -n | cmp - n && echo sorted; split -l 100 n part.; ls part.* | wc -l; cat part.* | md5sum
        dd if=/dev/zero of=z bs=64k count=16 conv=fsync 2>/dev/null; stat -c %s z; truncate -s 10M sparse; du -k sparse | cut -f1; du --apparent-size -k sparse | cut -f1
        cp --sparse=always sparse s2; cmp sparse s2 && echo same; ln -s n l; readlink -f l | sed 's,.*/,,'; realpath --relative-to=. n; mktemp XXXX | wc -c
        install -m 711 n inst; stat -c %a inst; touch -r n l2; test n -ot l2; echo $?; comm -12 <(sort n) <(seq 5 10 | sort); paste n n | tail -1; df . | wc -l; sync; sha256sum z; od -An -tx1 -N4 z; tac n | head -1"#,
    );
}

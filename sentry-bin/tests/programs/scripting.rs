//! Perl, awk, sed.

use crate::harness::same;

#[test]
fn perl() {
    same(
        r#"perl -e 'my %h; $h{$_ % 7}++ for 1..1000; print "$_=$h{$_} " for sort keys %h; print "\n"; open my $p, "-|", "seq 5" or die; print while <$p>; close $p;
        my $pid = fork // die; if (!$pid) { exit 9 } waitpid $pid, 0; print $? >> 8, "\n"; $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 60; }; print $@;
        use File::Temp; my $t = File::Temp->new; print $t "x" x 100; close $t; print -s $t->filename, "\n"; use Socket; socketpair my $a, my $b, AF_UNIX, SOCK_STREAM, 0; syswrite $a, "sock"; sysread $b, my $x, 9; print "$x\n"; print scalar(`id -u`); '"#,
    );
}

#[test]
fn awk_and_sed() {
    same(
        r#"seq 20000 | awk '{ s += $1; a[$1 % 10] += $1 } END { print s; for (i = 0; i < 10; i++) print i, a[i] }'
        seq 100 > f; sed -i 's/^1/x/; 50,60d' f; wc -l < f; head -3 f; sed -n '$p;5q' f; awk 'BEGIN { while (("seq 3" | getline l) > 0) print "got " l; print "z\na" | "sort"; close("sort"); system("exit 3") }'"#,
    );
}

//! SQLite.

use crate::harness::same;

#[test]
fn sqlite_imports_100_000_rows_and_uses_wal() {
    same(
        r#"seq 100000 | awk '{ print $1 "," $1 * 7 % 1000 ",name" $1 }' > in.csv
        sqlite3 db <<'E'
create table t(a integer primary key, b integer, c text);
.mode csv
.import in.csv t
.mode list
select count(*), sum(b), max(c) from t;
create index i on t(b);
pragma journal_mode=wal;
begin; update t set b = b + 1 where a % 10 = 0; commit;
select count(*) from t where b = 500; pragma integrity_check;
E
        sqlite3 -cmd '.timeout 60000' db 'insert into t values(200000, 1, "w"); select count(*) from t' & sqlite3 -cmd '.timeout 60000' db 'pragma wal_checkpoint(truncate); select 1' > /dev/null; wait; sqlite3 db 'select count(*) from t; vacuum; pragma integrity_check;'"#,
    );
}

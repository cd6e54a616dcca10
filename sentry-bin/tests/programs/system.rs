//! What the system says about itself.

use crate::harness::{both, prints_as_root, same};

#[test]
fn identity() {
    same(
        "id; id -u nobody; whoami; groups; su nobody -s /bin/sh -c 'id; echo $HOME; touch /etc/no 2>/dev/null || echo refused'; test -w /etc/passwd; echo $?",
    );
}

#[test]
fn machine() {
    same(
        "uname -sm; nproc; getconf PAGESIZE; getconf _NPROCESSORS_ONLN; grep -c ^processor /proc/cpuinfo; head -1 /proc/cpuinfo; grep -m1 'model name' /proc/cpuinfo",
    );
}

#[test]
fn processes() {
    both("sleep 100 & ps aux; ps -ef --forest | tail -3; ps -o pid,ppid,stat,comm -p $!; kill $!", |out| {
        let first = out.lines().next().unwrap_or_default();
        let sleep = out.lines().any(|l| l.contains("sleep 100"));
        if first.starts_with("USER") && first.contains("%CPU") && sleep {
            Ok(())
        } else {
            Err("no process list".into())
        }
    });
}

#[test]
fn top_runs_once() {
    both("top -b -n1", |out| {
        let ok = out.starts_with("top - ")
            && out.contains("Tasks:")
            && out.contains("COMMAND")
            && out.contains("top");
        if ok { Ok(()) } else { Err("no screen of top".into()) }
    });
}

#[test]
fn memory_and_disks() {
    both("free -m; df -P; df -i /; mount; cat /proc/self/mountinfo | wc -l", |out| {
        let ok = out.contains("Mem:")
            && out.contains("Filesystem")
            && out.contains(" on / type ")
            && out.contains(" on /proc type proc");
        if ok { Ok(()) } else { Err("something is missing".into()) }
    });
}

#[test]
fn every_file_of_proc_self_can_be_read() {
    same(
        "cd /proc/self; for f in cmdline comm environ limits maps mounts mountinfo stat statm status io oom_score_adj smaps; do test -n \"$(tr -d '\\0' < $f)\" && echo $f; done; ls -l /proc/self/exe | sed 's/.*-> //'; readlink /proc/self/cwd | sed 's,[0-9][0-9]*,PID,'; ls /proc/self/task | wc -l",
    );
}

#[test]
fn dates_and_sleep() {
    both(
        "a=$(date +%s%N); sleep 0.3; b=$(date +%s%N); echo $(( (b - a) / 100000000 )); date +%Y; time -p true",
        |out| {
            let tenths: u64 = out.lines().next().and_then(|l| l.parse().ok()).unwrap_or(0);
            if tenths >= 3 && out.contains("20") { Ok(()) } else { Err(format!("slept {tenths} tenths")) }
        },
    );
}

#[test]
fn processors_and_their_caches() {
    same(
        "cd /sys/devices/system/cpu; grep -r . online possible present cpu*/topology/*id cpu*/topology/*siblings* cpu*/topology/core_cpus* cpu*/topology/cluster_cpus* cpu*/topology/package_cpus* cpu0/cache | grep -v 'shared_cpu\\|/id:' | sort;  readlink cpu0/node0; python3 -c 'import os; print(os.cpu_count(), sorted(os.sched_getaffinity(0)))'; lscpu | grep -v -i 'vulnerab\\|mhz\\|scaling\\|cache\\|numa' | sed 's/:  */: /'; stat -f -c %T /sys",
    );
}

#[test]
fn there_are_no_block_devices_and_modules() {
    both("lsblk; ls /sys/class/block /sys/module | cat; mount -t sysfs | cut -d' ' -f1-5", |out| {
        if out.contains("sysfs on /sys type sysfs") { Ok(()) } else { Err("no sysfs".into()) }
    });
}

#[test]
fn clocks_are_told_by_the_vdso() {
    same(
        "grep -o 'r-xp 00000000 00:00 0  *.vdso.' /proc/self/maps; grep -c 'r--p .*.vvar.$' /proc/self/maps",
    );
}

#[test]
fn root_sets_parameters_of_the_sandbox() {
    prints_as_root(
        "cd /proc/sys/fs; cat pipe-max-size; echo 5000 >pipe-max-size; cat pipe-max-size; \
         echo -1 >pipe-max-size || echo refused; \
         echo 1 >inotify/max_user_instances; cat inotify/max_user_instances; \
         python3 -c 'import ctypes; c = ctypes.CDLL(None); print(c.inotify_init() > 0, c.inotify_init())'",
        "1048576\n8192\nrefused\n1\nTrue -1\n",
    );
}

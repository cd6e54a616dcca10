//! Python and its ways of running things side by side.

use crate::harness::same;

#[test]
fn unittest() {
    same(
        r#"cat > test_it.py <<'E'
import unittest, tempfile, os, json, decimal, hashlib, threading
class T(unittest.TestCase):
    def test_files(self):
        with tempfile.TemporaryDirectory() as d:
            p = os.path.join(d, "x"); open(p, "w").write("hello"); self.assertEqual(open(p).read(), "hello")
    def test_hash(self): self.assertEqual(len(hashlib.sha256(b"x").hexdigest()), 64)
    def test_thread(self):
        out = []; t = [threading.Thread(target=out.append, args=(i,)) for i in range(20)]
        [x.start() for x in t]; [x.join() for x in t]; self.assertEqual(sorted(out), list(range(20)))
E
/usr/bin/python3 -W ignore -m unittest -v 2>&1 | grep -v Ran"#,
    );
}

#[test]
fn subprocesses() {
    same(
        r#"/usr/bin/python3 - <<'E'
import subprocess as s, sys, signal, os
print(s.run(["echo", "hi"], capture_output=True).stdout)
print(s.run(["sh", "-c", "exit 5"]).returncode, s.run("kill -9 $$", shell=True).returncode)
p = s.Popen(["cat"], stdin=s.PIPE, stdout=s.PIPE); print(len(p.communicate(b"x" * 1000000)[0]))
p = s.Popen(["sleep", "60"], start_new_session=True); os.killpg(p.pid, signal.SIGTERM); print(p.wait())
try: s.run(["sleep", "9"], timeout=.2)
except s.TimeoutExpired: print("timeout")
try: s.run(["/no/such/program"])
except FileNotFoundError as e: print(e.errno)
print(s.check_output([sys.executable, "-c", "import os; print(os.getcwd() == os.environ['PWD'], len(os.listdir('/proc/self/fd')))"]))
E"#,
    );
}

#[test]
fn multiprocessing_by_fork_and_spawn() {
    same(
        r#"cat > m.py <<'E'
import multiprocessing as mp, os
def sq(x): return x * x
def put(q, n):
    for i in range(n): q.put(i)
def main():
    for how in ("fork", "spawn"):
        c = mp.get_context(how)
        with c.Pool(3) as p: print(how, sum(p.map(sq, range(200))))
        q = c.Queue(); ps = [c.Process(target=put, args=(q, 50)) for _ in range(3)]
        [p.start() for p in ps]; print(sum(q.get() for _ in range(150))); [p.join() for p in ps]; print([p.exitcode for p in ps])
        v = c.Value("i", 0); a, b = c.Pipe(); a.send({"x": [1, 2]}); print(b.recv(), v.value)
if __name__ == "__main__": main()
E
/usr/bin/python3 m.py"#,
    );
}

#[test]
fn threads_and_locks() {
    same(
        r#"/usr/bin/python3 - <<'E'
import threading, queue, concurrent.futures as cf, time
q = queue.Queue(5); total = []
def prod():
    for i in range(500): q.put(i)
def cons():
    while (x := q.get()) is not None: total.append(x)
ps = [threading.Thread(target=prod) for _ in range(3)]; cs = [threading.Thread(target=cons) for _ in range(3)]
[t.start() for t in ps + cs]; [t.join() for t in ps]; [q.put(None) for _ in cs]; [t.join() for t in cs]; print(len(total), sum(total))
with cf.ThreadPoolExecutor(8) as e: print(sum(e.map(lambda x: x + 1, range(1000))))
c = threading.Condition(); ok = []
def w():
    with c: c.wait_for(lambda: ok)
ts = [threading.Thread(target=w) for _ in range(10)]; [t.start() for t in ts]
with c: ok.append(1); c.notify_all()
[t.join(60) for t in ts]; print([t.is_alive() for t in ts].count(True)); e = threading.Event(); print(e.wait(.05))
b = threading.Barrier(4); r = []; ts = [threading.Thread(target=lambda: r.append(b.wait())) for _ in range(4)]; [t.start() for t in ts]; [t.join() for t in ts]; print(sorted(r))
E"#,
    );
}

#[test]
fn asyncio_with_subprocesses() {
    same(
        r#"/usr/bin/python3 - <<'E'
import asyncio, sys
async def sub(i):
    p = await asyncio.create_subprocess_exec("sh", "-c", f"read x; echo got $x; exit {i}", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await p.communicate(b"v%d\n" % i); return out, p.returncode
async def main():
    print(await asyncio.gather(*[sub(i) for i in range(8)]))
    try: await asyncio.wait_for(asyncio.sleep(9), .1)
    except asyncio.TimeoutError: print("timeout")
    q = asyncio.Queue(2)
    async def p():
        for i in range(100): await q.put(i)
    t = asyncio.create_task(p()); print(sum([await q.get() for _ in range(100)])); await t
    print(await asyncio.to_thread(lambda: 42))
    async def serve(r, w): w.write((await r.readline()).upper()); await w.drain(); w.close()
    s = await asyncio.start_unix_server(serve, "s"); r, w = await asyncio.open_unix_connection("s"); w.write(b"hello\n"); print(await r.read()); s.close()
asyncio.run(main())
E"#,
    );
}

#[test]
fn memory_maps_and_signals() {
    same(
        r#"/usr/bin/python3 - <<'E'
import mmap, os, signal, select, time, fcntl, struct
f = open("m", "w+b"); f.truncate(1 << 20); m = mmap.mmap(f.fileno(), 0); m[5:10] = b"hello"; m.flush(); f.seek(5); print(f.read(5))
a = mmap.mmap(-1, 4096)
if os.fork() == 0: a[:3] = b"kid"; os._exit(4)
print(os.waitstatus_to_exitcode(os.wait()[1]), a[:3]); got = []
signal.signal(signal.SIGALRM, lambda *_: got.append(1)); signal.setitimer(signal.ITIMER_REAL, .05, .02)
while len(got) < 3: signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0); print("alarms"); r, w = os.pipe(); print(select.select([r], [w], [], 0)[1] == [w])
p = select.poll(); p.register(r, select.POLLIN); print(p.poll(10)); os.write(w, b"x"); print(p.poll(10) == [(r, 1)]); e = select.epoll(); e.register(r, select.EPOLLIN | select.EPOLLET); print(len(e.poll(1)), len(e.poll(0)))
fcntl.flock(f, fcntl.LOCK_EX); print(os.sysconf("SC_PAGESIZE"), os.cpu_count() > 0); signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}); os.kill(os.getpid(), signal.SIGUSR1); print(signal.sigpending(), signal.sigwait({signal.SIGUSR1}))
E"#,
    );
}

//! Programs that put themselves under filters of system calls.

use crate::harness::same;

#[test]
fn python_forbids_itself_directories() {
    same(
        r#"cat > forbid.py <<'E'
import ctypes, errno, os, struct, subprocess
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
RET_ERRNO, RET_ALLOW, MKDIR, MKDIRAT = 0x50000, 0x7fff0000, 83, 258
program = [(0x20, 0, 0, 0), (0x15, 1, 0, MKDIR), (0x15, 0, 1, MKDIRAT), (6, 0, 0, RET_ERRNO | errno.EROFS), (6, 0, 0, RET_ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in program))
class Prog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
print(libc.syscall(317, 1, 0, ctypes.byref(Prog(len(program), ctypes.addressof(code)))))
try:
    os.mkdir("one")
except OSError as e:
    print(e)
print(subprocess.run(["mkdir", "two"], stderr=subprocess.PIPE, text=True).stderr, end="")
print([l for l in open("/proc/self/status") if "Seccomp" in l])
E
python3 forbid.py; ls"#,
    );
}

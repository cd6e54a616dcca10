//! A pseudoterminal pair: its state, and what its two sides do to each other.

use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};

use abi::fs::termios::*;
use kcore::io::{IoError, IoResult, IoSink, IoSource};
use kcore::job::{ControllingTty, ProcessGroup, Session};
use kcore::sync::{LockClass, Mutex};
use kcore::wait::{Events, WaitQueue};

use super::discipline::{Effects, LineDiscipline};
use super::modes::Modes;
use crate::Errno;
use crate::attr::make_dev;

// Guest memory is copied under it; signals, whose locks rank lower, are sent after it is released.
static TERMINAL: LockClass = LockClass::new("terminal", 370);

/// Bytes that the master's side can write before the line discipline takes them.
const PENDING_LIMIT: usize = 8192;
/// Major device number of the slave sides.
const SLAVE_MAJOR: u32 = 136;

/// A pseudoterminal pair.
pub struct Terminal {
    index: u32,
    me: Weak<Terminal>,
    state: Mutex<State>,
    /// Who waits on the slave's side.
    pub(super) slave_queue: WaitQueue,
    /// Who waits on the master's side.
    pub(super) master_queue: WaitQueue,
}

pub(super) struct State {
    pub(super) discipline: LineDiscipline,
    /// Typed, and not taken by the discipline yet because its queue is full.
    pub(super) pending: VecDeque<u8>,
    /// The master's side stopped typing (`TCXONC`).
    pub(super) master_held: bool,
    pub(super) window: Winsize,
    pub(super) packet: bool,
    pub(super) packet_status: u8,
    /// The slave's side cannot be opened yet (`TIOCSPTLCK`).
    pub(super) locked: bool,
    pub(super) exclusive: bool,
    pub(super) master_open: bool,
    pub(super) slaves: usize,
    /// The slave's side was open once.
    pub(super) was_open: bool,
    /// How often it hung up: files opened before are dead.
    pub(super) hangups: u64,
    pub(super) session: Option<Arc<dyn Session>>,
    pub(super) foreground: Option<Arc<dyn ProcessGroup>>,
}

impl Terminal {
    /// A pair with this number, whose master's side is open and whose slave's side is locked.
    pub fn new(index: u32) -> Arc<Terminal> {
        let state = State {
            discipline: LineDiscipline::default(),
            pending: VecDeque::new(),
            master_held: false,
            window: Winsize::default(),
            packet: false,
            packet_status: 0,
            locked: true,
            exclusive: false,
            master_open: true,
            slaves: 0,
            was_open: false,
            hangups: 0,
            session: None,
            foreground: None,
        };
        Arc::new_cyclic(|me| Terminal {
            index,
            me: me.clone(),
            state: Mutex::new(&TERMINAL, state),
            slave_queue: WaitQueue::new(),
            master_queue: WaitQueue::new(),
        })
    }
    /// The terminal that a session holds.
    pub fn of(tty: ControllingTty) -> Option<Arc<Terminal>> {
        tty.downcast().ok()
    }
    /// Its number in `/dev/pts`.
    pub fn index(&self) -> u32 {
        self.index
    }
    /// Device number of its slave's side.
    pub fn rdev(&self) -> u64 {
        make_dev(SLAVE_MAJOR, self.index)
    }
    /// Whether its master's side is open; otherwise nothing can be done with it any more.
    pub fn is_live(&self) -> bool {
        self.state.lock().master_open
    }
    /// The settings.
    pub fn modes(&self) -> Modes {
        *self.state.lock().discipline.modes()
    }
    /// The foreground process group.
    pub fn foreground(&self) -> Option<Arc<dyn ProcessGroup>> {
        self.state.lock().foreground.clone()
    }
    /// The session whose controlling terminal it is.
    pub fn session(&self) -> Option<Arc<dyn Session>> {
        self.state.lock().session.clone()
    }
    /// Size of the window.
    pub fn window(&self) -> Winsize {
        self.state.lock().window
    }
    /// Sets the size of the window; the foreground process group gets `SIGWINCH` if it changed.
    pub fn set_window(&self, new: Winsize) {
        const SIGWINCH: i32 = 28;
        let foreground = {
            let mut s = self.state.lock();
            if s.window == new {
                return;
            }
            s.window = new;
            s.foreground.clone()
        };
        if let Some(f) = foreground {
            f.signal(SIGWINCH);
        }
    }
    pub(super) fn arc(&self) -> Option<Arc<Terminal>> {
        self.me.upgrade()
    }
    /// Looks at the state, or changes what nobody waits for.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.state.lock())
    }
    /// Changes the state, then sends the signals and does the wakes that follow. Who found nothing to do wakes nobody: it may be
    /// about to wait on the same queue.
    pub(super) fn update<R>(&self, f: impl FnOnce(&mut State, &mut Effects) -> R) -> R {
        let mut fx = Effects::default();
        let (result, foreground, changed) = {
            let mut s = self.state.lock();
            let before = s.level();
            let result = f(&mut s, &mut fx);
            s.pump(&mut fx);
            s.note_packet(fx.packet);
            (result, s.foreground.clone(), s.level() != before)
        };
        if let Some(group) = foreground {
            for sig in fx.signals {
                group.signal(sig);
            }
        }
        if changed {
            self.slave_queue.wake(Events::READABLE | Events::WRITABLE);
            self.master_queue.wake(Events::READABLE | Events::WRITABLE | Events::PRI);
        }
        result
    }
    /// Types: what the keyboard's side writes. Errors: `Again` while programs do not read; the source's.
    pub fn master_write(&self, src: &mut dyn IoSource) -> IoResult<usize> {
        self.update(|s, fx| {
            let mut done = 0;
            while src.remaining() > 0 {
                let room = PENDING_LIMIT.saturating_sub(s.pending.len());
                if room == 0 || s.master_held {
                    return if done > 0 { Ok(done) } else { Err(IoError::Again) };
                }
                let mut buf = [0u8; 512];
                let want = buf.len().min(room).min(src.remaining());
                let n = match src.read(&mut buf[..want]) {
                    Ok(n) => n,
                    Err(_) if done > 0 => break,
                    Err(e) => return Err(e.into()),
                };
                s.pending.extend(&buf[..n]);
                s.pump(fx);
                done += n;
                if n < want {
                    break;
                }
            }
            Ok(done)
        })
    }
    /// Gives output to the screen's side; in packet mode with a byte before it that says what it is.
    /// Errors: `Again` if there is none; `EIO` once the slave's side was closed; the sink's.
    pub fn master_read(&self, dst: &mut dyn IoSink) -> IoResult<usize> {
        let n = {
            let mut s = self.state.lock();
            if s.packet && s.packet_status != 0 {
                let status = core::mem::take(&mut s.packet_status);
                return Ok(dst.write(&[status])?);
            }
            if s.discipline.output_len() == 0 {
                return Err(if s.is_other_closed() { Errno::EIO.into() } else { IoError::Again });
            }
            if s.packet {
                if dst.write(&[TIOCPKT_DATA])? == 0 {
                    return Ok(0);
                }
                if dst.remaining() == 0 { 1 } else { 1 + s.discipline.take_output(dst).unwrap_or(0) }
            } else {
                s.discipline.take_output(dst)?
            }
        };
        self.slave_queue.wake(Events::WRITABLE);
        Ok(n)
    }
    /// What of `want` is ready on the master's side.
    pub fn master_ready(&self, want: Events) -> Events {
        let s = self.state.lock();
        let mut now = Events::empty();
        if s.discipline.output_len() > 0 {
            now |= Events::READABLE;
        }
        if s.packet && s.packet_status != 0 {
            now |= Events::READABLE | Events::PRI;
        }
        if s.pending.len() < PENDING_LIMIT && !s.master_held {
            now |= Events::WRITABLE;
        }
        if s.is_other_closed() {
            now |= Events::HUP;
        }
        now & (want | Events::ALWAYS)
    }
    /// Where to wait for readiness of the master's side.
    pub fn master_queue(&self) -> &WaitQueue {
        &self.master_queue
    }
    /// Lets the slave's side be opened.
    pub fn unlock(&self) {
        self.state.lock().locked = false;
    }
}

/// All that waiters go by.
#[derive(PartialEq, Eq)]
struct Level {
    modes: Modes,
    pending: usize,
    input: (usize, bool),
    output: (usize, bool),
    held: bool,
    packet: u8,
}

impl State {
    fn level(&self) -> Level {
        let d = &self.discipline;
        Level {
            modes: *d.modes(),
            pending: self.pending.len(),
            input: (d.input_len(), d.can_read()),
            output: (d.output_len(), d.can_write()),
            held: self.master_held,
            packet: self.packet_status,
        }
    }
    /// Gives the discipline what was typed, as far as it takes that.
    pub(super) fn pump(&mut self, fx: &mut Effects) {
        let n = self.discipline.receive(self.pending.make_contiguous(), fx);
        self.pending.drain(..n);
    }
    /// Types a control character, unless it is none. Without room it is lost.
    pub(super) fn type_key(&mut self, c: u8) {
        if c != 0 && self.pending.len() < PENDING_LIMIT {
            self.pending.push_back(c);
        }
    }
    /// Whether the slave's side was open and is not any more.
    pub(super) fn is_other_closed(&self) -> bool {
        self.was_open && self.slaves == 0
    }
    /// Remembers news for the master's side, where a start undoes a stop.
    pub(super) fn note_packet(&mut self, bits: u8) {
        if !self.packet {
            return;
        }
        for (one, other) in [(TIOCPKT_STOP, TIOCPKT_START), (TIOCPKT_NOSTOP, TIOCPKT_DOSTOP)] {
            if bits & one != 0 {
                self.packet_status &= !other;
            }
            if bits & other != 0 {
                self.packet_status &= !one;
            }
        }
        self.packet_status |= bits;
    }
}

impl core::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Terminal({})", self.index)
    }
}

#[cfg(test)]
mod tests {
    use alloc::task::Wake;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::Waker;

    use kcore::io::SliceSource;
    use kcore::wait::WaitSet;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_must_wait_does_not_wake_itself() {
        let tty = Terminal::new(0);
        let woken = Arc::new(Count::default());
        let set = WaitSet::one(tty.master_queue(), Events::WRITABLE);
        let registration = set.register(&Waker::from(woken.clone()));
        while tty.master_write(&mut SliceSource::new(b"typed for nobody\n")).is_ok() {}
        let before = woken.0.load(Ordering::Relaxed);
        assert!(before > 0, "what was typed can be seen");
        assert_eq!(tty.master_write(&mut SliceSource::new(b"x")), Err(IoError::Again));
        assert_eq!(woken.0.load(Ordering::Relaxed), before);
        drop(registration);
    }
    #[test]
    fn keys_that_nobody_takes_are_bounded() {
        let tty = Terminal::new(0);
        tty.with(|s| (0..2 * PENDING_LIMIT).for_each(|_| s.type_key(b'q')));
        assert_eq!(tty.with(|s| s.pending.len()), PENDING_LIMIT);
    }
}

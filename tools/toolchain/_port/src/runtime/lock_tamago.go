// This file is part of Mortise's port of GOOS=tamago.

//go:build tamago

package runtime

import (
	"internal/runtime/atomic"
	"math"
	board "runtime/goos"
	"unsafe"
)

// One thread, and who holds a mutex is not preempted: a mutex is never
// contended, and waiting for a note means letting other goroutines run.

const (
	mutex_unlocked = 0
	mutex_locked   = 1

	active_spin     = 4
	active_spin_cnt = 30
)

type mWaitList struct{}

func lockVerifyMSize() {}

func mutexContended(l *mutex) bool { return false }

func lock(l *mutex) {
	lockWithRank(l, getLockRank(l))
}

func lock2(l *mutex) {
	if l.key == mutex_locked {
		throw("self deadlock")
	}
	gp := getg()
	if gp.m.locks < 0 {
		throw("lock count")
	}
	gp.m.locks++
	l.key = mutex_locked
}

func unlock(l *mutex) {
	unlockWithRank(l)
}

func unlock2(l *mutex) {
	if l.key == mutex_unlocked {
		throw("unlock of unlocked lock")
	}
	gp := getg()
	gp.m.locks--
	if gp.m.locks < 0 {
		throw("lock count")
	}
	l.key = mutex_unlocked
}

// A note is a one-time event, see note_other.go. Here its waiter is a
// goroutine.
type note struct {
	woken bool
	gp    guintptr // parked on the note; no write barriers in notewakeup
}

func noteclear(n *note) {
	n.woken = false
}

func notewakeup(n *note) {
	if n.woken {
		throw("notewakeup - double wakeup")
	}
	gp := n.gp.ptr()
	n.gp = 0
	n.woken = true
	if gp != nil {
		goready(gp, 1)
	}
}

// notesleep and notetsleep block the thread, that is the machine. Only code
// for several threads calls them.
func notesleep(n *note) {
	throw("notesleep: GOOS=tamago has one thread")
}

func notetsleep(n *note, ns int64) bool {
	throw("notetsleep: GOOS=tamago has one thread")
	return false
}

// notetsleepg waits on a goroutine's stack until the note is woken or, with
// ns >= 0, that time has passed.
func notetsleepg(n *note, ns int64) bool {
	gp := getg()
	if gp == gp.m.g0 {
		throw("notetsleepg on g0")
	}

	if ns >= 0 {
		deadline := nanotime() + ns
		for !n.woken && nanotime() < deadline {
			Gosched()
		}
		return n.woken
	}

	for !n.woken {
		gopark(notePark, unsafe.Pointer(n), waitReasonZero, traceBlockGeneric, 1)
	}
	return true
}

// notePark runs on the system stack when gp is already waiting: a goroutine
// that is preempted on its way there must not be made ready.
func notePark(gp *g, n unsafe.Pointer) bool {
	if (*note)(n).woken {
		return false
	}
	(*note)(n).gp.set(gp)
	return true
}

// beforeIdle is called by the scheduler when no goroutine is runnable and none
// is due before pollUntil, 0 meaning never. The thread never parks: the board
// idles, then the scheduler looks again.
func beforeIdle(now, pollUntil int64) (gp *g, otherReady bool) {
	if board.Idle == nil || atomic.Load8(&relayedAny) != 0 {
		return nil, true
	}
	until := pollUntil
	if until == 0 {
		until = math.MaxInt64
	}
	if now == 0 {
		now = nanotime()
	}
	board.Idle(until)
	sched.idleTime.Add(nanotime() - now)
	return nil, true
}

func checkTimeouts() {}

package qemu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestWire(t *testing.T) {
	w, err := NewWire()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	emulator := int(w.peer.Fd())
	frame := bytes.Repeat([]byte{0xa5}, 60)
	if err := w.Send(frame); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, maxFrame)
	if n, err := syscall.Read(emulator, buf); err != nil || !bytes.Equal(buf[:n], frame) {
		t.Errorf("emulator got % x, %v, want % x", buf[:max(n, 0)], err, frame)
	}
	for i := range 3 {
		if _, err := syscall.Write(emulator, append(frame, byte(i))); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := w.Receive(patience); err != nil || !bytes.Equal(got, append(frame, 0)) {
		t.Errorf("Receive = % x, %v", got, err)
	}
	if got, ok := w.Poll(); !ok || !bytes.Equal(got, append(frame, 1)) {
		t.Errorf("Poll = % x, %v", got, ok)
	}
	if n := w.Drain(); n != 1 {
		t.Errorf("Drain = %d, want 1", n)
	}
	if _, ok := w.Poll(); ok {
		t.Error("Poll returned a frame that nobody sent")
	}
	if _, err := w.Receive(time.Millisecond); !errors.Is(err, ErrTimeout) {
		t.Errorf("Receive: %v, want ErrTimeout", err)
	}
}

// mirror does what a filter-mirror does with a frame: its length, then the frame, each write tried until there is room.
func mirror(fd int, frame []byte) {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(frame)))
	for _, b := range [][]byte{length, frame} {
		for {
			if err := syscall.Sendto(fd, b, syscall.MSG_DONTWAIT, nil); err != syscall.EAGAIN {
				break
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
}

func TestBarrier(t *testing.T) {
	b, err := NewBarrier()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	const frames = 200
	entered := make(chan int, frames) // numbers of the frames that are past the barrier
	go func() {
		for i := range frames {
			frame := bytes.Repeat([]byte{byte(i)}, 60+i*7)
			mirror(b.gates[0].fill, frame)
			mirror(b.gates[1].fill, frame)
			entered <- i
		}
	}()
	for i := range frames {
		frame, err := b.Wait(patience)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if want := bytes.Repeat([]byte{byte(i)}, 60+i*7); !slices.Equal(frame, want) {
			t.Fatalf("frame %d: got % x", i, frame)
		}
		select {
		case n := <-entered:
			t.Fatalf("frame %d is past the barrier before Pass", n)
		default:
		}
		if err := b.Pass(); err != nil {
			t.Fatal(err)
		}
		if n := <-entered; n != i {
			t.Fatalf("frame %d passed, want %d", n, i)
		}
	}
}

func TestBarrierMisuse(t *testing.T) {
	b, err := NewBarrier()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Pass(); err == nil {
		t.Error("Pass with no frame waiting: no error")
	}
	if _, err := b.Wait(time.Millisecond); !errors.Is(err, ErrTimeout) {
		t.Errorf("Wait: %v, want ErrTimeout", err)
	}
}

func TestBarrierAbandoned(t *testing.T) {
	b, err := NewBarrier()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	time.AfterFunc(10*time.Millisecond, b.abandon)
	if _, err := b.Wait(patience); !errors.Is(err, errEnded) {
		t.Errorf("Wait: %v, want %v", err, errEnded)
	}
}

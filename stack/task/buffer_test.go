package task

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// Random messages against a list, over many turns of the ring.
func TestRingModel(t *testing.T) {
	fresh(t)
	b, p, err := NewBuffer(0, 64, 1024)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	var sent [][]byte
	words := 0
	for range 50_000 {
		if random.Uint32N(2) == 0 {
			m := make([]byte, random.Uint32N(MaxMessage+1))
			for i := range m {
				m[i] = byte(random.Uint32())
			}
			need := 1 + (len(m)+3)/4
			fits := words+need <= 1024/4
			if got := b.Send(m); got != fits {
				t.Fatalf("Send of %d bytes with %d of 256 words taken = %v", len(m), words, got)
			}
			if fits {
				sent = append(sent, m)
				words += need
			}
			continue
		}
		buf := make([]byte, MaxMessage)
		n, ok, err := p.TryRead(buf)
		if ok != (len(sent) > 0) || err != nil {
			t.Fatalf("TryRead = %v, %v with %d messages", ok, err, len(sent))
		}
		if ok {
			if !bytes.Equal(buf[:n], sent[0]) {
				t.Fatalf("got % x, want % x", buf[:n], sent[0])
			}
			words -= 1 + (n+3)/4
			sent = sent[1:]
		}
	}
	if _, refused := p.Refused(); refused == 0 {
		t.Error("no message was refused")
	}
}

// Both ends at once, under the race detector: everything arrives, once, in order.
func TestPipeConcurrently(t *testing.T) {
	fresh(t)
	b, p, err := NewBuffer(0, 4096, 4096)
	if err != nil {
		t.Fatal(err)
	}
	const messages = 20_000
	done := make(chan error)
	go func() { // in-band
		for n := range messages {
			m := []byte{byte(n), byte(n >> 8), byte(n >> 16)}
			for {
				if ok := buffers[b].in.put(m[:1+n%3]); ok {
					break
				}
			}
		}
		done <- nil
	}()
	for n := 0; n < messages; {
		var m [3]byte
		size, ok := b.Receive(m[:])
		if !ok {
			continue
		}
		if want := [3]byte{byte(n), byte(n >> 8), byte(n >> 16)}; size != 1+n%3 || !bytes.Equal(m[:size], want[:size]) {
			t.Fatalf("message %d is % x", n, m[:size])
		}
		n++
	}
	if err := <-done; err != nil || p.task != 0 {
		t.Fatal(err)
	}
}

func TestPipe(t *testing.T) {
	fresh(t, Config{ID: 4, Name: "echo"})
	b, p, err := NewBuffer(4, 300, 2000)
	if err != nil {
		t.Fatal(err)
	}
	start()
	host.kick = func() { activation(false); Woken() }
	host.run = func(id uint32) {
		var m [MaxMessage]byte
		for range 4 {
			n, ok := b.Receive(m[:])
			if !ok {
				return
			}
			b.Send(m[:n])
		}
	}
	got := make(chan string)
	go func() {
		buf := make([]byte, MaxMessage)
		for range 3 {
			n, err := p.Read(buf)
			if err != nil {
				t.Error(err)
			}
			got <- string(buf[:n])
		}
	}()
	for _, m := range []string{"a", "", strings.Repeat("long", 64)} {
		if n, err := io.WriteString(p, m); n != len(m) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		if echo := <-got; echo != m {
			t.Errorf("got %q, want %q", echo, m)
		}
	}
	if _, err := p.Write(make([]byte, MaxMessage+1)); err == nil {
		t.Errorf("a message of %d bytes: no error", MaxMessage+1)
	}
	if b.Send(make([]byte, MaxMessage+1)) {
		t.Errorf("Send of %d bytes = true", MaxMessage+1)
	}
	b.Send([]byte("four"))
	if n, ok, err := p.TryRead(make([]byte, 2)); n != 2 || !ok || !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("TryRead into two bytes = %d, %v, %v", n, ok, err)
	}
	host.run = func(uint32) {} // takes nothing
	for n := 0; ; n++ {
		if _, err := p.Write(make([]byte, 60)); errors.Is(err, ErrFull) {
			if n != 8 { // 512 bytes
				t.Errorf("%d messages fit, want 8", n)
			}
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestPipeStream(t *testing.T) {
	fresh(t)
	b, p, err := NewBuffer(0, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	p.Stream()
	b.Send([]byte("one long message, "))
	b.Send([]byte("another"))
	signalPipes()
	var got []byte
	for len(got) < 25 {
		buf := make([]byte, 4)
		n, err := p.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	if string(got) != "one long message, another" {
		t.Errorf("read %q", got)
	}
}

func TestNewBufferRefuses(t *testing.T) {
	fresh(t)
	for _, c := range []struct {
		id          uint32
		oob, inband int
	}{{16, 10, 10}, {0, -1, 10}, {0, 10, BufferMemory}} {
		if _, _, err := NewBuffer(c.id, c.oob, c.inband); err == nil {
			t.Errorf("NewBuffer(%v): no error", c)
		}
	}
	if _, _, err := NewBuffer(0, BufferMemory/2, BufferMemory/4); err != nil {
		t.Fatal(err)
	}
	if _, _, err := NewBuffer(0, 8, BufferMemory/4); err == nil {
		t.Error("more than there is: no error")
	}
	for range MaxBuffers - 1 {
		if _, _, err := NewBuffer(0, 8, 8); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := NewBuffer(0, 8, 8); err == nil {
		t.Errorf("%d buffers: no error", MaxBuffers+1)
	}
}

func FuzzRing(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint8(2), uint32(0))
	f.Add([]byte{}, uint8(0), uint32(1<<32-3))
	f.Fuzz(func(t *testing.T, message []byte, room uint8, at uint32) {
		r := ring{base: 0, mask: 127, tail: at, head: at}
		if ok := r.put(message); ok != (len(message) <= MaxMessage) {
			t.Fatalf("put of %d bytes = %v", len(message), ok)
		} else if !ok {
			return
		}
		buf := make([]byte, room)
		n, ok := r.get(buf)
		if !ok || n != len(message) {
			t.Fatalf("get = %d, %v, want %d", n, ok, len(message))
		}
		if k := min(n, len(buf)); !bytes.Equal(buf[:k], message[:k]) {
			t.Errorf("got % x, want % x", buf[:k], message[:k])
		}
		if _, ok := r.get(buf); ok || r.head != r.tail {
			t.Error("something is left")
		}
	})
}

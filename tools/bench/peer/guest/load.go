package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loads keep the machine busy, each for ever, in processes without a real-time priority.
var loads = []string{"churn", "churn", "spin", "fork", "files", "lines", "ping"}

const (
	churnBytes = 8 << 20
	fileBytes  = 256 << 10

	// progressFile has a word for each load: its rounds so far.
	progressFile = "/tmp/progress"
	reportEvery  = 500 * time.Millisecond
)

// progress is progressFile, mapped.
var progress []byte

func startLoads() error {
	if err := os.WriteFile(progressFile, make([]byte, 4*len(loads)), 0o600); err != nil {
		return err
	}
	if err := openProgress(); err != nil {
		return err
	}
	for i, name := range loads {
		if err := start(nil, name, strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

func openProgress() error {
	f, err := os.OpenFile(progressFile, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	progress, err = unix.Mmap(int(f.Fd()), 0, 4*len(loads), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return err
}

// rounds is the word of load i.
func rounds(i int) *uint32 { return (*uint32)(unsafe.Pointer(&progress[4*i])) }

// report tells the console the rounds of the load that has done the fewest: the bench wants to see that all go on.
func report() {
	for {
		least := atomic.LoadUint32(rounds(0))
		for i := range loads {
			least = min(least, atomic.LoadUint32(rounds(i)))
		}
		fmt.Printf("\nload: rounds %d\n", least)
		time.Sleep(reportEvery)
	}
}

// busy does one round of a load after the other. os.Args[2] is its place in loads.
func busy(load func(done *uint32) error) error {
	i, err := strconv.Atoi(os.Args[len(os.Args)-1])
	if err != nil || i >= len(loads) {
		return fmt.Errorf("place %q of %d loads", os.Args, len(loads))
	}
	if err := openProgress(); err != nil {
		return err
	}
	for {
		if err := load(rounds(i)); err != nil {
			return err
		}
		atomic.AddUint32(rounds(i), 1)
	}
}

// churn maps memory, writes to each page and gives it back.
func churn(*uint32) error {
	m, err := unix.Mmap(-1, 0, churnBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	for i := 0; i < len(m); i += os.Getpagesize() {
		m[i] = 1
	}
	if err := unix.Munmap(m); err != nil {
		return fmt.Errorf("munmap: %w", err)
	}
	return nil
}

// spin computes.
func spin(done *uint32) error {
	for {
		atomic.AddUint32(done, 1)
	}
}

// fork starts a process that ends at once, and waits for it.
func fork(*uint32) error {
	p, err := os.StartProcess(self, []string{self, "exit"}, &os.ProcAttr{})
	if err != nil {
		return err
	}
	_, err = p.Wait()
	return err
}

var content = make([]byte, fileBytes)

// files writes a file on a tmpfs and removes it.
func files(*uint32) error {
	if err := os.WriteFile("/tmp/file", content, 0o600); err != nil {
		return err
	}
	return os.Remove("/tmp/file")
}

var line = append(bytes.Repeat([]byte("load: lines "), 5), '\n')

// lines writes to the console: the driver gives the UART its characters.
func lines(*uint32) error {
	_, err := os.Stdout.Write(line)
	return err
}

// Where pong finds its ends of the two pipes.
const (
	pongIn  = 3
	pongOut = 4
)

// ping passes a byte to pong, which passes it back, for ever.
func ping(done *uint32) error {
	var there, back [2]int
	if err := errors.Join(unix.Pipe(there[:]), unix.Pipe(back[:])); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	_, err := os.StartProcess(self, []string{self, "pong"}, &os.ProcAttr{Files: []*os.File{
		os.Stdin, os.Stdout, os.Stderr, os.NewFile(uintptr(there[0]), "there"), os.NewFile(uintptr(back[1]), "back"),
	}})
	if err != nil {
		return err
	}
	if _, err := unix.Write(there[1], []byte{0}); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return pass(back[0], there[1], done)
}

func pong() error { return pass(pongIn, pongOut, new(uint32)) }

// pass writes to out what it reads from in, and counts.
func pass(in, out int, done *uint32) error {
	var b [1]byte
	for {
		if _, err := unix.Read(in, b[:]); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if _, err := unix.Write(out, b[:]); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		atomic.AddUint32(done, 1)
	}
}

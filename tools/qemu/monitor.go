package qemu

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// monitorTimeout bounds every exchange with the emulator: it answers in milliseconds or is dead.
const monitorTimeout = 20 * time.Second

// Monitor speaks QMP with a running machine: it stops the machine, reads its memory, moves its links. What it reads it
// reads from outside, so it works whatever state the guest is in.
type Monitor struct {
	path string
	conn net.Conn
	in   *bufio.Scanner
}

// MonitorArgs returns the arguments for Machine.Args that make the machine listen for a Monitor at path, a unix socket.
func MonitorArgs(path string) []string {
	return []string{"-qmp", "unix:" + escape(path) + ",server=on,wait=off"}
}

// OpenMonitor connects to the machine that was started with MonitorArgs(path).
func OpenMonitor(path string) (*Monitor, error) {
	var conn net.Conn
	var err error
	for end := time.Now().Add(monitorTimeout); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if conn, err = net.Dial("unix", path); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	m := &Monitor{path: path, conn: conn, in: bufio.NewScanner(conn)}
	m.in.Buffer(nil, 1<<20)
	if _, err := m.read("QMP"); err != nil {
		return nil, err
	}
	return m, m.command("qmp_capabilities", nil)
}

// read returns the next message that has the given member; events and others are skipped.
func (m *Monitor) read(member string) (json.RawMessage, error) {
	if err := m.conn.SetDeadline(time.Now().Add(monitorTimeout)); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	for m.in.Scan() {
		var msg map[string]json.RawMessage
		if err := json.Unmarshal(m.in.Bytes(), &msg); err != nil {
			return nil, fmt.Errorf("monitor: %w", err)
		}
		if e, ok := msg["error"]; ok {
			return nil, fmt.Errorf("monitor: %s", e)
		}
		if v, ok := msg[member]; ok {
			return v, nil
		}
	}
	return nil, errors.Join(errors.New("monitor: the emulator closed the connection"), m.in.Err())
}

func (m *Monitor) command(name string, args any) error {
	_, err := m.query(name, args)
	return err
}

// query executes a command and returns what it answers.
func (m *Monitor) query(name string, args any) (json.RawMessage, error) {
	msg := map[string]any{"execute": name}
	if args != nil {
		msg["arguments"] = args
	}
	b, err := json.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	if err := m.conn.SetDeadline(time.Now().Add(monitorTimeout)); err != nil { // the one of the last answer has passed
		return nil, fmt.Errorf("monitor: %w", err)
	}
	if _, err := m.conn.Write(append(b, '\n')); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	return m.read("return")
}

// Stop stops the machine between two instructions.
func (m *Monitor) Stop() error { return m.command("stop", nil) }

// Continue lets the machine go on.
func (m *Monitor) Continue() error { return m.command("cont", nil) }

// Memory returns size bytes of the guest's memory from the address on, as the processor sees it.
func (m *Monitor) Memory(addr, size uint64) ([]byte, error) {
	file := filepath.Join(filepath.Dir(m.path), "memory")
	defer os.Remove(file)
	if err := m.command("memsave", map[string]any{"val": addr, "size": size, "filename": file}); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// SetLink plugs the cable of port (0: ENET1) in or pulls it.
func (m *Monitor) SetLink(port int, up bool) error {
	return m.command("set_link", map[string]any{"name": fmt.Sprintf("net%d", port), "up": up})
}

// Close ends the connection; the machine goes on.
func (m *Monitor) Close() error { return m.conn.Close() }

// Instructions returns how many instructions a machine with Icount has executed. Idle time counts for none.
func (m *Monitor) Instructions() (int64, error) {
	reply, err := m.query("query-replay", nil)
	if err != nil {
		return 0, err
	}
	var state struct{ Icount int64 }
	if err := json.Unmarshal(reply, &state); err != nil {
		return 0, fmt.Errorf("monitor: query-replay: %w", err)
	}
	return state.Icount, nil
}

// HMP executes a command of the human monitor, for what QMP has no command.
func (m *Monitor) HMP(line string) error {
	return m.command("human-monitor-command", map[string]any{"command-line": line})
}

//go:build tamago && inject

package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"mortise/board/mx6ullevk"
	"mortise/drivers/mmio"
	"mortise/stack/stage"
	"mortise/stack/task"
)

// injectPort takes commands over UDP: "oob FAULT", "task FAULT" (in a task), "unheard FAULT" (in-band ends before it can report it), "inband panic|nil|exit|spin", "kick", "loopback" (messages between goroutines by the oob stage), "restart", "policy N" (restarts a
// minute), "strict" (reset_without_inband). This file and inject_oob.go are in test images only.
const injectPort = 7799

// faults are the oob faults by name; inject_oob.go commits them, in this order.
var faults = []string{"index", "nil", "divide", "store", "stack", "panic", "map", "allocate", "loop", "jump", "undefined", "hang"}

// taskInject is the task that commits them for "task FAULT"; an image with tasks of its own has none.
const taskInject = 0

func serveInjection(g *gatewayImage) {
	conn, err := net.ListenPacket("udp", fmt.Sprintf(":%d", injectPort))
	if err != nil {
		log.Fatalf("injection: %v", err)
	}
	go func() {
		buf := make([]byte, 256)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				log.Fatalf("injection: %v", err)
			}
			command := string(buf[:n])
			fmt.Printf("injection: %s\n", command)
			reply := "ok"
			run := g.command(command)
			if run == nil {
				reply = "unknown command"
			}
			if _, err := conn.WriteTo([]byte(reply), from); err != nil {
				log.Printf("injection: %v", err)
			}
			if run != nil {
				run()
			}
		}
	}()
}

// command returns what carries out a command, nil if there is no such command.
func (g *gatewayImage) command(s string) func() {
	if fault, ok := strings.CutPrefix(s, "oob "); ok {
		return commit(fault, inKick, stage.Kick)
	}
	if fault, ok := strings.CutPrefix(s, "task "); ok {
		return commit(fault, inTask, func() { task.Post(taskInject) })
	}
	if fault, ok := strings.CutPrefix(s, "unheard "); ok {
		if commit := g.command("oob " + fault); commit != nil {
			return func() {
				mx6ullevk.GIC.MaskInband(true)
				commit()
				os.Exit(3)
			}
		}
		return nil
	}
	if limit, ok := strings.CutPrefix(s, "policy "); ok {
		n, err := strconv.Atoi(limit)
		if err != nil {
			return nil
		}
		return func() { g.policy.SetLimit(n) }
	}
	return map[string]func(){
		"strict": func() { mmio.Store(&dogStrict, 1) },
		"restart": func() {
			if err := g.restartStage(); err != nil {
				log.Printf("injection: %v", err)
			}
		},
		"kick":         stage.Kick,
		"loopback":     func() { go around() },
		"inband panic": func() { go panic("injected") },
		"inband nil":   func() { go func() { fmt.Println(*(*int)(nil)) }() },
		"inband exit":  func() { os.Exit(3) },
		"inband spin":  func() { go spinForEver() },
	}[s]
}

// commit returns what makes oob code commit a fault in a place, which start brings to run; nil if there is no such fault.
func commit(fault string, place uint32, start func()) func() {
	i := slices.Index(faults, fault)
	if i < 0 {
		return nil
	}
	return func() {
		mmio.Store(&injectIn, place)
		mmio.Store(&injectKind, uint32(i+1))
		start()
	}
}

func spinForEver() {
	for {
		injectSpun++
	}
}

var injectSpun uint32

//go:build tamago

// Command gateway is the firmware: the two stages with everything between them, as the configuration asks for.
//
// main.go says in what order things start, devices.go maps the configuration to devices, sockets.go to oob ports (which stack/admin
// switches), apply.go takes another one at run time, dispatch.go is the oob stage's activation, tasks.go its tasks, link.go follows the cables, service.go serves in-band's
// interrupts, supervise.go starts and stops the oob stage, watchdog.go and watchdog_oob.go feed
// the watchdog and note what a reset would otherwise take away, status.go and traffic.go are what the status page shows, files.go
// what the console's file commands do.
// load_*.go and inject*.go are built into images for tests only.
//
// Stage: in-band; dispatch.go and inject_oob.go run in the oob stage.
package main

import (
	"encoding/hex"
	"fmt"
	"log"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"mortise"
	"mortise/board/mx6ullevk"
	"mortise/stack/admin"
	"mortise/stack/divert"
	"mortise/stack/files"
	"mortise/stack/gateway"
	"mortise/stack/guard"
	"mortise/stack/inband"
	"mortise/stack/stage"
	"mortise/stack/status"
	"mortise/stack/task"
)

// Set by the linker (-X): see tools/mortise.
var (
	version = "development"
	macSeed = "" // hexadecimal; the seed of derived MAC addresses
)

// gatewayImage is what the firmware's in-band parts share.
type gatewayImage struct {
	cfg     *gateway.Config
	tables  *gateway.Tables
	devices []*divert.Device
	irqs    []uint32 // of devices
	stack   *inband.Stack
	early   []func() error // see joinGroup
	admin   *admin.Admin
	files   *files.Tree
	started time.Time

	supervise sync.Mutex // held while the oob stage or its devices change hands
	policy    *guard.Policy
	record    *guard.Record
	crash     *guard.Crash // of the run before; nil: none

	beatAt uint32 // activations at the last beat

	text      atomic.Pointer[[]byte]          // of the configuration
	described atomic.Pointer[[]status.Device] // what changes with the configuration only of each device
}

// The garbage collector's pace: the heap in use is a few MiB, and 448 MiB are there. A collection then follows 16 MiB of
// garbage (4 MiB and the percentage) and not 4; the limit makes it work harder before memory runs out.
const (
	gcPercent   = 400
	memoryLimit = 384 << 20 // bytes; the rest is for the image itself, stacks, and what is not yet returned
)

func main() {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	log.SetFlags(0)
	g := &gatewayImage{started: time.Now()}
	fmt.Printf("mortise %s on %s\n", version, mx6ullevk.Name)
	if err := g.start(); err != nil {
		log.Fatalf("start: %v", err)
	}
	fmt.Println("serving")
	go task.PrintLogs(false)
	go g.watchDrops()
	task.Serve()
	for _, load := range loads {
		load(g)
	}
	select {}
}

// start brings everything up: the stage last, so that nothing runs in it before what it needs is there.
func (g *gatewayImage) start() error {
	if err := g.configure(); err != nil {
		return err
	}
	if err := mx6ullevk.Init(); err != nil {
		return err
	}
	g.policy = guard.NewPolicy(g.cfg.RestartsPerMinute)
	g.openRecord()
	stage.Init(stage.Config{
		CPU: mx6ullevk.CPU, GIC: &mx6ullevk.GIC, OnFault: g.onFault, Fallback: g.silence(),
		Mark: doingWord, Trace: g.record.Trace(),
	})
	if err := g.addDevices(); err != nil {
		return err
	}
	if err := g.addTasks(); err != nil {
		return err
	}
	if err := g.keepFiles(); err != nil {
		return err
	}
	if err := g.startInband(); err != nil {
		return err
	}
	g.startStage()
	g.watchLinks()
	g.admin.Ask()
	g.serveConsole()
	return g.startWatchdog()
}

// boardOf describes the board to the configuration's checks.
func boardOf() *gateway.Board {
	b := &gateway.Board{Name: mx6ullevk.Name, Buffers: divert.PoolSlots(mx6ullevk.CrashBase - mx6ullevk.DMABase), Files: bundled}
	for _, c := range mx6ullevk.Controllers() {
		b.Controllers = append(b.Controllers, gateway.Controller{Name: c.Name, OobCapable: true, Stock: true})
	}
	return b
}

// fuseMAC returns the address that the board's fuses hold for a controller.
func fuseMAC(controller string) (gateway.MAC, bool) {
	for i, c := range mx6ullevk.Controllers() {
		if c.Name == controller {
			mac, ok := mx6ullevk.FuseMAC(i + 1)
			return mac, ok
		}
	}
	return gateway.MAC{}, false
}

// configure reads the configuration that is embedded in the image.
func (g *gatewayImage) configure() (err error) {
	g.cfg, g.tables, err = compile(mortise.GatewayTOML)
	g.text.Store(&mortise.GatewayTOML)
	return err
}

// compile reads a configuration.
func compile(text []byte) (*gateway.Config, *gateway.Tables, error) {
	cfg, err := gateway.Parse("gateway.toml", text, boardOf())
	if err != nil {
		return nil, nil, err
	}
	seed, err := hex.DecodeString(macSeed)
	if err != nil {
		return nil, nil, fmt.Errorf("MAC seed: %w", err)
	}
	tables, err := cfg.Tables(seed, fuseMAC)
	return cfg, tables, err
}

// startInband starts gVisor over the devices, Go's net package over gVisor, and the services.
func (g *gatewayImage) startInband() (err error) {
	links := make([]inband.Link, len(g.devices))
	for i, d := range g.devices {
		links[i] = d
	}
	if g.stack, err = inband.New(g.cfg, links...); err != nil {
		return err
	}
	g.stack.OnNeighbour(g.neighbour)
	g.stack.ServeNet()
	g.stack.Start()
	if err := g.reportGroups(); err != nil {
		return err
	}
	serveInjection(g)
	if g.cfg.Status.Port == 0 {
		return nil
	}
	g.describe(g.tables)
	l, err := g.stack.ListenTCP(g.cfg.Status.Port)
	if err != nil {
		return fmt.Errorf("status page: %w", err)
	}
	api := status.Route{Pattern: admin.Path, Handler: g.admin.Handler(g.cfg.Status.Control)}
	kept := status.Route{Pattern: files.Path, Handler: g.files.Handler()}
	go func() { log.Printf("status page: %v", status.Serve(l, g.status, api, kept)) }()
	return nil
}

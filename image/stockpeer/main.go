//go:build tamago

// Command stockpeer is what in-band is compared with: stock TamaGo, its own ENET driver, and gVisor's netstack through
// gVisor's own channel endpoint, with the services of the gateway's in-band stage on ENET2. It has no oob stage. It is
// built by tools/bench only.
//
// Its page is the gateway's (stack/status), of about as many counters: what differs is how frames reach gVisor.
//
// CAUTION: idle times are the gateway's (idle_arm.s). TamaGo's governor does not sleep while a Go timer runs, so that its
// idle instructions could not be told from work.
//
// Stage: in-band. Does not support: anything but the comparison.
package main

import (
	"fmt"
	"log"
	"math"
	"net"
	"runtime/goos"
	"time"

	"github.com/usbarmory/tamago/board/nxp/mx6ullevk"
	"github.com/usbarmory/tamago/soc/nxp/enet"
	"github.com/usbarmory/tamago/soc/nxp/imx6ul"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"

	"mortise/image/bulk"
	"mortise/stack/status"
)

// Services, as the gateway's: gateway.toml.
const (
	echoPort   = 7777
	statusPort = 80
)

// alarmPPI is the physical timer's interrupt: see board/mx6ullevk, idle.go.
const alarmPPI = 29

var (
	address = tcpip.AddrFrom4([4]byte{10, 0, 2, 15})
	mac     = net.HardwareAddr{0x02, 0, 0, 0, 0x0e, 0x02}
)

var _ = mx6ullevk.EnablePHY // the board's init sets the controllers up

func main() {
	log.SetFlags(0)
	imx6ul.GIC.Init()
	imx6ul.GIC.EnableInterrupt(alarmPPI)
	goos.Idle = idle

	nic := imx6ul.ENET2
	nic.MAC = mac
	if err := nic.Init(); err != nil {
		log.Fatalf("stockpeer: %v", err)
	}
	l, err := newLink(nic)
	if err != nil {
		log.Fatalf("stockpeer: %v", err)
	}
	if err := serve(l); err != nil {
		log.Fatalf("stockpeer: %v", err)
	}
	nic.Start()
	nic.EnableInterrupt(enet.IRQ_RXF)
	imx6ul.GIC.EnableInterrupt(nic.IRQ)
	fmt.Println("serving")
	imx6ul.ARM.ServiceInterrupts(func() {
		if imx6ul.GIC.GetInterrupt() == nic.IRQ {
			nic.ClearInterrupt(enet.IRQ_RXF)
			l.receive()
		}
	})
}

// idle waits until the time until, or an interrupt.
func idle(until int64) {
	switch {
	case until <= 0:
		return
	case until != math.MaxInt64:
		imx6ul.ARM.SetAlarm(until)
	}
	waitInterrupt()
	imx6ul.ARM.SetAlarm(0)
}

// waitInterrupt executes WFI with IRQ masked.
func waitInterrupt()

func serve(l *link) error {
	for port, f := range map[uint16]func(net.Listener) error{
		bulk.DiscardPort:  bulk.Discard,
		bulk.GeneratePort: bulk.Generate,
		statusPort:        func(l net.Listener) error { return status.Serve(l, page) },
	} {
		listener, err := gonet.ListenTCP(l.stack, tcpip.FullAddress{Addr: address, Port: port}, ipv4.ProtocolNumber)
		if err != nil {
			return err
		}
		go func() { log.Printf("port %d: %v", port, f(listener)) }()
	}
	echo, err := gonet.DialUDP(l.stack, &tcpip.FullAddress{Addr: address, Port: echoPort}, nil, ipv4.ProtocolNumber)
	if err != nil {
		return err
	}
	go func() {
		b := make([]byte, 2048)
		answered := 0
		for {
			n, from, err := echo.ReadFrom(b)
			if err != nil {
				log.Fatalf("echo: %v", err)
			}
			if _, err := echo.WriteTo(b[:n], from); err != nil {
				log.Printf("echo: %v", err)
			}
			if answered++; answered == loadAfter {
				for _, load := range loads {
					go load()
				}
			}
		}
	}()
	return nil
}

// loads keep the guest busy. There are some only in images that are built with the tags load_gc and load_spin. They begin
// when loadAfter echoes have been answered, so that a bench has seen that the guest serves.
var loads []func()

const loadAfter = 32

var started = time.Now()

// page is a state of as many counters as the gateway's with one device.
func page() *status.Status {
	return &status.Status{
		Name: "stock", Version: "stock", Board: "mx6ullevk", Uptime: time.Since(started),
		Stage: status.Stage{State: status.Stopped}, Runtime: status.ReadRuntime(),
		Devices: []status.Device{{
			Name: "lan0", Controller: "ENET2", MAC: mac.String(), MACSource: "derived", Up: true,
			Link:   "100 Mb/s full duplex",
			Ports:  []status.Port{{Name: "lan0", Address: "10.0.2.15/24"}},
			Groups: []status.Group{group("driver", driverCounters), group("crossing", crossingCounters), group("inband", inbandCounters)},
		}},
		Groups: []status.Group{group("netstack", netstackCounters)},
	}
}

// How many counters the gateway shows, by group.
const (
	driverCounters   = 20
	crossingCounters = 20
	inbandCounters   = 19
	netstackCounters = 25
)

func group(name string, n int) status.Group {
	g := status.Group{Name: name, Title: name, Counters: make([]status.Counter, 0, n)}
	for i := range n {
		g.Counters = append(g.Counters, status.Counter{
			Name: names[i], Help: "frames of some kind, for the comparison", Kind: status.Count, Value: uint64(i),
		})
	}
	return g
}

var names = func() (names [25]string) {
	for i := range names {
		names[i] = fmt.Sprintf("counter_number_%d", i)
	}
	return names
}()

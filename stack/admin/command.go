package admin

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"mortise/stack/console"
	"mortise/stack/gateway"
)

// Commands returns the `net` commands of the console: the verbs of `evl net`.
func (a *Admin) Commands() []console.Command {
	return []console.Command{
		{Verb: "net enable", Help: "-i PORT [-p BUFFERS] [-b BYTES]: make it an oob port, with room for so many datagrams of that size", Run: a.enable},
		{Verb: "net disable", Help: "-i PORT: make it in-band only", Run: a.disable},
		{Verb: "net divert", Help: "-i DEVICE on|off: the oob stage gets its frames first, without an oob port, too", Run: a.diversion},
		{Verb: "net vlans", Help: "-i DEVICE [LIST|none]: show, or set, VLANs that are oob without a port: 42-45,100", Run: a.vlans},
		{Verb: "net filter", Help: "[-i DEVICE [-f FUNCTION] [-m VERDICT] [-e VERDICT] [-c] [FILE|none]]: show, set or remove a filter program", Run: a.filterCommand},
		{Verb: "net explain", Help: "-i DEVICE HEX: what becomes of a frame, and why", Run: a.explainCommand},
		{Verb: "net solicit", Help: "[-i PORT] [-s] [-g] [-t SECONDS] ADDRESS: ask for a peer; -s permanent, -g by a gateway", Run: a.solicit},
		{Verb: "net neigh flush", Help: "forget the neighbours that are not permanent, and routes through gateways", Run: a.flush},
		{Verb: "net neigh set", Help: "-i PORT ADDRESS MAC: a permanent neighbour", Run: a.setNeighbour},
		{Verb: "net neigh remove", Help: "-i PORT ADDRESS: forget a neighbour", Run: a.removeNeighbour},
		{Verb: "net neigh", Help: "[-i PORT]: the neighbours that the oob stage knows", Run: a.neighbours},
		{Verb: "net routes", Help: "the networks that the oob stage reaches", Run: a.routes},
		{Verb: "net sockets", Help: "the oob sockets", Run: a.listSockets},
		{Verb: "net conflicts", Help: "other hosts with an address of ours", Run: a.listConflicts},
		{Verb: "net query", Help: "[-i PORT|DEVICE]: all ports and devices, or all that there is to say about one", Run: a.query},
	}
}

// options are the flags of a command: those that it has are asked for.
type options struct {
	*flag.FlagSet
	name string
}

// parse reads args: the flags that define makes, then at least least and at most most words.
func parse(args []string, least, most int, define func(o *options)) (*options, error) {
	o := &options{FlagSet: flag.NewFlagSet("", flag.ContinueOnError)}
	o.SetOutput(io.Discard)
	o.Usage = func() {}
	define(o)
	if err := o.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, errors.New("help tells what it wants")
		}
		return nil, err
	}
	if n := o.NArg(); n < least || n > most {
		return nil, fmt.Errorf("%d words behind the flags, want %d to %d; help tells which", n, least, most)
	}
	return o, nil
}

// interfaceFlag is -i.
func (o *options) interfaceFlag() { o.StringVar(&o.name, "i", "", "") }

// needName returns the error when -i is missing.
func (o *options) needName(what string) error {
	if o.name == "" {
		return fmt.Errorf("name the %s: -i NAME", what)
	}
	return nil
}

func (a *Admin) enable(w io.Writer, args []string) error {
	var pool, buffer *int
	o, err := parse(args, 0, 0, func(o *options) { o.interfaceFlag(); pool = o.Int("p", 0, ""); buffer = o.Int("b", 0, "") })
	if err == nil {
		err = o.needName("port")
	}
	if err == nil {
		err = poolGiven(o, *pool, *buffer)
	}
	if err == nil {
		err = a.EnableSized(o.name, *pool, *buffer)
	}
	if err != nil {
		return err
	}
	p, err := a.Port(o.name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: oob port, %d buffers of %d bytes%s\n", p.Name, p.Pool.Size, p.Pool.BufferBytes, p.Pool.limit())
	return err
}

// limit says what the largest datagram is, if there is a limit.
func (l *Pool) limit() string {
	if l.MostBytes == 0 {
		return ""
	}
	return fmt.Sprintf(", for datagrams of up to %d bytes", l.MostBytes)
}

// poolGiven refuses a pool of no buffers, and buffers of no bytes: to EnableSized 0 is nothing said.
func poolGiven(o *options, pool, buffer int) (err error) {
	o.Visit(func(f *flag.Flag) {
		if f.Name == "p" && pool == 0 {
			err = fmt.Errorf("a pool of 0 buffers: %w", ErrInvalid)
		}
		if f.Name == "b" && buffer == 0 {
			err = fmt.Errorf("buffers of 0 bytes: %w", ErrInvalid)
		}
	})
	return err
}

func (a *Admin) disable(w io.Writer, args []string) error {
	o, err := parse(args, 0, 0, (*options).interfaceFlag)
	if err == nil {
		err = o.needName("port")
	}
	if err != nil {
		return err
	}
	held, err := a.Disable(o.name)
	if err != nil {
		return err
	}
	if held != 0 {
		_, err = fmt.Fprintf(w, "%s: in-band only; %d buffers are still in use\n", o.name, held)
		return err
	}
	_, err = fmt.Fprintf(w, "%s: in-band only\n", o.name)
	return err
}

func (a *Admin) diversion(w io.Writer, args []string) error {
	o, err := parse(args, 1, 1, (*options).interfaceFlag)
	if err == nil {
		err = o.needName("device")
	}
	if err == nil && o.Arg(0) != "on" && o.Arg(0) != "off" {
		err = fmt.Errorf("%q: want on or off", o.Arg(0))
	}
	if err != nil {
		return err
	}
	if _, err := a.Divert(o.name, o.Arg(0) == "on"); err != nil {
		return err
	}
	d, err := a.Device(o.name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: %s\n", d.Name, d.diversion())
	return err
}

// driver says in words what the device's driver is.
func (d *Device) driver() string {
	if d.OobCapable {
		return "oob-capable"
	}
	return gateway.StockDriver
}

// diversion says in words whether a device is diverted, and what for.
func (d *Device) diversion() string {
	if !d.Diverted {
		return "not diverted"
	}
	return "diverted, for " + strings.Join(d.For, ", ")
}

func (a *Admin) vlans(w io.Writer, args []string) error {
	o, err := parse(args, 0, 1, (*options).interfaceFlag)
	if err == nil {
		err = o.needName("device")
	}
	if err != nil {
		return err
	}
	if list := o.Arg(0); list != "" {
		if list == "none" {
			list = ""
		}
		if err := a.SetVLANs(o.name, list); err != nil {
			return err
		}
	}
	list, err := a.VLANs(o.name)
	if err != nil {
		return err
	}
	if list == "" {
		list = "none"
	}
	_, err = fmt.Fprintf(w, "%s: VLANs that are oob without a port: %s\n", o.name, list)
	return err
}

func (a *Admin) solicit(w io.Writer, args []string) error {
	var s Solicitation
	var seconds *float64
	o, err := parse(args, 1, 1, func(o *options) {
		o.interfaceFlag()
		o.BoolVar(&s.Permanent, "s", false, "")
		o.BoolVar(&s.Gateway, "g", false, "")
		seconds = o.Float64("t", SolicitTimeout.Seconds(), "")
	})
	if err != nil {
		return err
	}
	if s.Addr, err = netip.ParseAddr(o.Arg(0)); err != nil {
		return err
	}
	s.Port, s.Timeout = o.name, time.Duration(*seconds*float64(time.Second))
	if s.Timeout == 0 {
		return fmt.Errorf("a timeout of 0 s: %w", ErrInvalid)
	}
	n, err := a.Solicit(context.Background(), s)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, n)
	return err
}

func (n Neighbour) String() string {
	s := fmt.Sprintf("%s: %v is at %s", n.Port, n.Address, n.MAC)
	if n.Permanent {
		s += ", permanent"
	}
	return s
}

func (a *Admin) neighbours(w io.Writer, args []string) error {
	o, err := parse(args, 0, 0, (*options).interfaceFlag)
	if err != nil {
		return err
	}
	list, err := a.Neighbours(o.name)
	if err != nil {
		return err
	}
	for _, n := range list {
		if _, err := fmt.Fprintln(w, n); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(w, "%d neighbours\n", len(list))
	return err
}

func (a *Admin) flush(w io.Writer, args []string) error {
	if _, err := parse(args, 0, 0, func(*options) {}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d entries forgotten\n", a.Flush())
	return err
}

func (a *Admin) setNeighbour(w io.Writer, args []string) error {
	o, err := parse(args, 2, 2, (*options).interfaceFlag)
	if err == nil {
		err = o.needName("port")
	}
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(o.Arg(0))
	if err != nil {
		return err
	}
	mac, err := parseMAC(o.Arg(1))
	if err != nil {
		return err
	}
	if err := a.SetNeighbour(o.name, addr, mac); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, Neighbour{o.name, addr, macText(mac), true})
	return err
}

// parseMAC reads a MAC address.
func parseMAC(s string) (mac [6]byte, err error) {
	b, err := net.ParseMAC(s)
	if err != nil || len(b) != len(mac) {
		return mac, fmt.Errorf("%q: %w, want a MAC address as 02:00:00:00:00:01", s, ErrInvalid)
	}
	return [6]byte(b), nil
}

func (a *Admin) removeNeighbour(w io.Writer, args []string) error {
	o, err := parse(args, 1, 1, (*options).interfaceFlag)
	if err == nil {
		err = o.needName("port")
	}
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(o.Arg(0))
	if err != nil {
		return err
	}
	if err := a.RemoveNeighbour(o.name, addr); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: %v forgotten\n", o.name, addr)
	return err
}

func (a *Admin) routes(w io.Writer, args []string) error {
	if _, err := parse(args, 0, 0, func(*options) {}); err != nil {
		return err
	}
	for _, r := range a.Routes() {
		via := ""
		if r.Gateway != "" {
			via = " by " + r.Gateway
		}
		if _, err := fmt.Fprintf(w, "%v: %s%s\n", r.Prefix, r.Port, via); err != nil {
			return err
		}
	}
	return nil
}

func (a *Admin) listSockets(w io.Writer, args []string) error {
	if _, err := parse(args, 0, 0, func(*options) {}); err != nil {
		return err
	}
	list := a.Sockets()
	for _, s := range list {
		if _, err := fmt.Fprintln(w, s); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d sockets\n", len(list))
	return err
}

func (s Socket) String() string {
	text := fmt.Sprintf("%d: %s %s", s.Number, s.Kind, s.Local)
	if s.Peer != "" {
		text += " to " + s.Peer
	}
	if s.Port != "" {
		text += " on " + s.Port
	}
	return text + fmt.Sprintf(", %s, %d of %d queued%s", s.Reader, s.Queued, s.Limit, nonzero(s.Counters))
}

// nonzero lists the counters that have counted.
func nonzero(counters []Counter) (s string) {
	for _, c := range counters {
		if c.Value != 0 {
			s += fmt.Sprintf(", %s %d", c.Name, c.Value)
		}
	}
	return s
}

func (a *Admin) listConflicts(w io.Writer, args []string) error {
	if _, err := parse(args, 0, 0, func(*options) {}); err != nil {
		return err
	}
	list := a.Conflicts()
	for _, c := range list {
		if _, err := fmt.Fprintf(w, "%s: %v is %s's, too; %d times\n", c.Port, c.Address, c.MAC, c.Seen); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d conflicts\n", len(list))
	return err
}

func (a *Admin) query(w io.Writer, args []string) error {
	o, err := parse(args, 0, 0, (*options).interfaceFlag)
	if err != nil {
		return err
	}
	if o.name == "" {
		return a.queryAll(w)
	}
	p, portErr := a.Port(o.name)
	d, deviceErr := a.Device(o.name)
	if portErr != nil && deviceErr != nil {
		return portErr
	}
	if portErr == nil {
		if err := p.tell(w); err != nil {
			return err
		}
	}
	if deviceErr == nil {
		return d.tell(w)
	}
	return nil
}

// queryAll tells a line of each device and port.
func (a *Admin) queryAll(w io.Writer) error {
	for _, d := range a.Devices() {
		link := "link up"
		if !d.Up {
			link = "link down"
		}
		if !d.OobCapable {
			link += ", " + d.driver()
		}
		if _, err := fmt.Fprintf(w, "%s: %s, %s\n", d.Name, link, d.diversion()); err != nil {
			return err
		}
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "port\taddress\tstage\tpool\tfree\tlowest\texhausted\toob rx\ttx\tdropped\tin-band rx\ttx\t")
	for _, p := range a.Ports() {
		pool := "-\t-\t-\t-"
		if p.Pool != nil {
			pool = fmt.Sprintf("%d\t%d\t%d\t%d", p.Pool.Size, p.Pool.Free, p.Pool.Lowest, p.Pool.Exhausted)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t\n", p.Name, p.Address, p.stage(), pool,
			p.Stage.RxPackets, p.Stage.TxPackets, p.Stage.Dropped, p.Inband.RxPackets, p.Inband.TxPackets)
	}
	return table.Flush()
}

// stage says in a word or two what a port is.
func (p *Port) stage() string {
	switch {
	case !p.Oob:
		return "in-band"
	case !p.Up && !p.RealTime:
		return "oob (down), not real-time"
	case !p.Up:
		return "oob (down)"
	case !p.RealTime:
		return "oob, not real-time"
	}
	return "oob"
}

// tell writes all that there is to say about a port.
func (p *Port) tell(w io.Writer) error {
	var b strings.Builder
	on := ""
	if p.Device != "" {
		on = " on " + p.Device
	}
	fmt.Fprintf(&b, "port %s: %s%s, %s", p.Name, p.Address, on, p.stage())
	if p.Accepts != "" {
		fmt.Fprintf(&b, ", takes %s", p.Accepts)
	}
	fmt.Fprintf(&b, "\n  oob: %v\n", p.Stage)
	if p.Device != "" {
		fmt.Fprintf(&b, "  in-band: %v\n", p.Inband)
	}
	if l := p.Pool; l != nil {
		fmt.Fprintf(&b, "  pool: %d buffers of %d bytes%s, %d free, %d at the lowest, %d times empty\n",
			l.Size, l.BufferBytes, l.limit(), l.Free, l.Lowest, l.Exhausted)
	}
	fmt.Fprintf(&b, "  %d neighbours, %d address conflicts, %d sockets bound to it\n", p.Neighbour, p.Conflicts, len(p.Sockets))
	for _, s := range p.Sockets {
		fmt.Fprintf(&b, "    %v\n", s)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tell writes all that there is to say about a device.
func (d *Device) tell(w io.Writer) error {
	var b strings.Builder
	link := "up"
	if !d.Up {
		link = "down"
	}
	fmt.Fprintf(&b, "device %s: MAC address %s, link %s, %s, %s\n  in all: %v\n", d.Name, d.MAC, link, d.driver(), d.diversion(), d.Traffic)
	for _, g := range []struct {
		name     string
		counters []Counter
	}{{"oob stage", d.Core}, {"driver and crossing", d.Counters}} {
		fmt.Fprintf(&b, "  %s: %s\n", g.name, strings.TrimPrefix(nonzero(g.counters)+", all others 0", ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

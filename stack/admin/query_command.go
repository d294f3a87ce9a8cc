package admin

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

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
	if p.Made {
		b.WriteString(", made at run time")
	}
	if p.Accepts != "" {
		fmt.Fprintf(&b, ", takes %s", p.Accepts)
	}
	fmt.Fprintf(&b, "\n  oob: %v\n", p.Stage)
	if p.Device != "" {
		fmt.Fprintf(&b, "  in-band: %v\n", p.Inband)
	}
	if l := p.Pool; l != nil {
		fmt.Fprintf(&b, "  pool: %d buffers of %d bytes%s, %d free, %d at the lowest, %d times empty: %d to receive, %d to send\n",
			l.Size, l.BufferBytes, l.limit(), l.Free, l.Lowest, l.Exhausted, l.RxExhausted, l.TxExhausted)
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
	fmt.Fprintf(&b, "device %s: MAC address %s, link %s, %s, %s\n  in all: %v\n  timestamps: %s\n", d.Name, d.MAC, link, d.driver(), d.diversion(), d.Traffic, d.Timestamps)
	for _, g := range []struct {
		name     string
		counters []Counter
	}{{"oob stage", d.Core}, {"driver and crossing", d.Counters}} {
		fmt.Fprintf(&b, "  %s: %s\n", g.name, strings.TrimPrefix(nonzero(g.counters)+", all others 0", ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
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
	if s.Times != "" {
		text += ", timestamps " + s.Times
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

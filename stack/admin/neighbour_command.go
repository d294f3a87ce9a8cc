package admin

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

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
	if n.Heard != "" {
		s += "; " + n.Heard + " answers for it"
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
	_, err = fmt.Fprintln(w, Neighbour{Port: o.name, Address: addr, MAC: macText(mac), Permanent: true})
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
